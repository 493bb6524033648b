"""The export probe against real Label Studio, with both kinds of token."""

from __future__ import annotations

import requests

from console.config import Settings
from console.doctor import export_probe
from tests.twin.twin import Twin


def _probe(address: str, token: str) -> export_probe.ExportProbe:
    return export_probe.probe(Settings.load({}, label_studio_url=address, label_studio_token=token))


def _personal(address: str, legacy: str) -> str:
    made = requests.post(f"{address}/api/token/", headers={"Authorization": f"Token {legacy}"}, json={}, timeout=20)
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def test_an_export_through_label_studio_and_through_the_console(twin: Twin):
    for side in twin.sides:
        legacy = twin.tokens["dave"]
        for token in (legacy, _personal(side.url, legacy)):
            found = _probe(side.url, token)
            assert found.ok, (side, [(step.name, step.message) for step in found.steps])
            left = requests.get(
                f"{side.url}/api/projects/{found.project_id}/exports/",
                headers={"Authorization": f"Token {legacy}"}, timeout=20,
            ).json()  # fmt: skip
            assert found.export_id not in [one["id"] for one in left]
