"""The matrix of Google Cloud Storage and Azure Blob: what makes each cell red, and what is told to be missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.blob import CorsRule as AccountRule

from console.config import Settings
from console.deployment import Deployment
from console.doctor import matrix
from console.doctor.cells import Cell
from tests.azure_server import Azure, AzureServer, azure, azure_server
from tests.doctor.conftest import ORIGIN, storage_of
from tests.gcs_server import Google, google

TRIED = ("resolve", "list", "get", "head", "presign", "range", "preflight", "simple", "put", "delete")
RULES = [
    {"origin": [ORIGIN], "method": ["GET", "HEAD"], "responseHeader": ["Content-Range", "Range"], "maxAgeSeconds": 60}
]
KEY = "a2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LQ=="
Cells = Callable[..., dict[str, Cell]]


def failed(cells: dict[str, Cell]) -> list[str]:
    return [name for name in TRIED if cells[name].state == "failed"]


# --- Google


@pytest.fixture
def bucket() -> Iterator[Google]:
    with google() as state:
        state.objects, state.cors = {"img/a.png": b"a picture"}, list(RULES)
        yield state


@pytest.fixture
def gcs(deployment: Deployment, bucket: Google) -> Cells:
    """The cells of a source (or target) of the account whose key the stand-in knows."""

    def cells(kind: str = "gcs", **columns: Any) -> dict[str, Cell]:
        deployment.settings = replace(deployment.settings, bucket_environment=bucket.environment())
        row = {"bucket": "data", "prefix": "img", "google_application_credentials": bucket.key_file()}
        return {
            cell.operation: cell
            for cell in matrix.look(deployment, storage_of(kind, row, **columns), consent=True).cells
        }

    return cells


def test_google_all_is_well(gcs: Cells, bucket: Google) -> None:
    cells = gcs()
    assert {name: cells[name].state for name in TRIED} == dict.fromkeys(TRIED, "ok")
    assert list(bucket.objects) == ["img/a.png"]


@pytest.mark.parametrize(
    ("permission", "red"),
    [
        ("storage.objects.list", ["list"]),
        ("storage.buckets.get", ["list"]),
        ("storage.objects.get", ["get", "head", "presign", "range", "simple"]),
        ("storage.objects.create", ["put"]),
        ("storage.objects.delete", ["delete"]),
    ],
)
def test_google_permissions(gcs: Cells, bucket: Google, permission: str, red: list[str]) -> None:
    bucket.granted.discard(permission)
    cells = gcs()
    assert failed(cells)[0] == red[0] and set(failed(cells)) >= set(red[:1])
    assert permission in cells[red[0]].message + cells[red[0]].statement
    assert cells[red[0]].statement
    if permission == "storage.objects.get":
        assert failed(cells) == red and "roles/storage.objectViewer" in cells["presign"].statement


def test_google_cors(gcs: Cells, bucket: Google) -> None:
    bucket.cors = []
    cells = gcs()
    assert failed(cells) == ["preflight", "simple"] and "has no CORS rules" in cells["simple"].message
    assert "gcloud storage buckets update gs://data --cors-file=cors.json" in cells["simple"].statement


@pytest.mark.parametrize("key", ["{", '{"type": "service_account"}', "no json"])
def test_google_keys_that_are_none(gcs: Cells, key: str) -> None:
    cells = gcs(google_application_credentials=key)
    assert failed(cells)[0] in {"resolve", "list"} and cells["get"].state == "unknown"


def test_a_key_that_google_does_not_know(gcs: Cells, bucket: Google) -> None:
    bucket.refusal = (400, b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}')
    cells = gcs()
    assert cells["list"].state == "failed" and "BEGIN" not in str(cells)


def test_no_such_bucket_at_google(gcs: Cells) -> None:
    cells = gcs(bucket="other")
    assert cells["list"].state == "failed" and cells["get"].state == "unknown"


# --- Azure


@pytest.fixture(scope="module")
def server() -> Iterator[AzureServer]:
    with azure_server() as running:
        client = library(running)
        client.create_container("data").upload_blob("img/a.png", b"a picture")
        yield running


def library(server: AzureServer) -> BlobServiceClient:
    return BlobServiceClient(server.endpoint.format(account=server.account), credential=server.key, retry_total=0)


def share(server: AzureServer, *origins: str) -> None:
    rules = [AccountRule([origin], ["GET", "HEAD"], allowed_headers=["*"], exposed_headers=["*"]) for origin in origins]
    library(server).set_service_properties(cors=rules)


@pytest.fixture
def blob(deployment: Deployment, server: AzureServer) -> Cells:
    def cells(kind: str = "azure", endpoint: str = "", **columns: Any) -> dict[str, Cell]:
        deployment.settings = replace(deployment.settings, azure_endpoint=endpoint or server.endpoint)
        row = {"container": "data", "prefix": "img", **server.login}
        return {
            cell.operation: cell
            for cell in matrix.look(deployment, storage_of(kind, row, **columns), consent=True).cells
        }

    return cells


def test_azure_all_is_well(blob: Cells, server: AzureServer) -> None:
    share(server, ORIGIN)
    cells = blob()
    assert {name: cells[name].state for name in TRIED} == dict.fromkeys(TRIED, "ok"), failed(cells)
    assert [item.name for item in library(server).get_container_client("data").list_blobs()] == ["img/a.png"]


@pytest.mark.parametrize("origins", [(), ("https://other.example.com",)])
def test_azure_cors(blob: Cells, server: AzureServer, origins: tuple[str, ...]) -> None:
    share(server, *origins)
    cells = blob()
    assert failed(cells) == ["preflight", "simple"]
    assert "az storage cors add" in cells["preflight"].statement and ORIGIN in cells["preflight"].statement


def test_azure_refuses_a_wrong_key(blob: Cells) -> None:
    cells = blob(account_key=KEY)
    assert cells["list"].state == "failed" and KEY not in str(cells)


def test_no_such_container(blob: Cells) -> None:
    cells = blob(container="other")
    assert cells["list"].state == "failed" and cells["presign"].state == "unknown"


def test_azure_without_an_account(blob: Cells) -> None:
    cells = blob(account_name="")
    assert cells["resolve"].state == "failed" and "names no account" in cells["resolve"].message


def test_a_target_on_azure(blob: Cells) -> None:
    cells = blob("azure-export")
    assert cells["list"].state == cells["put"].state == cells["delete"].state == "ok"


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AuthorizationPermissionMismatch"), (403, "AuthenticationFailed"), (409, "AccountIsDisabled")],
)
def test_azure_in_its_own_words(blob: Cells, status: int, code: str) -> None:
    with azure() as state:
        state.refuse(status, code)
        cells = blob(endpoint=state.endpoint)
    assert cells["list"].state == cells["put"].state == cells["delete"].state == "failed"
    assert cells["list"].code == code


def test_settings_are_those_of_the_operator(settings: Settings) -> None:
    assert settings.label_studio_url and settings.label_studio_url.startswith(ORIGIN)


def test_azure_gives_no_answer(blob: Cells) -> None:
    with azure() as state:
        gone = state.endpoint
    cells = blob(endpoint=gone)
    assert cells["list"].state == "failed" and {cells[name].state for name in TRIED[2:]} == {"unknown"}


def test_the_stand_in_is_asked_nothing_without_a_need(deployment: Deployment) -> None:
    with azure() as state:
        state.refuse(404, "ContainerNotFound")
        deployment.settings = replace(deployment.settings, azure_endpoint=state.endpoint)
        row = {"container": "data", "account_name": "labelstore", "account_key": KEY}
        assert isinstance(state, Azure)
        cells = {cell.operation: cell for cell in matrix.look(deployment, storage_of("azure", row), consent=True).cells}
        assert cells["list"].state == "failed" and not [
            line for line in state.asked if line.startswith(("PUT", "DELETE"))
        ]
