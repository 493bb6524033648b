"""Google Cloud Storage and Azure Blob: the FAQ's decision, and the story of a file, from providers that check keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from azure.storage.blob import AccountSasPermissions, CorsRule, ResourceTypes, StandardBlobTier, generate_account_sas
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment
from console.deployment.storages import storage as find_storage
from console.doctor import media
from console.doctor.decision import decide
from tests import clouds
from tests.azure_server import AzureServer, azure_server
from tests.clouds import AzureCloud, Body
from tests.gcs_server import Google, google

#: This machine, so that its own servers are no names of an inside that people cannot reach.
ORIGIN = "http://localhost:8080"
TASK = b'{"text": "a task"}'
TYPES = {"jpg": "image/jpeg", "mp4": "video/mp4", "json": "application/json", "txt": "text/plain"}
Source = Callable[..., SimpleNamespace]


class GoogleAccount:
    """The stand-in's one bucket, and what its account may do there."""

    kind, scheme = "gcs", "gs"

    def __init__(self, state: Google) -> None:
        self.state = state

    def reached(self, settings: Settings) -> Settings:
        return replace(settings, bucket_environment=self.state.environment())

    def fill(self, objects: dict[str, bytes]) -> str:
        self.state.objects = dict(objects)
        self.state.headers = {key: {"Content-Type": TYPES[key.rpartition(".")[2]]} for key in objects}
        return "data"

    def columns(self, name: str) -> dict[str, str]:
        return {"bucket": name, "google_application_credentials": self.state.key_file()}

    def share(self, origin: str) -> None:
        self.state.cors = [
            {"origin": [origin], "method": ["GET", "HEAD"], "responseHeader": ["Range", "Content-Range"]}
        ]

    def lists_alone(self) -> dict[str, str]:
        """Columns of credentials that may not read."""
        self.state.granted.discard("storage.objects.get")
        return {}


class AzureAccount(AzureCloud):
    """Azurite's account."""

    def fill(self, objects: dict[str, bytes]) -> str:
        types = {key: TYPES[key.rpartition(".")[2]] for key in objects}
        return clouds.make_bucket(self, {key: Body(content, types[key]) for key, content in objects.items()})

    def share(self, origin: str) -> None:
        rule = CorsRule([origin], ["GET", "HEAD"], allowed_headers=["*"], exposed_headers=["*"])
        self.library.set_service_properties(cors=[rule])

    def lists_alone(self) -> dict[str, str]:
        permissions, until = AccountSasPermissions(list=True), datetime.now(UTC) + timedelta(hours=1)
        types = ResourceTypes(container=True, object=True)
        return {
            "account_key": generate_account_sas(self.server.account, self.server.key, types, permissions, expiry=until)
        }


@pytest.fixture(scope="module")
def azurite() -> Iterator[AzureServer]:
    with azure_server() as server:
        yield server


@pytest.fixture(params=clouds.CLOUDS)
def account(request: pytest.FixtureRequest, azurite: AzureServer) -> Iterator[Any]:
    if request.param == "azure":
        yield AzureAccount(azurite)
        return
    with google() as state:
        yield GoogleAccount(state)


@pytest.fixture
def settings(settings: Settings, account: Any) -> Settings:
    return replace(account.reached(settings), label_studio_url=ORIGIN, bucket_endpoints=("127.0.0.1",))


@pytest.fixture
def source(session: Session, account: Any) -> Source:
    """`source({key: content}, **columns)`: a storage over these objects alone, shared with the pages."""
    account.share(ORIGIN)
    return lambda objects, **columns: clouds.make_storage(session, account, account.fill(objects), **columns)


# --- the decision


def decided(deployment: Deployment, made: SimpleNamespace) -> dict[str, Any]:
    with deployment.read() as session:
        return decide(deployment, find_storage(session, deployment.schema, made.reference))


def test_what_the_switch_would_give(deployment: Deployment, source: Source) -> None:
    tasks, photos = {"a.json": TASK, "b.json": b"[" + TASK + b"]"}, {"a.jpg": b"x", "b.jpg": b"y"}
    for objects, is_on, code in (
        (tasks, False, "good"), (tasks, True, "switch_off"), (photos, True, "good"), (photos, False, "switch_on"),
        (tasks | photos, False, "mixed"), ({"a.json": b"<html>"}, False, "content"), ({}, False, "nothing_listed"),
    ):  # fmt: skip
        found = decided(deployment, source(objects, use_blob_urls=is_on))
        assert (found["verdict"]["code"], found["enabled"]["tasks"]) == (code, len(objects)), (objects, is_on)


def test_get_is_missing(deployment: Deployment, account: Any, source: Source) -> None:
    found = decided(deployment, source({"a.json": TASK, "b.json": TASK}, **account.lists_alone()))
    assert found["verdict"]["code"] == "get_missing" and "2 new files" in found["verdict"]["told"]
    missing = {"gcs": "storage.objects.get", "azure": "permission r of the SAS"}[account.kind]
    assert f"What is missing: {missing}" in found["verdict"]["told"]


# --- the story of a file


def told(deployment: Deployment, storage: SimpleNamespace, uri: str) -> dict[str, Any]:
    document = media.story(deployment, deployment.settings, uri, project_id=storage.project_id)
    printed = json.dumps(document, ensure_ascii=False)
    assert "PRIVATE KEY" not in printed and not re.search(r"(?:Signature|sig)=[^•]", printed)
    return document


def states(document: dict[str, Any]) -> dict[str, str]:
    return {step["title"]: step["state"] for step in document["files"][0]["steps"]}


def why(document: dict[str, Any]) -> tuple[str, str]:
    assert document["state"] == "failed", document
    return document["why"]["check"], document["why"]["message"]


@pytest.mark.parametrize("presign", [True, False])
def test_a_file_that_shows(deployment: Deployment, account: Any, source: Source, presign: bool) -> None:
    storage = source({"a #1.jpg": b"jpeg" * 50, "b.mp4": b"movie" * 50}, use_blob_urls=True, presign=presign)
    for key in ("a #1.jpg", "b.mp4"):
        document = told(deployment, storage, f"{account.scheme}://{storage.name}/{key}")
        assert (document["state"], set(states(document).values()) <= {"ok", "info"}) == ("ok", True), document


def test_why_a_file_does_not_show(deployment: Deployment, account: Any, source: Source) -> None:
    storage = source({"a.jpg": b"jpeg" * 50, "empty.jpg": b"", "text.txt": b"x"}, use_blob_urls=True, presign_ttl=60)
    uri = f"{account.scheme}://{storage.name}"
    assert why(told(deployment, storage, f"{uri}/gone.jpg"))[0] == "storage.object_gone"
    assert "empty" in why(told(deployment, storage, f"{uri}/empty.jpg"))[1]
    assert why(told(deployment, storage, f"{account.scheme}://elsewhere/a.jpg"))[0] == "storage.uri_unresolvable"
    account.share("https://other.example.com")
    check, message = why(told(deployment, storage, f"{uri}/a.jpg"))
    assert check == "storage.cors_missing" and ORIGIN in message
    if account.kind == "gcs":
        account.lists_alone()
        assert why(told(deployment, storage, f"{uri}/a.jpg"))[0] == "storage.presign_403"
    else:
        blob = account.library.get_blob_client(storage.name, "a.jpg")
        blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
        assert why(told(deployment, storage, f"{uri}/a.jpg"))[0] == "storage.archived_class"
