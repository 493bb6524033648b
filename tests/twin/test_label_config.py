"""Labeling configurations: the same texts judged by Label Studio and by the console."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.twin.twin import Twin

FACTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "labeling" / "label_config_facts.json").read_text())


def test_every_known_configuration(twin: Twin):
    for fact in FACTS["configs"].values():
        twin.post("/api/projects/validate/", json={"label_config": fact["config"]}, as_user=None)
    for body in ({}, {"label_config": None}, {"label_config": 5}, {"label_config": ["x"]}, [], "x"):
        twin.post("/api/projects/validate/", json=body, as_user=None, expect=400)
    twin.post("/api/projects/validate", data={"label_config": "<View/>"}, as_user=None, expect=204)
    twin.post(
        "/api/projects/validate/", data="{", headers={"Content-Type": "application/json"}, as_user=None, expect=400
    )
    twin.rows()


def test_of_a_project(twin: Twin):
    twin.get("/api/projects/1/validate/", expect=200)
    twin.post("/api/projects/1/validate/", json={}, expect=400)
    twin.post("/api/projects/1/validate/", json={"label_config": ""}, expect=400)
    twin.post("/api/projects/99/validate/", json={"label_config": "<View/>"}, expect=404)
    twin.get("/api/projects/1/sample-task/", expect=200)
    twin.post("/api/projects/1/sample-task/", json={}, expect=400)
    twin.rows()


def test_configurations_kept_with_a_project(twin: Twin):
    for fact in FACTS["configs"].values():
        if fact["error"] is None:
            made = twin.post("/api/projects/", json={"label_config": fact["config"]}, expect=201)
            twin.get("/api/projects/{id}/", fill={"id": made["id"]}, expect=200)
    twin.rows(ignore={"project.label_config_hash": "salted anew in every process of Label Studio"})
