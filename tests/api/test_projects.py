"""Projects over HTTP: statements, hostile values, other organizations, the oldest release, deletion to the last row.

That answers and rows are Label Studio's own is proved in tests/twin/test_projects.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from console.service import Console
from tests.api.statements import at_most, silence_webhooks, values
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES, make_project

OLDEST = pytest.mark.parametrize("version", ["1.8.2.post1"])
CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text"><Choice value="Good"/><Choice value="Bad"/></Choices></View>'
)


@BOTH_ENGINES
def test_a_list_takes_few_statements_however_long(alice: ApiClient, console: Console, session: Session):
    for _ in range(40):
        make_project(session)
    alice.get("/api/projects/")
    with at_most(console, 5):
        found = alice.get("/api/projects/?page_size=100").json
    assert (found["count"], len(found["results"]), found["next"]) == (44, 44, None)
    with at_most(console, 5):
        assert alice.get("/api/projects/1/").json["task_number"] == 85
    with at_most(console, 3):
        assert alice.get("/api/projects/?include=id,title").json["results"][0].keys() == {"id", "title"}


@BOTH_ENGINES
def test_create_change_delete_take_few_statements(alice: ApiClient, console: Console):
    silence_webhooks(console)
    alice.post("/api/projects/", json={})
    with at_most(console, 12):
        made = alice.post("/api/projects/", json={"title": "A project", "label_config": CONFIG})
    assert (made.status_code, made.json["task_number"], made.json["created_by"]["id"]) == (201, None, 1)
    with at_most(console, 14):
        changed = alice.patch(f"/api/projects/{made.json['id']}/", json={"title": "Another"})
    assert (changed.status_code, changed.json["title"], changed.json["task_number"]) == (200, "Another", 0)
    assert alice.delete(f"/api/projects/{made.json['id']}/").status_code == 204


@BOTH_ENGINES
def test_a_deleted_project_leaves_nothing_behind(alice: ApiClient, console: Console):
    tables = console.deployment.schema.columns
    assert alice.delete("/api/projects/1/").status_code == 204
    for table in tables:
        if "project_id" in tables[table]:
            assert values(console, f'select count(*) from "{table}" where project_id = 1') == [(0,)], table
    assert values(console, "select count(*) from task_completion where task_id not in (select id from task)") == [(0,)]
    assert alice.get("/api/projects/1/").status_code == 404
    assert [project["id"] for project in alice.get("/api/projects/?ordering=id").json["results"]] == [2, 3, 5]


HOSTILE: list[tuple[Any, str]] = [
    ({"label_config": "<View>" * 5000}, "label_config"),
    ({"label_config": "<!DOCTYPE x [<!ENTITY a 'b'>]><View>&a;</View>"}, "label_config"),
    ({"label_config": {"xml": 1}}, "label_config"),
    ({"label_config": "<?xml version='1.0' encoding='utf-8'?><View/>"}, "label_config"),
    ({"title": "a\x00bc"}, "title"),
    ({"title": "\ud800bc"}, "title"),
    ({"color": None}, "color"),
    ({"color": ["#ffffff"]}, "color"),
    ({"expert_instruction": None}, "expert_instruction"),
    ({"expert_instruction": {"a": 1}}, "expert_instruction"),
    ({"maximum_annotations": 10**400}, "maximum_annotations"),
    ({"maximum_annotations": 2**31}, "maximum_annotations"),
    ({"overlap_cohort_percentage": []}, "overlap_cohort_percentage"),
    ({"start_training_on_annotation_update": "never"}, "start_training_on_annotation_update"),
    ({"organization": 2}, "organization"),
    ({"organization": None}, "organization"),
    ({"pinned_at": "9999-99-99T00:00:00Z"}, "pinned_at"),
]


@pytest.mark.parametrize("engine", ["postgresql"])
def test_hostile_values_are_refused_by_name(alice: ApiClient, console: Console):
    before = values(console, "select id, updated_at, title from project order by id")
    for body, field in HOSTILE:
        for method, path in (("POST", "/api/projects/"), ("PATCH", "/api/projects/1/")):
            answer = alice.send(method, path, data=json.dumps(body), content_type="application/json")
            assert answer.status_code == 400, (body, answer.json)
            assert field in answer.json["validation_errors"], (body, answer.json)
    assert values(console, "select id, updated_at, title from project order by id") == before


@pytest.mark.parametrize("engine", ["postgresql"])
def test_odd_values_that_are_accepted(alice: ApiClient):
    for body in (
        {"control_weights": ["a", 1]}, {"control_weights": "text"}, {"control_weights": {"mood": {"labels": 5}}},
        {"label_config": CONFIG, "control_weights": {"mood": None}}, {"overlap_cohort_percentage": -5},
        {"maximum_annotations": -1}, {"model_version": None}, {"description": "x" * 100_000},
    ):  # fmt: skip
        made = alice.post("/api/projects/", json=body)
        assert made.status_code == 201, made.json
        assert alice.patch(f"/api/projects/{made.json['id']}/", json={"label_config": CONFIG}).status_code == 200
    for body in ({"control_weights": {"a": "\x00"}}, {"control_weights": "\ud800"}):
        answer = alice.patch("/api/projects/1/", data=json.dumps(body), content_type="application/json")
        assert answer.status_code == 400, answer.json


@BOTH_ENGINES
def test_odd_queries(alice: ApiClient):
    for query, status in (
        ("ids=1,x", 400), ("ids=99999999999999999999", 400), ("ids=-1", 200), ("ids=,", 400), ("ids=1,9999999999", 200),
        ("ordering=-task_number,-nope,label_config", 200), ("ordering=control_weights", 200), ("ordering=-", 200),
        ("ordering=-state,queue_done,created_by", 200), ("title=%00", 400), ("title=%25_", 200), ("page=99999999999999", 404),
        ("page=last", 200), ("page_size=-1", 200), ("filter=odd", 200), ("include=,,", 200), ("omit=id,title", 200),
    ):  # fmt: skip
        assert alice.get(f"/api/projects/?{query}").status_code == status, query
    assert alice.get("/api/projects/?ordering=-task_number").json["results"][0]["id"] == 1


@BOTH_ENGINES
def test_another_organization_sees_and_changes_nothing(erin: ApiClient, console: Console):
    before = values(console, "select * from project where id <> 4 order by id")
    assert [project["id"] for project in erin.get("/api/projects/").json["results"]] == [4]
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("PUT", ""), ("DELETE", ""), ("GET", "summary/"), ("POST", "summary/reset/"),
        ("GET", "validate/"), ("POST", "validate/"), ("GET", "sample-task/"), ("POST", "sample-task/"),
        ("GET", "model-versions/"), ("DELETE", "model-versions/"), ("GET", "annotators/"), ("GET", "next/"),
        ("GET", "label-stream-history/"),
    ):  # fmt: skip
        body = {"json": {"label_config": CONFIG, "model_version": "v1"}} if method != "GET" else {}
        answer = erin.send(method, f"/api/projects/1/{path}", **body)
        assert answer.status_code == 404, (method, path, answer.json)
    assert values(console, "select * from project where id <> 4 order by id") == before


@OLDEST
def test_the_oldest_release(alice: ApiClient, console: Console):
    listed = alice.get("/api/projects/").json["results"]
    assert listed and listed[0]["task_number"] is not None
    made = alice.post("/api/projects/", json={"title": "On an old release", "label_config": CONFIG}).json
    number = made["id"]
    task = alice.post("/api/tasks/", json={"project": number, "data": {"text": "x"}})
    assert task.status_code == 201, task.json
    assert alice.get(f"/api/projects/{number}/next/").json["id"] == task.json["id"]
    assert (
        alice.patch(f"/api/projects/{number}/", json={"maximum_annotations": 2, "pinned_at": None}).status_code == 200
    )
    for path in ("summary/", "model-versions/", "annotators/", "label-stream-history/", "validate/", ""):
        assert alice.get(f"/api/projects/{number}/{path}").status_code == 200, path
    assert alice.post(f"/api/projects/{number}/validate/", json={"label_config": CONFIG}).status_code == 200
    assert alice.post(f"/api/projects/{number}/summary/reset/").status_code == 200
    assert alice.delete(f"/api/projects/{listed[0]['id']}/").status_code == 204
    assert alice.delete(f"/api/projects/{number}/").status_code == 204


def test_a_stored_configuration_that_nothing_can_read(alice: ApiClient, session: Session):
    odd = [make_project(session, label_config=config, parsed_label_config=None) for config in ("<View", "", None)]
    for project in odd:
        shown = alice.get(f"/api/projects/{project.id}/").json
        assert (shown["config_has_control_tags"], shown["parsed_label_config"]) == (False, {})
        assert alice.patch(f"/api/projects/{project.id}/", json={"title": "Still usable"}).status_code == 200
    assert alice.get("/api/projects/").status_code == 200


def test_a_former_member_may_not(app: Flask, console: Console, alice: ApiClient, bob: ApiClient):
    with console.deployment.write() as session:
        session.connection().exec_driver_sql(
            "update organizations_organizationmember set deleted_at = '2024-01-01 00:00:00' where user_id = 2"
        )
    for path in ("", "summary/", "next/"):
        assert bob.get(f"/api/projects/1/{path}").status_code == 403, path
    assert bob.get("/api/projects/").json["results"] == []
    for path in ("/api/workspaces/", "/api/projects/roles/"):
        assert bob.get(path).status_code == 403, path
    assert bob.post("/api/workspaces/", json={"title": "Mine"}).status_code == 403
    assert client_of(app, console, "carol").get("/api/projects/1/").status_code == 200


def test_the_sample_task_and_recounted_summary(alice: ApiClient):
    sample = alice.post("/api/projects/1/sample-task/", json={"label_config": CONFIG})
    assert list(sample.json["sample_task"]) == ["text"]
    for body in ({}, [], {"label_config": 5}, {"label_config": "<View"}):
        assert alice.post("/api/projects/1/sample-task/", json=body).status_code == 400, body
    before = alice.get("/api/projects/1/summary/").json
    assert alice.post("/api/projects/1/summary/reset/").status_code == 200
    after = alice.get("/api/projects/1/summary/").json
    assert after["all_data_columns"]["text"] == 85 and after["created_annotations"] and before.keys() == after.keys()


def test_anybody_may_have_a_configuration_checked_up_to_a_size(anonymous: ApiClient, alice: ApiClient):
    large = f"<View>{' ' * 1_000_000}</View>"
    assert anonymous.post("/api/projects/validate/", json={"label_config": CONFIG}).status_code == 204
    refused = anonymous.post("/api/projects/validate/", json={"label_config": large})
    assert refused.status_code == 400 and "1,000,000" in refused.json["label_config"][0]
    assert alice.post("/api/projects/3/validate/", json={"label_config": large}).status_code == 200
