"""Users, organizations, members, invitations: few statements, both engines, old releases, what strangers send."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from console.labeling import users_hotkeys
from console.service import Console
from console.state import audit
from tests.api.statements import at_most, values
from tests.api_client import ApiClient, client_of
from tests.factories import BOTH_ENGINES

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 40, 30) + b"\x08\x02\x00\x00\x00"


@BOTH_ENGINES
def test_looking_takes_few_statements(alice: ApiClient, console: Console) -> None:
    for path, number in (("/api/current-user/whoami", 2), ("/api/users/", 2), ("/api/users/2/", 3), ("/api/organizations/", 2),
                         ("/api/organizations/1", 4), ("/api/organizations/1/memberships", 4), ("/api/invite", 2),
                         ("/api/organizations/1/memberships?contributed_to_projects=1", 6),
                         ("/api/organizations/1/memberships/2/", 5), ("/api/jwt/settings", 3)):  # fmt: skip
        with at_most(console, number):
            assert alice.get(path).status_code == 200, path


@BOTH_ENGINES
def test_changing_takes_few_statements_and_is_audited(alice: ApiClient, console: Console) -> None:
    with at_most(console, 11):
        made = alice.post("/api/users/", json={"username": "neu", "email": "neu@example.com"})
    with at_most(console, 8):
        assert alice.patch(f"/api/users/{made.get_json()['id']}/", json={"phone": "1"}).status_code == 200
    with at_most(console, 12):
        assert alice.delete("/api/organizations/1/memberships/3/").status_code == 204
    with console.store.read() as session:
        told = [event.action for event in audit.latest(session)]
    assert told == ["removed a member", "changed an account", "created an account"]


STRANGE: list[Any] = [
    {"username": "x\0", "email": "a@b.de"}, {"username": "x", "email": "a\0@b.de"}, {"username": ["x"]}, {"username": {"a": 1}},
    {"username": "x", "email": "x" * 2**20 + "@b.de"}, {"username": "\ud800", "email": "u@b.de"},
    {"username": "x", "date_joined": "0000-00-00"}, {"username": "x", "active_organization": 2**40},
    {"username": "x", "active_organization": 2, "email": "o@b.de"}, [], "x", None, 5,
]  # fmt: skip


@BOTH_ENGINES
def test_strange_accounts_are_refused(alice: ApiClient, console: Console) -> None:
    before = values(console, "select count(*) from htx_user")
    for body in STRANGE:
        response = alice.post("/api/users/", json=body)
        assert response.status_code == 400, (str(body)[:80], response.get_data(as_text=True)[:300])
    assert values(console, "select count(*) from htx_user") == before


def test_everything_that_is_wrong_is_told_at_once(alice: ApiClient) -> None:
    body = {"email": "alice@example.com", "active_organization": 2, "phone": "x" * 257}
    told = alice.post("/api/users/", json=body).get_json()["validation_errors"]
    assert set(told) == {"username", "email", "active_organization", "phone"}


def test_a_person_is_deleted_and_what_they_annotated_stays(alice: ApiClient, console: Console) -> None:
    before = values(console, "select count(*) from task_completion")
    assert alice.delete("/api/users/2/").status_code == 204
    assert values(console, "select count(*) from task_completion") == before
    assert values(console, "select count(*) from task_completion where completed_by_id = 2") == [(0,)]
    assert values(console, "select count(*) from authtoken_token where user_id = 2") == [(0,)]


def test_pictures(alice: ApiClient, console: Console, tmp_path: Path) -> None:
    object.__setattr__(console.settings, "base_data_dir", tmp_path)

    def send(content: bytes, name: str = "me.png", kind: str = "image/png") -> Any:
        return alice.post("/api/users/2/avatar/", data={"avatar": (io.BytesIO(content), name, kind)})

    assert send(PNG, "../../my face.png").status_code == 200
    shown = alice.get("/api/users/1/").get_json()["avatar"]
    assert shown.startswith("/data/avatars/") and shown.endswith("-my_face.png")
    assert (tmp_path / "media" / shown.removeprefix("/data/")).read_bytes() == PNG
    wide = PNG[:16] + struct.pack(">II", 4000, 30) + PNG[24:]
    refused = [
        (b"nonsense", "a.png", "image/png"), (wide, "a.png", "image/png"), (PNG, "a.exe", "image/png"), (PNG, "a.png", "text/html"),
        (PNG + b"x" * 2**20, "a.png", "image/png"), (b"\xff\xd8\xff", "a.jpg", "image/jpeg"),
    ]  # fmt: skip
    for content, name, kind in refused:
        assert send(content, name, kind).status_code == 400, (name, kind)
    assert alice.delete("/api/users/1/avatar/").status_code == 204
    assert alice.get("/api/users/1/").get_json()["avatar"] is None


def test_shortcuts_of_a_person(alice: ApiClient, console: Console) -> None:
    refused = alice.patch("/api/current-user/hotkeys/", json={"custom_hotkeys": {"a": {}}})
    assert refused.get_json() == {"error": "Invalid hotkeys configuration",
                                  "details": {"custom_hotkeys": ["Action key 'a' must be in 'section:action' format"]}}  # fmt: skip
    assert alice.patch("/api/current-user/hotkeys/", data=b"{", content_type="application/json").status_code == 400
    with console.deployment.write() as session:
        session.connection().exec_driver_sql("""update htx_user set custom_hotkeys = '{"a": 1}'""")
    assert alice.get("/api/current-user/hotkeys/").get_json() == {"custom_hotkeys": {}}
    assert (
        users_hotkeys.problem({"a:b": {"key": "x" * 51}}) == "Key combination for 'a:b' is too long (max 50 characters)"
    )


def test_other_organizations_are_closed(alice: ApiClient, erin: ApiClient) -> None:
    assert erin.get("/api/users/1/").status_code == 404
    assert erin.patch("/api/users/1/", json={"phone": "evil"}).status_code == 404
    assert erin.delete("/api/users/2/").status_code == 404
    assert erin.patch("/api/organizations/1", json={"title": "evil"}).status_code == 403
    assert erin.delete("/api/organizations/1/memberships/2/").status_code == 403
    assert erin.get("/api/organizations/1/memberships").status_code == 404
    assert [user["id"] for user in erin.get("/api/users/").get_json()] == [5, 6]
    assert alice.get("/api/organizations/1").get_json()["title"] == "Example Org"


def test_the_title_under_its_older_addresses(alice: ApiClient) -> None:
    assert alice.patch("/api/organization/1", json={"title": "One"}).get_json()["title"] == "One"
    assert alice.patch("/api/organization/", json={"title": "Two"}).get_json()["title"] == "Two"
    assert alice.get("/api/organizations/1").get_json()["title"] == "Two"


def test_an_organization_without_a_founder(alice: ApiClient, console: Console) -> None:
    with console.deployment.write() as session:
        session.connection().exec_driver_sql("update organization set created_by_id = null")
    assert alice.get("/api/current-user/whoami").get_json()["active_organization_meta"] == {
        "title": "Example Org",
        "email": "",
    }
    assert alice.delete("/api/organizations/1/memberships/2/").status_code == 403
    assert alice.delete("/api/users/2/").status_code == 403


def test_a_second_membership_of_the_same_person_counts_once(alice: ApiClient, console: Console) -> None:
    with console.deployment.write() as session:
        session.connection().exec_driver_sql(
            "insert into organizations_organizationmember (created_at, updated_at, organization_id, user_id)"
            " select created_at, updated_at, 1, 2 from organizations_organizationmember where id = 1"
        )
    assert [user["id"] for user in alice.get("/api/users/").get_json()] == [1, 2, 3, 4, 7]
    assert alice.get("/api/organizations/1/memberships").get_json()["count"] == 6


def test_health_and_versions_need_no_account(anonymous: ApiClient) -> None:
    health = anonymous.get("/health/")
    assert (health.status_code, health.get_data(), health.mimetype) == (200, b'{"status": "UP"}', "text/html")
    assert anonymous.get("/api/version").get_json()["release"] == "1.23.2"
    assert anonymous.get("/version/").get_data(as_text=True).startswith("<pre>{")
    assert anonymous.get("/livez").get_json() == {"status": "ok"}


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.13.1"])
def test_older_releases(app: Flask, console: Console, version: str) -> None:
    alice = client_of(app, console, "alice")
    assert alice.get("/api/users/").status_code == 200
    made = alice.post("/api/users/", json={"username": "neu", "email": "neu@example.com"})
    assert made.status_code == 201
    assert alice.patch("/api/organizations/1", json={"title": "Old"}).get_json()["title"] == "Old"
    members = alice.get("/api/organizations/1/memberships?contributed_to_projects=1").get_json()
    assert members["count"] == 6 and members["results"][0]["contributed_to_projects"]
    assert alice.get("/api/organizations/1/memberships/2/").get_json()["annotations_count"] > 0
    assert alice.delete("/api/organizations/1/memberships/3/").status_code == 204
    assert alice.delete(f"/api/users/{made.get_json()['id']}/").status_code == 204
    assert alice.post("/api/invite/reset-token").status_code == 201
    assert alice.get("/api/session-policy/").status_code == 404
