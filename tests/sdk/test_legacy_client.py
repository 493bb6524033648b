"""`label_studio_sdk.Client` of before 1.0, which the SDK still ships and many scripts still use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from label_studio_sdk._legacy import Client, Project
from label_studio_sdk._legacy.client import ClientCredentials
from label_studio_sdk.data_manager import Column, Filters, Operator, Type

from tests.sdk.site import ORGANIZATION, PASSWORD, SENTIMENT, Site

CHOSEN = [{"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}]


@pytest.fixture
def client(site: Site) -> Client:
    return site.legacy()


@pytest.fixture
def project(client: Client) -> Project:
    return client.start_project(title="Old script", label_config=SENTIMENT)


@pytest.mark.own_database
def test_the_connection_and_who_is_asking(client: Client, site: Site):
    assert client.check_connection() == {"status": "UP"}
    assert client.get_versions()["release"].startswith("1.23")
    assert client.is_enterprise is False
    organization = client.get_organization()
    assert (organization["id"], organization["title"]) == (ORGANIZATION, "Example Org")
    assert client.get_organization()["created_by"]


def test_sign_in_with_e_mail_and_password(site: Site):
    """The form with its CSRF token, then the legacy token from the API."""
    client = Client(url=site.url, credentials=ClientCredentials(email="bob@example.com", password=PASSWORD))
    assert client.api_key == site.tokens["bob"]
    assert client.make_request("GET", "/api/current-user/whoami").json()["email"] == "bob@example.com"


@pytest.mark.own_database
def test_projects(client: Client, project: Project):
    assert project.label_config == SENTIMENT
    assert project.parsed_label_config["sentiment"]["labels"] == ["Positive", "Negative", "Neutral"]
    assert {item.id for item in client.list_projects()} == {1, 2, 3, 5, project.id}
    project.set_params(title="New title", show_instruction=True)
    assert client.get_project(project.id).title == "New title"
    project.set_published(True)
    assert project.get_params()["is_published"] is True
    client.delete_project(project.id)
    with pytest.raises(requests.HTTPError, match="404"):
        client.get_project(project.id)


def test_tasks_are_imported_and_listed(project: Project, tmp_path: Path):
    ids = project.import_tasks([{"text": f"text {n}"} for n in range(120)])
    assert len(ids) == 120
    assert project.get_tasks_ids() == ids
    assert [task["id"] for task in project.get_tasks()] == ids
    page = project.get_paginated_tasks(page=2, page_size=50)
    assert (page["total"], [task["id"] for task in page["tasks"]]) == (120, ids[50:100])
    assert project.get_paginated_tasks(page=9)["end_pagination"] is True
    filters = Filters.create(
        Filters.AND,
        [Filters.item(Column.data("text"), Operator.EQUAL, Type.String, Filters.value("text 7"))],
    )
    [found] = project.get_tasks(filters=filters)
    assert found["data"] == {"text": "text 7"}
    assert project.get_tasks_ids(selected_ids=ids[:3]) == ids[:3]
    assert project.get_tasks_ids(ordering=["-" + Column.id])[0] == ids[-1]
    file = tmp_path / "more.json"
    file.write_text(json.dumps([{"text": "from a file"}]))
    [from_file] = project.import_tasks(str(file))
    assert project.get_task(from_file)["data"] == {"text": "from a file"}


def test_tasks_are_preannotated_and_predicted(project: Project):
    [first] = project.import_tasks([{"text": "a", "sentiment": "Neutral"}], preannotated_from_fields=["sentiment"])
    made = project.create_prediction(first, result="Positive", score=0.9, model_version="m")
    assert made["model_version"] == "m"
    project.create_predictions([{"task": first, "result": CHOSEN, "model_version": "bulk"}])
    assert project.get_model_versions() == {"preannotated": 1, "m": 1, "bulk": 1}
    project.create_annotations_from_predictions(model_versions=["m"])
    [annotation] = project.list_annotations(first)
    assert annotation["parent_prediction"] == made["id"]


def test_annotations_and_labeled_tasks(project: Project):
    one, two, three = project.import_tasks([{"text": text} for text in "abc"])
    made = project.create_annotation(one, result=CHOSEN, lead_time=4)
    assert made["completed_by"] == 1
    assert project.get_annotation(made["id"])["result"] == CHOSEN
    assert project.update_annotation(made["id"], ground_truth=True)["ground_truth"] is True
    assert project.get_labeled_tasks_ids() == [one]
    assert [task["id"] for task in project.get_unlabeled_tasks()] == [two, three]
    assert project.get_labeled_tasks()[0]["annotations"][0]["ground_truth"] is True
    assert project.delete_annotation(made["id"]) == 204
    assert project.get_labeled_tasks() == []
    assert project.update_task(two, data={"text": "changed"})["data"] == {"text": "changed"}


def test_tasks_are_deleted(project: Project):
    ids = project.import_tasks([{"text": text} for text in "abcde"])
    project.delete_task(ids[0])
    project.delete_tasks(ids[1:3])
    assert project.get_tasks_ids() == ids[3:]
    project.delete_all_tasks(excluded_ids=[ids[4]])
    assert project.get_tasks_ids() == [ids[4]]
    project.delete_all_tasks()
    assert project.get_tasks() == []


def test_views(project: Project):
    _, two = project.import_tasks([{"text": "apple"}, {"text": "pear"}])
    filters = Filters.create(
        Filters.OR,
        [Filters.item(Column.data("text"), Operator.CONTAINS, Type.String, Filters.value("pea"))],
    )
    view = project.create_view(filters, title="Pears")
    assert [item["id"] for item in project.get_views()] == [view["id"]]
    assert project.get_tasks_ids(view_id=view["id"]) == [two]
    project.delete_view(view["id"])
    assert project.get_views() == []


def test_exports(project: Project, tmp_path: Path):
    one, two = project.import_tasks([{"text": "apple"}, {"text": "pear"}])
    project.create_annotation(two, result=CHOSEN)
    assert [task["id"] for task in project.export_tasks()] == [two]
    assert [task["id"] for task in project.export_tasks(download_all_tasks=True)] == [one, two]
    assert project.export_tasks("JSON_MIN")[0]["sentiment"] == "Positive"
    file = project.export_tasks("CSV", export_location=tmp_path / "out" / "all.csv")
    assert "Positive" in file.read_text()


def test_snapshots(project: Project, tmp_path: Path):
    _, two = project.import_tasks([{"text": "apple"}, {"text": "pear"}])
    project.create_annotation(two, result=CHOSEN)
    filters = Filters.create(Filters.OR, [Filters.item(Column.id, Operator.EQUAL, Type.Number, Filters.value(two))])
    done = project.export(filters=filters, output_dir=str(tmp_path), annotation_filter_options_usual=True)
    assert done["status"] == 200
    [task] = json.loads((tmp_path / done["filename"]).read_text())
    assert task["id"] == two
    assert [item["id"] for item in project.export_snapshot_list()] == [done["export_id"]]
    assert project.export_snapshot_status(done["export_id"]).is_completed()
    assert project.export_snapshot_delete(done["export_id"]) == 204


def test_people(client: Client):
    made = client.create_user({"username": "jan", "email": "jan@example.com", "first_name": "", "last_name": ""})
    assert made.email == "jan@example.com"
    assert client.create_user({"username": "jan", "email": "jan@example.com"}) is None
    assert "jan@example.com" in [user.email for user in client.get_users()]
