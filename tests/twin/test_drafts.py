"""Drafts: the same requests to Label Studio and to the console leave the same answers and rows behind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.test_annotations import NEGATIVE, POSITIVE, TWO
from tests.twin.twin import Twin

#: Label Studio adds the labels of a draft once more with every change of it.
DRIFT = {"projects_projectsummary.created_labels_drafts": "summary-drift"}


def test_made_and_listed(twin: Twin):
    twin.post("/api/tasks/60/drafts", json={"result": TWO, "lead_time": 2, "was_postponed": True}, expect=201)
    twin.post("/api/tasks/60/drafts", json={"result": POSITIVE, "task": 3, "annotation": 5, "user": "x"}, as_user="bob")
    twin.post("/api/tasks/1/annotations/3/drafts", json={"result": NEGATIVE, "import_id": 5}, expect=201)
    for body in ("text", 5, {"a": 1}, []):
        twin.post("/api/tasks/60/drafts", json={"result": body}, expect=201)
    twin.post("/api/tasks/60/drafts", data={"result": "[]"}, expect=201)
    twin.get("/api/tasks/60/drafts", sort="id", expect=200)
    twin.get("/api/tasks/1/annotations/3/drafts", sort="id", expect=200)
    twin.get("/api/tasks/99999/drafts", expect=200)
    twin.get("/api/tasks/60/", expect=200)
    twin.rows()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"result": None}, [], 5, {"result": [], "lead_time": "x"}, {"result": [], "was_postponed": "x"},
        {"result": [], "import_id": 2**63}, {"result": [], "user": None}, {"result": [], "user": ""},
        {"result": [], "user": [1]}, {"result": [], "task": 99999},
    ],
    ids=repr,
)  # fmt: skip
def test_refused_in_the_same_words(twin: Twin, body: Any):
    twin.post("/api/tasks/60/drafts", json=body, expect=400)
    twin.put("/api/drafts/3/", json=body, expect=400)
    twin.rows()


def test_what_label_studio_stumbles_over(twin: Twin):
    for method, path, body in (
        ("POST", "/api/tasks/60/drafts", {"result": [1]}),
        ("POST", "/api/tasks/99999/drafts", {"result": []}),
        ("POST", "/api/tasks/60/annotations/99999/drafts", {"result": []}),
        ("PATCH", "/api/drafts/3/", {"user": "bob@example.com"}),
        ("PATCH", "/api/drafts/3/", {"task": None}),
    ):
        pair = twin.request(method, path, json=body, differs="server-error")
        assert pair.theirs.status_code == 500, (method, path, body)
        assert pair.ours.status_code in {400, 404}, (method, path, body)
    twin.rows()


def test_changed_and_deleted(twin: Twin):
    twin.get("/api/drafts/3/", expect=200)
    twin.get("/api/drafts/3/", as_user="grace", expect=403)
    twin.get("/api/drafts/99999/", expect=404)
    twin.patch("/api/drafts/3/", json={"lead_time": 9}, expect=200)
    twin.patch("/api/drafts/3/", json={"result": NEGATIVE, "was_postponed": True}, as_user="bob", expect=200)
    twin.put("/api/drafts/3/", json={"result": POSITIVE}, as_user="bob", expect=200)
    twin.patch("/api/drafts/3/", json={"task": 61, "annotation": 3}, expect=200)
    twin.rows(differs=DRIFT)
    twin.delete("/api/drafts/3/", expect=204)
    twin.delete("/api/drafts/3/", expect=404)
    twin.rows(differs=DRIFT)


def test_other_organizations_are_out_of_reach(twin: Twin):
    pair = twin.get("/api/drafts/11/", differs="other-organization")
    assert (pair.theirs.status_code, pair.ours.status_code) == (200, 404)
    pair = twin.get("/api/tasks/156/drafts", differs="other-organization")
    assert pair.ours.json() == []
    twin.rows()
