"""Workspaces, project members and roles, as scripts of the vendor's migration guide ask for them."""

from __future__ import annotations

import pytest
from flask import Flask

from console.service import Console
from console.state import audit
from tests.api_client import ApiClient, accept_legacy_tokens, client_of


@pytest.fixture
def workspace(alice: ApiClient) -> int:
    body = {"title": "Team A", "description": "string", "color": "#00FF00", "is_personal": False}
    made = alice.post("/api/workspaces/", json=body)
    assert made.status_code == 201
    return int(made.get_json()["id"])


def test_a_workspace_from_making_to_deleting(alice: ApiClient, workspace: int) -> None:
    shown = alice.get(f"/api/workspaces/{workspace}/").get_json()
    assert shown.pop("created_at")
    assert shown == {
        "id": workspace, "title": "Team A", "description": "string", "color": "#00FF00", "is_personal": False,
        "is_archived": False, "created_by": 1, "projects_count": 0, "membership": {"user": 1, "workspace": workspace},
    }  # fmt: skip
    assert alice.patch(f"/api/workspaces/{workspace}", json={"is_archived": True}).get_json()["is_archived"] is True
    assert [w["id"] for w in alice.get("/api/workspaces?is_archived=true").get_json()] == [workspace]
    assert alice.get("/api/workspaces?is_archived=false").get_json() == []
    assert alice.delete(f"/api/workspaces/{workspace}/").status_code == 204
    assert alice.get(f"/api/workspaces/{workspace}/").status_code == 404


def test_what_a_workspace_needs_is_told(alice: ApiClient) -> None:
    for body in ({}, {"title": ""}, {"title": "x" * 1001}, {"title": "x", "is_personal": "maybe"}, []):
        response = alice.post("/api/workspaces/", json=body)
        assert response.status_code == 400 and response.get_json()["validation_errors"], body
    assert alice.get("/api/workspaces/").get_json() == []


def test_workspaces_stay_in_their_organization(alice: ApiClient, erin: ApiClient, workspace: int) -> None:
    assert erin.get("/api/workspaces/").get_json() == []
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "memberships/"), ("POST", "memberships/"),
                         ("GET", "projects/"), ("POST", "projects/"), ("DELETE", "projects/")):  # fmt: skip
        body = {"user": 5, "project": 4, "title": "mine"}
        assert erin.send(method, f"/api/workspaces/{workspace}/{path}", json=body).status_code == 404, (method, path)
    assert alice.get(f"/api/workspaces/{workspace}/").get_json()["title"] == "Team A"


def test_a_personal_workspace_is_its_makers(alice: ApiClient, bob: ApiClient) -> None:
    own = bob.post("/api/workspaces/", json={"title": "Mine", "is_personal": True}).get_json()["id"]
    assert alice.get("/api/workspaces/").get_json() == []
    assert [w["id"] for w in alice.get("/api/workspaces/?include_all_workspaces=true").get_json()] == [own]
    assert [w["id"] for w in bob.get("/api/workspaces/").get_json()] == [own]


def test_members_of_a_workspace(alice: ApiClient, workspace: int) -> None:
    url = f"/api/workspaces/{workspace}/memberships"
    added = alice.post(f"{url}/", json={"user": 2, "workspace": 0})
    assert (added.status_code, added.get_json()) == (201, {"user": 2, "workspace": workspace})
    assert [row["user"]["email"] for row in alice.get(f"{url}/").get_json()] == ["alice@example.com", "bob@example.com"]
    assert alice.post(f"{url}/", json={"user": 5}).status_code == 400
    assert alice.post(f"{url}/", json={"user": 7}).status_code == 400
    assert alice.post(f"{url}/bulk/", json={"all": True, "excluded": [4]}).get_json() == {"assignments": 1}
    page = alice.get(f"{url}/paginated?page_size=2&search=example").get_json()
    assert (page["count"], len(page["results"])) == (3, 2) and page["next"]
    assert alice.delete(f"{url}/?user_id=2").status_code == 204
    assert alice.delete(f"{url}/", json={"user_id": 2}).status_code == 400
    assert alice.delete(f"{url}/").get_json()["validation_errors"] == {"user_id": ["This field is required."]}
    assert alice.delete(f"{url}/bulk/?all=true").get_json() == {"unassignments": 2}


def test_projects_of_a_workspace(alice: ApiClient, workspace: int) -> None:
    url = f"/api/workspaces/{workspace}/projects/"
    assert alice.post(url, json={"project": 1}).status_code == 201
    assert [(p["id"], p["workspace"]) for p in alice.get(url).get_json()] == [(1, workspace)]
    other = alice.post("/api/workspaces/", json={"title": "B"}).get_json()["id"]
    assert alice.post(f"/api/workspaces/{other}/projects/", json={"project": 1}).status_code == 201
    assert alice.get(url).get_json() == []
    assert alice.post(url, json={"project": 4}).status_code == 404
    assert alice.delete(f"/api/workspaces/{other}/projects/", json={"project": 1}).status_code == 204
    assert alice.delete(url, json={"project": 1}).status_code == 404
    assert alice.get("/api/projects/1/").status_code == 200


