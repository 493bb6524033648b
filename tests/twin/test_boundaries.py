"""Who reaches what: people of another organization, removed people, nobody, and tokens that are not valid."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.twin import Twin

RESULT = [
    {"id": "x", "from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
]
Request = tuple[str, str, dict[str, Any]]

#: Requests for objects of organization 1: project 1, its task 1, annotation 1, and what hangs on them.
READING: list[Request] = [
    ("GET", "/api/projects/1/", {}),
    ("GET", "/api/projects/1/next/", {}),
    ("GET", "/api/projects/1/summary/", {}),
    ("GET", "/api/projects/1/tasks/", {}),
    ("GET", "/api/projects/1/model-versions/", {}),
    ("GET", "/api/projects/1/label-stream-history/", {}),
    ("GET", "/api/projects/1/file-uploads?all=true", {}),
    ("GET", "/api/projects/1/export?exportType=JSON&ids[]=1", {}),
    ("GET", "/api/projects/1/export/formats", {}),
    ("GET", "/api/projects/1/exports/", {}),
    ("GET", "/api/projects/1/exports/1", {}),
    ("GET", "/api/tasks/?project=1&page_size=1", {}),
    ("GET", "/api/tasks/1/", {}),
    ("GET", "/api/tasks/1/annotations/", {}),
    ("GET", "/api/tasks/1/drafts", {}),
    ("GET", "/api/annotations/1/", {}),
    ("GET", "/api/drafts/1/", {}),
    ("GET", "/api/predictions/1/", {}),
    ("GET", "/api/predictions/?task=1", {}),
    ("GET", "/api/predictions/?project=1", {}),
    ("GET", "/api/dm/views/?project=1", {}),
    ("GET", "/api/dm/views/1/", {}),
    ("GET", "/api/dm/project?project=1", {}),
    ("GET", "/api/import/file-upload/1", {}),
    ("GET", "/api/organizations/1", {}),
    ("GET", "/api/users/1/", {}),
]
CHANGING: list[Request] = [
    ("PATCH", "/api/projects/1/", {"json": {"title": "Mine now"}}),
    ("DELETE", "/api/projects/1/", {}),
    ("POST", "/api/projects/1/import", {"json": [{"text": "x"}]}),
    ("POST", "/api/projects/1/import/predictions", {"json": [{"task": 1, "result": RESULT}]}),
    ("POST", "/api/projects/1/reimport", {"json": {"file_upload_ids": []}}),
    ("POST", "/api/projects/1/validate/", {"json": {"label_config": "<View></View>"}}),
    ("DELETE", "/api/projects/1/tasks/", {}),
    ("DELETE", "/api/projects/1/file-uploads", {"json": {"file_upload_ids": [1]}}),
    ("POST", "/api/projects/1/exports/", {"json": {"title": "x"}}),
    ("POST", "/api/projects/1/exports/1/convert", {"json": {"export_type": "CSV"}}),
    ("DELETE", "/api/projects/1/exports/1", {}),
    ("POST", "/api/tasks/", {"json": {"project": 1, "data": {"text": "x"}}}),
    ("PATCH", "/api/tasks/1/", {"json": {"data": {"text": "x"}}}),
    ("DELETE", "/api/tasks/1/", {}),
    ("POST", "/api/tasks/1/annotations/", {"json": {"result": RESULT}}),
    ("POST", "/api/tasks/1/drafts", {"json": {"result": RESULT}}),
    ("PATCH", "/api/annotations/1/", {"json": {"result": RESULT}}),
    ("DELETE", "/api/annotations/1/", {}),
    ("POST", "/api/annotations/1/convert-to-draft", {"json": {}}),
    ("POST", "/api/tasks/1/annotations/1/drafts", {"json": {"result": RESULT}}),
    ("PATCH", "/api/drafts/1/", {"json": {"result": RESULT}}),
    ("DELETE", "/api/drafts/1/", {}),
    ("POST", "/api/predictions/", {"json": {"task": 1, "result": RESULT}}),
    ("PATCH", "/api/predictions/1/", {"json": {"score": 0.1}}),
    ("DELETE", "/api/predictions/1/", {}),
    ("POST", "/api/dm/views/", {"json": {"project": 1, "data": {"title": "Mine"}}}),
    ("PATCH", "/api/dm/views/1/", {"json": {"data": {"title": "Mine"}}}),
    ("DELETE", "/api/dm/views/1/", {}),
    ("POST", "/api/dm/actions?id=delete_tasks&project=1", {"json": {"selectedItems": {"all": True, "excluded": []}}}),
    ("PATCH", "/api/organizations/1", {"json": {"title": "Mine"}}),
    ("PATCH", "/api/users/1/", {"json": {"first_name": "Mine"}}),
]


def numbered(requests: list[Request]) -> Any:
    """One test per request, named by it."""
    return pytest.mark.parametrize(
        ("method", "path", "body"),
        requests,
        ids=[f"{method}-{path.split('?')[0].strip('/')}" for method, path, _ in requests],
    )


def read_all(twin: Twin, who: str, refused: str) -> None:
    """Every request that reads; the console's rows are as they were, whatever Label Studio does."""
    before = twin.snapshot()
    for method, path, body in READING:
        twin.probe(method, path, as_user=who, refused=refused, rows=False, **body)
    twin.unchanged_since(before)


