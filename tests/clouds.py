"""Google Cloud Storage and Azure Blob behind one small interface for tests: real servers, filled and read by the
providers' own libraries, and what Label Studio's sync would list there."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import google.cloud.storage
from azure.storage.blob import BlobPrefix, BlobServiceClient, ContentSettings
from google.auth.credentials import AnonymousCredentials
from sqlalchemy.orm import Session

from console.config import Settings
from tests import azure_server, gcs_server
from tests.diagnostics.cloud_rows import make_cloud_storage

CLOUDS = ("gcs", "azure")
_number = itertools.count(1)


@dataclass(frozen=True)
class Body:
    """An object as a test wants it."""

    content: bytes = b"x"
    content_type: str = "application/octet-stream"
    encoding: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class GoogleCloud:
    """An emulator of Google's storage. Its account has a key; only tokens come from the stand-in."""

    kind, scheme = "gcs", "gs"

    def __init__(self, url: str, tokens: gcs_server.Google) -> None:
        self.url, self.tokens = url, tokens
        self.login = {"google_application_credentials": tokens.key_file()}
        self.library = google.cloud.storage.Client(
            project="x", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
        )

    def reached(self, settings: Settings) -> Settings:
        return replace(
            settings, bucket_environment={"STORAGE_EMULATOR_HOST": self.url}, bucket_endpoints=("127.0.0.1",)
        )

    def columns(self, name: str) -> dict[str, str]:
        return {"bucket": name, **self.login}

    def create(self, name: str) -> None:
        self.library.create_bucket(name)

    def upload(self, name: str, key: str, body: Body) -> None:
        blob = self.library.bucket(name).blob(key)
        blob.content_encoding, blob.metadata = body.encoding, dict(body.metadata)
        blob.upload_from_string(body.content, content_type=body.content_type)

    def stored(self, name: str) -> dict[str, Body]:
        blobs = self.library.list_blobs(name)
        return {blob.name: Body(blob.download_as_bytes(), blob.content_type) for blob in blobs}

    def listed(self, name: str, prefix: str | None, recursive: bool) -> list[str]:
        """Label Studio's io_storages/gcs/utils.py, `GCS.iter_blobs`."""
        folder = prefix.rstrip("/") + "/" if prefix else None
        blobs = self.library.list_blobs(name, prefix=folder, delimiter=None if recursive else "/")
        return [blob.name for blob in blobs if not blob.name.endswith("/")]


class AzureCloud:
    """Azurite, which checks keys and signed links."""

    kind, scheme = "azure", "azure-blob"

    def __init__(self, server: azure_server.AzureServer) -> None:
        self.server = server
        self.login = server.login
        self.library = BlobServiceClient(
            server.endpoint.format(account=server.account), credential=server.key, retry_total=0
        )

    def reached(self, settings: Settings) -> Settings:
        return replace(settings, azure_endpoint=self.server.endpoint)

    def columns(self, name: str) -> dict[str, str]:
        return {"container": name, **self.login}

    def create(self, name: str) -> None:
        self.library.create_container(name)

    def upload(self, name: str, key: str, body: Body) -> None:
        told = ContentSettings(content_type=body.content_type, content_encoding=body.encoding)
        client = self.library.get_blob_client(name, key)
        client.upload_blob(body.content, overwrite=True, content_settings=told, metadata=dict(body.metadata))

    def stored(self, name: str) -> dict[str, Body]:
        container = self.library.get_container_client(name)
        return {
            blob.name: Body(container.download_blob(blob.name).readall(), blob.content_settings.content_type)
            for blob in container.list_blobs()
        }

    def listed(self, name: str, prefix: str | None, recursive: bool) -> list[str]:
        """Label Studio's io_storages/azure_blob/models.py, `iter_objects`."""
        folder = prefix.rstrip("/") + "/" if prefix else ""
        container = self.library.get_container_client(name)
        found: Any = container.list_blobs(name_starts_with=folder)
        if not recursive:
            found = container.walk_blobs(name_starts_with=folder or None, delimiter="/")
        own = folder.rstrip("/") + "/"
        return [one.name for one in found if not isinstance(one, BlobPrefix) and one.name != own]


Cloud = GoogleCloud | AzureCloud
MakeStorage = Callable[..., SimpleNamespace]


@contextmanager
def running(kind: str) -> Iterator[Cloud]:
    """The servers of a provider."""
    with ExitStack() as stack:
        if kind == "gcs":
            yield GoogleCloud(stack.enter_context(gcs_server.gcs_server()), stack.enter_context(gcs_server.google()))
        else:
            yield AzureCloud(stack.enter_context(azure_server.azure_server()))


def sync_keys(cloud: Cloud, name: str, prefix: str | None, recursive: bool, pattern: str | None) -> list[str]:
    """The keys that Label Studio's sync takes, in the order of its listing."""
    return [key for key in cloud.listed(name, prefix, recursive) if not pattern or re.match(pattern, key)]


def make_bucket(cloud: Cloud, objects: Mapping[str, Any]) -> str:
    """A new bucket with these objects: bytes, `Body`, or what is stored as JSON; its name."""
    name = f"bucket-{next(_number)}"
    cloud.create(name)
    for key, given in objects.items():
        body = given if isinstance(given, Body | bytes) else json.dumps(given).encode()
        cloud.upload(name, key, body if isinstance(body, Body) else Body(body))
    return name


def make_storage(
    session: Session, cloud: Cloud, objects: Mapping[str, Any] | str, *, target: bool = False, **columns: Any
) -> SimpleNamespace:
    """A storage over a new bucket with these objects, or over the bucket of that name; has `reference` and `name`."""
    name = objects if isinstance(objects, str) else make_bucket(cloud, objects)
    kind = f"{cloud.kind}-export" if target else cloud.kind
    storage = make_cloud_storage(session, kind, **cloud.columns(name) | columns)
    storage.name, storage.reference = name, f"{kind}:{storage.id}"
    return storage
