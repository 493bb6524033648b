"""Storages that are nowhere but in the test, and a console that may reach the servers of this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from console.config import Settings
from console.deployment import Deployment
from console.deployment.storages import KINDS, Storage
from console.doctor import matrix
from console.doctor.cells import Cell

ORIGIN = "http://label.example.com:8080"
Look = Callable[..., dict[str, Cell]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Label Studio's pages are at ORIGIN; storages may name this machine."""
    return replace(settings, label_studio_url=f"{ORIGIN}/app", bucket_endpoints=("127.0.0.1",))


def storage_of(kind: str, row: Mapping[str, Any], **columns: Any) -> Storage:
    """A source (or target) with the defaults of Label Studio's columns."""
    usual = {"title": "Tried", "project_id": 3, "use_blob_urls": True, "presign": True, "presign_ttl": 1,
             "regex_filter": None, "recursive_scan": False, "synchronizable": True}  # fmt: skip
    return Storage(KINDS[kind], 900, {**usual, **row, **columns})


@pytest.fixture
def look(deployment: Deployment) -> Look:
    """The cells of a storage by operation."""

    def cells(storage: Storage, **others: Any) -> dict[str, Cell]:
        return {cell.operation: cell for cell in matrix.look(deployment, storage, **others).cells}

    return cells
