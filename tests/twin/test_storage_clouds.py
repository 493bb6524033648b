"""Google Cloud Storage and Azure Blob, synced by Label Studio and by the console: equal tasks, links, states and uploads.

Label Studio signs in to Google as nobody, as its library does with an emulator; Azurite checks the key.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from console.app import build
from console.config import Settings
from console.labeling.storages import targets
from console.service import Console
from tests import clouds
from tests.api_client import ApiClient
from tests.clouds import AzureCloud, Body, Cloud, GoogleCloud
from tests.twin.peer import SHARED_ENVIRONMENT
from tests.twin.test_media import HEADERS
from tests.twin.test_storage_sync import CONTENTS, Both, body_of
from tests.twin.twin import Twin

PARENTS = {"gcs": "io_storages_gcsstoragemixin", "azure": "io_storages_azureblobstoragemixin"}
CHILDREN = {"gcs": "io_storages_gcs{}storage", "azure": "io_storages_azureblob{}storage"}
COLUMNS = {
    "gcs": ("bucket", "google_application_credentials", "google_project_id"),
    "azure": ("container", "account_name", "account_key"),
}
PLACES = (
    (None, None), ("deep", None), ("deep//", None), ("dee", None), ("nothing", None), (None, r".*\.json$"),
    ("deep", r"deep/.*\.json"), (None, "*.jpg"),
)  # fmt: skip
FOLDERS = {"deep/folder/": Body(b""), "deep/hierarchical": Body(b"", metadata={"hdi_isfolder": "true"})}
ODD = dict.fromkeys(("a  #1?.jpg", "b%20c.jpg", "ü – 日本.jpg"), b"x")


class InClouds(Both):
    """Storages of either provider in both deployments."""

    def storage(self, cloud: Cloud, name: str, project: int, way: str = "import", **values: Any) -> SimpleNamespace:
        parent, child = PARENTS[cloud.kind], CHILDREN[cloud.kind].format(way)
        row = {"prefix": None, "regex_filter": None, "use_blob_urls": False, "recursive": False} | values
        row |= {"id": next(self._ids), "project": project, "google_application_credentials": None,
                "google_project_id": None}  # fmt: skip
        row = cloud.columns(name) | row
        names = ("id", "prefix", "regex_filter", "use_blob_urls", *COLUMNS[cloud.kind])
        places = ", ".join(f":{one}" for one in names)
        self.twin.execute(
            f"INSERT INTO {parent} ({', '.join(names)}) VALUES ({places})", **{one: row[one] for one in names}
        )
        key = f"{parent.removeprefix('io_storages_')}_ptr_id"
        usual = {
            "title": "t",
            "created_at": "2024-01-01",
            "status": "initialized",
            "meta": "{}",
            "synchronizable": True,
        }
        usual |= {key: row["id"], "project_id": project}
        if way == "import":
            usual |= {"recursive_scan": row["recursive"], "presign": True, "presign_ttl": 1}
        places = ", ".join(f":{one}" for one in usual)
        self.twin.execute(f"INSERT INTO {child} ({', '.join(usual)}) VALUES ({places})", **usual)
        return SimpleNamespace(provider=cloud.kind, table=child, key=key, name=name, **row)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Cloud]]:
    with ExitStack() as stack:
        yield {kind: stack.enter_context(clouds.running(kind)) for kind in clouds.CLOUDS}


@pytest.fixture
def both(twin: Twin, tmp_path: Path, servers: dict[str, Any]) -> Iterator[InClouds]:
    google, azure = servers["gcs"], servers["azure"]
    assert isinstance(google, GoogleCloud) and isinstance(azure, AzureCloud)
    told = {"gcs": google.url, "azure": azure.server.endpoint}
    requests.put(f"{twin.sides[0].url}/-twin-/clouds", params=told, timeout=20).raise_for_status()
    url = twin.sides[1].database.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    settings = Settings.load(dict(SHARED_ENVIRONMENT), database_url=url, data_dir=tmp_path / "looking")
    console = Console(azure.reached(google.reached(settings)))
    yield InClouds(twin, console, tmp_path)
    console.close()


@pytest.mark.parametrize("kind", clouds.CLOUDS)
@pytest.mark.parametrize("content", ["media", "tasks", "broken"])
def test_sources(both: InClouds, servers: dict[str, Cloud], kind: str, content: str) -> None:
    cloud, project = servers[kind], both.project()
    objects: dict[str, Any] = {key: body_of(value) for key, value in CONTENTS[content].items()}
    if content == "media":
        objects |= FOLDERS | ODD
    name, ended = clouds.make_bucket(cloud, objects), set()
    for prefix, pattern in PLACES:
        for recursive, blobs in itertools.product((False, True), repeat=2):
            values = {"recursive": recursive, "use_blob_urls": blobs, "regex_filter": pattern, "prefix": prefix}
            ended.add(both.compare(both.storage(cloud, name, project, **values)).status)
    assert {"completed", "failed", "refused"} <= ended
    both.rows(
        {f"{CHILDREN[kind].format('import')}.{column}": "sync-reasons" for column in ("traceback", "last_sync_job")}
    )


@pytest.mark.parametrize("kind", clouds.CLOUDS)
@pytest.mark.parametrize("prefix", [None, "out/"])
def test_targets(both: InClouds, servers: dict[str, Cloud], kind: str, prefix: str | None) -> None:
    cloud = servers[kind]
    name = clouds.make_bucket(cloud, {})
    storage = both.storage(cloud, name, 1, "export", prefix=prefix)
    answer = requests.post(
        f"{both.twin.sides[0].url}/api/storages/export/{kind}/{storage.id}/sync",
        headers={"Authorization": f"Token {both.twin.tokens['alice']}"}, timeout=120,
    )  # fmt: skip
    theirs = cloud.stored(name)
    assert answer.json()["status"] == "completed" and theirs
    for key in theirs:
        cloud.upload(name, key, Body(b"other", "image/png"))
    done = targets.run(both.console.deployment, f"{kind}-export:{storage.id}")
    ours = cloud.stored(name)
    assert done["written"] == len(theirs) and ours.keys() == theirs.keys()
    for key, body in theirs.items():
        assert ours[key].content_type == body.content_type
        told, written = json.loads(body.content), json.loads(ours[key].content)
        assert list(told) == list(written)
        for document in (told, written):
            document.pop("created_ago", None)
        assert told == written


def test_files_of_azure_are_passed_on(both: InClouds, servers: dict[str, Cloud]) -> None:
    """`azure-range`: Label Studio leaves the last byte out of a part."""
    cloud, movie = servers["azure"], bytes(range(256)) * 4
    name = clouds.make_bucket(cloud, {"a b.mp4": Body(movie, "video/mp4")})
    storage = both.storage(cloud, name, 1)
    both.twin.execute(f"UPDATE {storage.table} SET presign = false")
    app = build(console=both.console)
    uri = base64.urlsafe_b64encode(f"azure-blob://{name}/a b.mp4".encode()).decode()
    path, token = f"/projects/1/resolve/?fileuri={uri}", {"Authorization": f"Token {both.twin.tokens['alice']}"}
    for asked in (None, "bytes=0-", "bytes=0-0", "bytes=5-9", "bytes=1000-"):
        headers = token | ({"Range": asked} if asked else {})
        theirs = requests.get(f"{both.twin.sides[0].url}{path}", headers=headers, timeout=20)
        ours = ApiClient(app, headers).get(path)
        compared = [name for name in HEADERS if asked or name != "Content-Range"]
        if asked == "bytes=5-9":
            assert (theirs.content, theirs.headers["Content-Range"]) == (movie[5:9], "bytes 5-8/1024")
            assert (ours.data, ours.headers["Content-Range"]) == (movie[5:10], "bytes 5-9/1024")
            continue
        assert (theirs.status_code, theirs.content) == (ours.status_code, ours.data), asked
        assert [theirs.headers.get(one) for one in compared] == [ours.headers.get(one) for one in compared], asked
