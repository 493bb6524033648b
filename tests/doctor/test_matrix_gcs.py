"""The matrix of Google Cloud Storage, cell by cell, with the permission that is missing and the role that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from console.config import Settings
from console.deployment.storages import Storage
from tests.doctor.conftest import ORIGIN, Look, storage_of
from tests.gcs_server import Google, google

BROWSER = ("presign", "range", "preflight", "simple")
TRIED = ("resolve", "list", "get", "head", *BROWSER)
CORS = {"origin": [ORIGIN], "method": ["GET", "HEAD"], "responseHeader": ["Range", "Content-Range", "Content-Type"]}


@pytest.fixture
def cloud() -> Iterator[Google]:
    """Two pictures, shared with the pages of Label Studio."""
    with google() as state:
        state.objects = {"img/a.png": b"png", "img/b.png": b"png"}
        state.headers = {key: {"Content-Type": "image/png"} for key in state.objects}
        state.cors = [CORS]
        yield state


@pytest.fixture
def settings(settings: Settings, cloud: Google) -> Settings:
    return replace(settings, bucket_environment=cloud.environment())


def source(cloud: Google, kind: str = "gcs", **columns: Any) -> Storage:
    row = {"bucket": "data", "prefix": "img", "google_application_credentials": cloud.key_file()}
    return storage_of(kind, {**row, **columns})


def states(cells: dict[str, Any]) -> dict[str, str]:
    return {name: cell.state for name, cell in cells.items()}


def test_all_is_well(look: Look, cloud: Google) -> None:
    assert states(look(source(cloud))) == {**dict.fromkeys(TRIED, "ok"), "put": "not_tried", "delete": "not_tried"}
    assert sorted(cloud.objects) == ["img/a.png", "img/b.png"]
    written = states(look(source(cloud, "gcs-export"), consent=True))
    assert (written["put"], written["delete"]) == ("ok", "ok")
    assert sorted(cloud.objects) == ["img/a.png", "img/b.png"], "the marker is gone"


@pytest.mark.parametrize(
    ("permission", "operation"),
    [
        ("storage.objects.list", "list"),
        ("storage.objects.get", "get"),
        ("storage.objects.get", "head"),
        ("storage.objects.create", "put"),
        ("storage.objects.delete", "delete"),
    ],
)
def test_a_missing_permission(look: Look, cloud: Google, permission: str, operation: str) -> None:
    cloud.granted.discard(permission)
    kind = "gcs-export" if operation in ("put", "delete") else "gcs"
    cell = look(source(cloud, kind), consent=kind == "gcs-export")[operation]
    assert (cell.state, cell.code) == ("failed", "forbidden")
    assert permission in cell.message + cell.statement


def test_no_rule_of_the_bucket_names_the_pages(look: Look, cloud: Google) -> None:
    cloud.cors = [{**CORS, "origin": ["https://elsewhere.example"]}]
    cells = look(source(cloud))
    assert (cells["preflight"].state, cells["simple"].state) == ("failed", "failed")
    assert ORIGIN in cells["preflight"].statement and "responseHeader" in cells["preflight"].statement


def test_a_key_that_was_deleted(look: Look, cloud: Google) -> None:
    cloud.refusal = 400, b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'
    cell = look(source(cloud))["list"]
    assert (cell.state, cell.code) == ("failed", "invalid_grant") and "the key was deleted" in cell.message


def test_credentials_that_cannot_sign(look: Look, cloud: Google) -> None:
    cells = look(source(cloud, google_application_credentials=None))
    assert cells["list"].state == "ok" and cells["presign"].state == "failed"
    assert "Service Account Token Creator" in cells["presign"].message


def test_a_bucket_that_is_not_there(look: Look, cloud: Google) -> None:
    cell = look(source(cloud, bucket="other"))["list"]
    assert cell.state == "failed" and "There is no bucket other" in cell.message


def test_no_cell_shows_the_key(look: Look, cloud: Google) -> None:
    cloud.granted.clear()
    shown = f"{look(source(cloud), consent=True)}"
    assert "PRIVATE KEY" not in shown and "ya29" not in shown and "X-Goog-Signature" not in shown
