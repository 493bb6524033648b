"""The matrix of Azure Blob, cell by cell, against Azurite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ContentSettings,
    CorsRule,
    ResourceTypes,
    generate_account_sas,
)

from console.config import Settings
from console.deployment.storages import Storage
from tests.azure_server import AzureServer, azure_server
from tests.doctor.conftest import ORIGIN, Look, storage_of

BROWSER = ("presign", "range", "preflight", "simple")
TRIED = ("resolve", "list", "get", "head", *BROWSER)
OTHER_KEY = "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="


@pytest.fixture(scope="module")
def server() -> Iterator[AzureServer]:
    """Two pictures."""
    with azure_server() as server:
        client = admin(server)
        client.create_container("data")
        for key in ("img/a.png", "img/b.png"):
            settings = ContentSettings(content_type="image/png")
            client.get_blob_client("data", key).upload_blob(b"png", content_settings=settings)
        yield server


def admin(server: AzureServer) -> BlobServiceClient:
    return BlobServiceClient(server.endpoint.format(account=server.account), credential=server.key, retry_total=0)


@pytest.fixture
def settings(settings: Settings, server: AzureServer) -> Settings:
    return replace(settings, azure_endpoint=server.endpoint)


@pytest.fixture(autouse=True)
def shared(server: AzureServer) -> None:
    """The account lets the pages read."""
    share(server, ORIGIN)


def share(server: AzureServer, origin: str) -> None:
    rule = CorsRule(
        [origin], ["GET", "HEAD", "OPTIONS"], allowed_headers=["*"], exposed_headers=["*"], max_age_in_seconds=9
    )
    admin(server).set_service_properties(cors=[rule])


def source(server: AzureServer, kind: str = "azure", **columns: Any) -> Storage:
    return storage_of(kind, {"container": "data", "prefix": "img", **server.login, **columns})


def states(cells: dict[str, Any]) -> dict[str, str]:
    return {name: cell.state for name, cell in cells.items()}


def test_all_is_well(look: Look, server: AzureServer) -> None:
    assert states(look(source(server))) == {**dict.fromkeys(TRIED, "ok"), "put": "not_tried", "delete": "not_tried"}
    written = states(look(source(server, "azure-export"), consent=True))
    assert (written["put"], written["delete"]) == ("ok", "ok")
    left = [blob.name for blob in admin(server).get_container_client("data").list_blobs()]
    assert left == ["img/a.png", "img/b.png"], "the marker is gone"


def test_a_key_of_another_account(look: Look, server: AzureServer) -> None:
    cells = look(source(server, account_key=OTHER_KEY))
    assert cells["list"].state == "failed" and cells["list"].code in ("AuthenticationFailed", "AuthorizationFailure")
    assert OTHER_KEY not in f"{cells}"


@pytest.mark.parametrize(
    ("permissions", "operation", "letter"),
    [("r", "list", "l"), ("l", "get", "r"), ("l", "head", "r"), ("rl", "put", "w"), ("rlwc", "delete", "d")],
)
def test_a_sas_that_may_do_less(look: Look, server: AzureServer, permissions: str, operation: str, letter: str) -> None:
    sas = generate_account_sas(
        server.account, server.key, ResourceTypes(container=True, object=True),
        AccountSasPermissions.from_string(permissions), expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    kind = "azure-export" if operation in ("put", "delete") else "azure"
    cell = look(source(server, kind, account_key=sas), consent=kind == "azure-export")[operation]
    assert (cell.state, cell.code) == ("failed", "AuthorizationPermissionMismatch")
    assert f"permission {letter} of the SAS" in cell.message + cell.statement


def test_a_container_that_is_not_there(look: Look, server: AzureServer) -> None:
    cell = look(source(server, container="other"))["list"]
    assert (cell.state, cell.code) == ("failed", "ContainerNotFound")


def test_the_account_does_not_name_the_pages(look: Look, server: AzureServer) -> None:
    share(server, "https://elsewhere.example")
    cells = look(source(server))
    assert (cells["preflight"].state, cells["simple"].state) == ("failed", "failed")
    assert "az storage cors add" in cells["preflight"].statement and ORIGIN in cells["preflight"].statement


def test_an_account_whose_name_leads_elsewhere(look: Look, server: AzureServer) -> None:
    cells = look(source(server, account_name="evil.example/"))
    assert {state for name, state in states(cells).items() if name != "resolve"} <= {"failed", "unknown", "not_tried"}
    assert "no name of a storage account" in f"{cells}"
