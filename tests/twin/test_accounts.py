"""Accounts, organizations, members and invitations: the same words, the same rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.twin import Twin

#: Label Studio lists the users of an organization in whatever order PostgreSQL finds them.
UNORDERED = ("users.*",)


def test_looking_at_people_and_organizations(twin: Twin):
    for who in ("alice", "bob", "dave", "grace"):
        twin.get("/api/current-user/whoami", as_user=who, expect=200)
        twin.get("/api/users/", as_user=who, expect=200, sort="id")
        twin.get("/api/organizations/", as_user=who, expect=200)
    for user in (1, 2, 7, 5, 999):
        twin.get(f"/api/users/{user}/")
    twin.get("/api/users/abc/")
    found = twin.get("/api/organizations/1", expect=200, ignore=UNORDERED)
    assert sorted(found.theirs.json()["users"]) == found.ours.json()["users"] == [1, 2, 3, 4, 7]
    twin.get("/api/organizations/2", expect=403)
    twin.get("/api/organizations/?fields=id,title", expect=200)
    twin.get("/api/organizations/?omit=id", expect=200)
    twin.get("/api/organizations/99", differs="html-404")
    twin.get("/api/invite", expect=200)
    twin.get("/api/current-user/token", expect=200)
    twin.get("/api/current-user/hotkeys/", expect=200)
    twin.rows()


def test_members_by_page(twin: Twin):
    for query in ("", "?page_size=2", "?page_size=2&page=3", "?page_size=-1", "?page_size=x", "?page=1&active=1",
                  "?contributed_to_projects=true&page_size=3", "?contributed_to_projects=0"):  # fmt: skip
        twin.get(f"/api/organizations/1/memberships{query}", expect=200)
    twin.get("/api/organizations/1/memberships?contributed_to_projects=zz", expect=400)
    twin.get("/api/organizations/1/memberships?page=99", differs="html-404")
    twin.get("/api/organizations/2/memberships", differs="html-404")
    for user in (1, 2, 3, 5, 7):
        twin.get(f"/api/organizations/1/memberships/{user}/")
        twin.get(f"/api/organizations/1/memberships/{user}/?contributed_to_projects=1")
    twin.get("/api/organizations/2/memberships/5/", expect=403)
    twin.get("/api/organizations/99/memberships/5/", expect=404)
    twin.rows()


NEW_USERS: list[dict[str, Any]] = [
    {},
    {"username": ""},
    {"username": "x" * 257, "email": "not an address"},
    {"username": "x", "email": "alice@example.com", "active_organization": 77, "date_joined": "x"},
    {"username": "x", "email": "y@example.com", "allow_newsletters": "q", "first_name": None, "phone": []},
    {"username": "x", "email": "y@example.com", "active_organization": "one"},
]


@pytest.mark.parametrize("body", NEW_USERS, ids=str)
def test_an_account_that_breaks_rules_is_refused(twin: Twin, body: dict[str, Any]):
    twin.post("/api/users/", json=body, expect=400)
    twin.rows()


def test_an_account_is_made_changed_and_deleted(twin: Twin):
    twin.post("/api/users/", json={"username": "neu"}, expect=201)
    made = twin.post(
        "/api/users/", data={"username": "neu2", "email": "Neu2@Example.com", "first_name": " Ann "}, expect=201
    )
    twin.rows()
    twin.patch(f"/api/users/{made['id']}/", json={"first_name": "Ännä", "last_name": "", "phone": "+49"}, expect=200)
    twin.patch("/api/users/2/", json={"allow_newsletters": True, "custom_hotkeys": {"a:b": {"key": "x"}}}, expect=200)
    twin.patch("/api/users/2/", data={"username": "bobby"}, expect=200)
    twin.patch("/api/users/2/", json={"username": "", "first_name": "x" * 257}, expect=400)
    twin.patch("/api/users/5/", json={"first_name": "x"}, expect=404)
    twin.patch("/api/users/2/", json={"email": "x@example.com"}, expect=405)
    twin.put("/api/users/2/", json={}, expect=405)
    twin.rows()
    twin.delete("/api/users/1/", expect=403)
    twin.delete("/api/users/3/", as_user="bob", expect=403)
    twin.delete(f"/api/users/{made['id']}/", expect=204)
    twin.delete(f"/api/users/{made['id']}/", expect=404)
    twin.delete("/api/users/3/", expect=204)
    twin.rows()


def test_a_person_with_work_is_deleted_and_the_work_stays(twin: Twin):
    twin.execute("INSERT INTO projects_projectmember (enabled, created_at, updated_at, project_id, user_id)"
                 " VALUES (true, '2026-01-01', '2026-01-01', 1, 2)")  # fmt: skip
    twin.delete("/api/users/2/", expect=204)
    twin.get("/api/users/2/", expect=404)
    twin.rows()


def test_the_e_mail_is_refused_before_anything_is_stored(twin: Twin):
    twin.patch("/api/users/2/", json={"first_name": "Bobby", "email": "x@y.de"}, expect=405)
    twin.rows(differs={"htx_user.first_name": "user-patch-email", "htx_user.activity_at": "user-patch-email"})


def test_nobody_is_moved_into_an_organization_they_do_not_belong_to(twin: Twin):
    twin.patch("/api/users/2/", json={"active_organization": 2}, differs="foreign-active-organization")
    twin.rows(differs={"htx_user": "foreign-active-organization"})


def test_an_organization_is_renamed(twin: Twin):
    twin.patch(
        "/api/organizations/1", json={"title": "Renamed", "created_by": 2, "users": [1]}, expect=200, ignore=UNORDERED
    )
    twin.patch("/api/organizations/1", data={"contact_info": "office@example.com"}, expect=200, ignore=UNORDERED)
    twin.patch("/api/organizations/1", json={"contact_info": None, "token": "tööken"}, expect=200, ignore=UNORDERED)
    twin.patch("/api/organizations/1", json={"title": "", "token": "x" * 257, "contact_info": "x"}, expect=400)
    twin.patch("/api/organizations/1", json={"title": "x" * 1001}, expect=400)
    twin.patch("/api/organizations/1", json={"token": "w6vkFNibwRJin3Fxmhhp0QVa0egzEN46oPv1hJX2"}, ignore=UNORDERED)
    twin.put("/api/organizations/1", json={}, expect=400)
    twin.put("/api/organizations/1", json={"title": "Whole"}, expect=200, ignore=UNORDERED)
    twin.patch("/api/organizations/2", json={"title": "Not mine"}, expect=403)
    twin.post("/api/organizations/", json={"title": "Another"}, expect=403)
    twin.rows()


def test_a_member_is_removed(twin: Twin):
    path = "/api/organizations/1/memberships"
    twin.delete(f"{path}/1/", expect=405)
    twin.delete(f"{path}/3/", as_user="bob", expect=403)
    twin.delete(f"{path}/7/", expect=404)
    twin.delete(f"{path}/999/", expect=404)
    twin.delete(f"{path}/5/", expect=404)
    twin.delete("/api/organizations/2/memberships/5/", expect=403)
    twin.execute("UPDATE htx_user SET avatar = 'avatars/3.png' WHERE id = 3")
    twin.delete(f"{path}/3/", expect=204)
    twin.get("/api/users/3/", expect=200)
    twin.get("/api/current-user/whoami", as_user="carol")
    twin.get("/api/organizations/", as_user="carol")
    twin.delete(f"{path}/3/", expect=404)
    twin.rows()


def test_invitations(twin: Twin):
    made = twin.post("/api/invite/reset-token", expect=201, ignore=("token", "invite_url"))
    assert len(made.ours.json()["token"]) == len(made.theirs.json()["token"]) == 40
    assert made.ours.json()["invite_url"] == f"/user/signup/?token={made.ours.json()['token']}"
    twin.get("/api/invite", ignore=("token", "invite_url"), expect=200)
    twin.post("/api/invite", expect=405)
    twin.rows(ignore={"organization.token": "a random text"})


def test_how_long_sessions_last(twin: Twin):
    twin.get("/api/session-policy/", expect=200)
    twin.patch("/api/session-policy/", json={"max_session_age": 60}, expect=200)
    twin.patch("/api/session-policy/", data={"max_time_between_activity": "30"}, expect=200)
    twin.patch("/api/session-policy/", json={}, expect=200)
    for value in (0, -1, "x", None, 1.5, True):
        twin.patch("/api/session-policy/", json={"max_session_age": value}, expect=400)
    twin.put("/api/session-policy/", json={}, expect=405)
    twin.rows()
    twin.execute("DELETE FROM session_policy_sessiontimeoutpolicy")
    twin.patch("/api/session-policy/", json={"max_session_age": 60}, expect=200)
    twin.rows()


HOTKEYS: list[Any] = [
    {"a:b": {"key": "ctrl+x"}}, {"a:b": {"key": "ctrl+x", "active": False}}, {}, [], None, "x", {"a": {}}, {":b": {}},
    {"a:b": 1}, {"a:b": {}}, {"a:b": {"key": ""}}, {"a:b": {"key": "Alt+F4"}}, {"a:b": {"key": "é"}},
    {"a:b": {"key": "x" * 51}}, {"a:b": {"key": "x", "active": 1}}, {"a" * 101: {}}, {"a:b": {"key": "y" * 25 + "+x"}},
    {f"a:{n}": {"key": "x"} for n in range(201)},
]  # fmt: skip


def test_keyboard_shortcuts(twin: Twin):
    for value in HOTKEYS:
        twin.patch("/api/current-user/hotkeys/", json={"custom_hotkeys": value})
    twin.patch("/api/current-user/hotkeys/", json={}, expect=400)
    twin.get("/api/current-user/hotkeys/", expect=200)
    twin.rows()


def test_health_and_version(twin: Twin):
    twin.get("/health", as_user=None, expect=200)
    found = twin.get("/api/version", as_user=None, differs="version-parts")
    ours = found.ours.json()
    assert {key: ours[key] for key in ("release", "edition")} == {"release": "1.23.2", "edition": "Community"}
    assert set(found.theirs.json()) <= set(ours)