def test_people_of_another_organization_read(twin: Twin):
    """Erin is of organization 2; nothing of organization 1 is shown to her."""
    twin.execute("UPDATE jwt_auth_jwtsettings SET legacy_api_tokens_enabled = true")
    read_all(twin, "erin", "other-organization")


@numbered(CHANGING)
def test_people_of_another_organization_change(twin: Twin, method: str, path: str, body: dict[str, Any]):
    twin.execute("UPDATE jwt_auth_jwtsettings SET legacy_api_tokens_enabled = true")
    twin.probe(method, path, as_user="erin", refused="other-organization", **body)


def test_somebody_removed_from_the_organization_reads(twin: Twin):
    """Grace's membership of organization 1 has an end."""
    read_all(twin, "grace", "former-member")


@numbered(CHANGING)
def test_somebody_removed_from_the_organization_changes(twin: Twin, method: str, path: str, body: dict[str, Any]):
    twin.probe(method, path, as_user="grace", refused="former-member", **body)


def test_nobody(twin: Twin):
    for method, path, body in READING + CHANGING:
        twin.request(method, path, as_user=None, expect=401, **body)
    twin.rows()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Token 0123456789012345678901234567890123456789"},
        {"Authorization": "Token"},
        {"Authorization": "Token a b"},
        {"Authorization": "Token ü".encode()},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YWxpY2U6eA=="},
        {"X-Api-Key": "nothing"},
        {"Cookie": "sessionid=forged"},
    ],
    ids=str,
)
def test_tokens_that_open_nothing(twin: Twin, headers: dict[str, Any]):
    twin.get("/api/projects/", as_user=None, headers=headers, expect=401)
    twin.rows()


def test_other_ways_to_carry_a_token(twin: Twin):
    token = twin.tokens["alice"]
    twin.get("/api/projects/", as_user=None, headers={"X-Api-Key": token}, expect=200)
    twin.get("/api/projects/", as_user=None, headers={"Authorization": f"token {token}"}, expect=200)
    twin.get("/api/projects/", as_user=None, headers={"X-Api-Key": "no", "Authorization": f"Token {token}"}, expect=401)
    twin.get("/api/current-user/whoami", as_user="erin", expect=401)  # organization 2 accepts no such tokens
    twin.rows()


def test_an_inactive_account(twin: Twin):
    twin.execute("UPDATE htx_user SET is_active = false WHERE id = 2")
    twin.get("/api/projects/", as_user="bob", expect=401)
    twin.rows()


def test_an_account_without_an_active_organization(twin: Twin):
    twin.execute("UPDATE htx_user SET active_organization_id = NULL WHERE id = 2")
    twin.get("/api/projects/", as_user="bob")
    twin.get("/api/projects/1/", as_user="bob")
    twin.get("/api/current-user/whoami", as_user="bob")
    twin.get("/api/tasks/1/", as_user="bob")
    twin.rows()


def test_a_draft_of_somebody_else(twin: Twin):
    made = twin.post("/api/tasks/60/drafts", json={"result": RESULT}, as_user="alice", expect=201)["id"]
    twin.get(f"/api/drafts/{made}/", as_user="bob")
    twin.patch(f"/api/drafts/{made}/", json={"lead_time": 3}, as_user="bob")
    twin.get("/api/tasks/60/drafts", as_user="bob", expect=200)
    twin.get("/api/tasks/60/", as_user="bob", expect=200)
    twin.post("/api/tasks/60/annotations/", json={"result": RESULT, "draft_id": made}, as_user="bob")
    twin.post("/api/tasks/59/annotations/", json={"result": RESULT, "draft_id": made}, as_user="alice")
    twin.post("/api/tasks/60/annotations/", json={"result": RESULT, "draft_id": 99999}, as_user="alice")
    twin.rows()
