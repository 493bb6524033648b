"""Azurite and a stand-in for Azure, and storages that ask one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics.check import Context, Scope
from tests.azure_server import Azure, AzureServer, azure, azure_server
from tests.diagnostics.cloud_rows import make_cloud_storage


@pytest.fixture(scope="session")
def server() -> Iterator[AzureServer]:
    """Azurite with a container `data`."""
    with azure_server() as server:
        admin(server).create_container("data")
        yield server


def admin(server: AzureServer) -> BlobServiceClient:
    """Azure's own library on that account."""
    return BlobServiceClient(server.endpoint.format(account=server.account), credential=server.key, retry_total=0)


@pytest.fixture
def account(server: AzureServer) -> BlobServiceClient:
    return admin(server)


@pytest.fixture
def refusing() -> Iterator[Azure]:
    """A stand-in that gives the one answer a test wants."""
    with azure() as state:
        yield state


@pytest.fixture
def endpoint(server: AzureServer) -> str | None:
    """What LSCONSOLE_AZURE_ENDPOINT says; a test module may say otherwise."""
    return server.endpoint


@pytest.fixture
def environment() -> dict[str, str]:
    """What Label Studio's environment holds; a test module may say otherwise."""
    return {}


@pytest.fixture
def settings(settings: Settings, endpoint: str | None, environment: dict[str, str]) -> Settings:
    return settings.with_(azure_endpoint=endpoint, bucket_environment=environment)


@pytest.fixture
def storage_of(session: Session, ctx: Context, server: AzureServer) -> Callable[..., SimpleNamespace]:
    """`storage_of(kind, **columns)` makes a storage with the right key and narrows `ctx` to it."""

    def make(kind: str = "azure", **columns: Any) -> SimpleNamespace:
        storage = make_cloud_storage(session, kind, **server.login | columns)
        ctx.scope = Scope(storage=storage.subject.removeprefix("storage:"))
        return storage

    return make