def test_a_project_is_made_inside_a_workspace(alice: ApiClient, workspace: int) -> None:
    made = alice.post("/api/projects/", json={"title": "Inside", "workspace": workspace})
    assert made.status_code == 201
    assert [p["id"] for p in alice.get(f"/api/workspaces/{workspace}/projects/").get_json()] == [made.get_json()["id"]]
    before = alice.get("/api/projects/").get_json()["count"]
    refused = alice.post("/api/projects/", json={"title": "Nowhere", "workspace": 999})
    assert refused.status_code == 400 and "workspace" in refused.get_json()["validation_errors"]
    assert alice.post("/api/projects/", json={"title": "Unplaced", "workspace": None}).status_code == 201
    assert alice.get("/api/projects/").get_json()["count"] == before + 1


def test_members_of_a_project_are_label_studios_rows(alice: ApiClient, console: Console) -> None:
    url = "/api/projects/1/members"
    assert (
        alice.post(f"{url}/", json={"user": 2}).status_code,
        alice.post(f"{url}/", json={"user": 2}).status_code,
    ) == (201, 201)
    assert [row["id"] for row in alice.get(f"{url}/").get_json()] == [2]
    assert alice.post(f"{url}/bulk/", json={"included": [3, 2]}).get_json() == {
        "assignments": 1,
        "skipped_user_ids": [],
    }
    assert alice.post(f"{url}/", json={"user": 5}).status_code == 400
    assert alice.post("/api/projects/4/members/", json={"user": 2}).status_code == 404
    with console.deployment.read() as session:
        rows = (
            session.connection()
            .exec_driver_sql("select user_id, enabled from projects_projectmember order by id")
            .all()
        )
    assert [tuple(map(int, row)) for row in rows] == [(2, 1), (3, 1)]
    assert alice.delete(f"{url}/?user=2").status_code == 204
    assert alice.delete(f"{url}/bulk/", json={"all": True}).get_json() == {"unassignments": 1}


def test_roles_are_given_by_the_founder_alone(
    alice: ApiClient, bob: ApiClient, erin: ApiClient, console: Console
) -> None:
    url = "/api/organizations/1/memberships"
    assert bob.patch(url, json={"user_id": 2, "role": "AD"}).status_code == 403
    assert erin.patch(url, json={"user_id": 2, "role": "AD"}).status_code == 403
    given = alice.patch(url, json={"user_id": 2, "role": "AD", "user_type": None}).get_json()
    assert (given["id"], given["role"], given["role_source"], given["user"]["email"]) == (
        2,
        "AD",
        "api",
        "bob@example.com",
    )
    assert bob.patch(url, json={"user_id": 3, "role": "AN"}).status_code == 200
    for body in ({"user_id": 3, "role": "XX"}, {"user_id": 5, "role": "AN"}, {"role": "AN"}):
        assert alice.patch(url, json=body).status_code == 400, body
    roles = {row["user"]["id"]: row.get("role") for row in alice.get(url).get_json()["results"]}
    assert roles == {1: None, 2: "AD", 3: "AN", 4: None, 7: None}
    with console.store.read() as session:
        told = [(event.actor, event.subject) for event in audit.latest(session, actions=["gave a role"])]
    assert told == [("bob@example.com", "user:3"), ("alice@example.com", "user:2")]
    assert audit.verify(console.store).ok


def test_roles_in_a_project(alice: ApiClient, bob: ApiClient) -> None:
    body = {"project": 1, "user": 2, "role": "RE"}
    assert bob.post("/api/projects/roles/", json=body).status_code == 403
    made = alice.post("/api/projects/roles/", json=body)
    assert made.status_code == 201
    role = made.get_json()
    assert role == {"id": role["id"], **body, "role_source": "api"}
    assert alice.get("/api/projects/1/roles").get_json() == [role]
    assert alice.get("/api/projects/roles/?project=2").get_json() == []
    assert alice.post("/api/projects/roles/", json={**body, "project": 4}).status_code == 404
    assert alice.delete(f"/api/projects/roles/{role['id']}/").status_code == 204
    assert alice.delete(f"/api/projects/roles/{role['id']}/").status_code == 404


@pytest.mark.parametrize("version", ["1.8.2.post1"])
def test_they_work_on_an_old_release(app: Flask, console: Console, version: str) -> None:
    accept_legacy_tokens(console)
    alice = client_of(app, console, "alice")
    made = alice.post("/api/workspaces/", json={"title": "Old"}).get_json()
    assert alice.post(f"/api/workspaces/{made['id']}/memberships/", json={"user": 2}).status_code == 201
    assert alice.post("/api/projects/1/members/", json={"user": 2}).status_code == 201
