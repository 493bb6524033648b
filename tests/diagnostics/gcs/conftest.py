"""A stand-in for Google in this process, and storages that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics.check import Context, Scope
from tests.diagnostics.cloud_rows import make_cloud_storage
from tests.gcs_server import Google, google


@pytest.fixture(scope="session")
def running() -> Iterator[Google]:
    with google() as state:
        yield state


@pytest.fixture
def cloud(running: Google) -> Google:
    """The stand-in as after its start: one account that may do everything."""
    fresh = Google()
    for name in ("objects", "headers", "granted", "cors", "refusal", "fault"):
        setattr(running, name, getattr(fresh, name))
    running.asked.clear()
    return running


@pytest.fixture
def settings(settings: Settings, cloud: Google) -> Settings:
    """Buckets lead to the stand-in, whose tokens the operator allows."""
    return settings.with_(ssrf_protection=False, bucket_environment=cloud.environment())


@pytest.fixture
def storage_of(session: Session, ctx: Context, cloud: Google) -> Callable[..., SimpleNamespace]:
    """`storage_of(kind, **columns)` makes a storage with the stand-in's key and narrows `ctx` to it."""

    def make(kind: str = "gcs", **columns: Any) -> SimpleNamespace:
        storage = make_cloud_storage(session, kind, **{"google_application_credentials": cloud.key_file()} | columns)
        ctx.scope = Scope(storage=storage.subject.removeprefix("storage:"))
        return storage

    return make
