"""Checks that look into buckets, on Google Cloud Storage and Azure Blob: a healthy storage and a broken one each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from azure.storage.blob import AccountSasPermissions, CorsRule, ResourceTypes, StandardBlobTier, generate_account_sas
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Check, Context
from console.diagnostics.storage.archived_class import archived_class
from console.diagnostics.storage.blob_toggle_off import blob_toggle_off
from console.diagnostics.storage.content_type import content_type
from console.diagnostics.storage.cors_missing import cors_missing
from console.diagnostics.storage.list_not_get import list_not_get
from console.diagnostics.storage.never_resynced import never_resynced
from console.diagnostics.storage.object_gone import object_gone
from console.diagnostics.storage.presign_403 import presign_403
from console.diagnostics.storage.recursive_off import recursive_off
from console.diagnostics.storage.regex_no_match import regex_no_match
from console.labeling.storages import sync
from console.service import Console
from tests import clouds
from tests.clouds import Body, Cloud
from tests.diagnostics.storage.conftest import ORIGIN
from tests.diagnostics.storage.sources import narrowed
from tests.gcs_server import Google, google
from tests.round_trip import assert_round_trip

PHOTO = Body(b"photo", "image/jpeg")
FILES = {"use_blob_urls": True}
LONG_AGO = datetime.now(UTC) - timedelta(days=9)
Make = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module", params=clouds.CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with clouds.running(request.param) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, cloud: Cloud) -> Settings:
    return replace(cloud.reached(settings), label_studio_url=ORIGIN)


@pytest.fixture
def make(session: Session, cloud: Cloud, ctx: Context) -> Make:
    """`make({key: body}, **columns)`: a storage over a new bucket, and `ctx` narrowed to it."""
    return lambda objects, **columns: narrowed(ctx, clouds.make_storage(session, cloud, objects, **columns))


@pytest.mark.parametrize(
    ("check", "healthy", "broken", "told"),
    [
        (
            regex_no_match,
            ({"in/a.jpg": PHOTO}, {"regex_filter": r".*a\.jpg$"}),
            ({"in/a.jpg": PHOTO}, {"regex_filter": r"a\.jpg$", "prefix": "in"}),
            r"None of 1 key matches the filter `a\.jpg$`",
        ),
        (
            recursive_off,
            ({"in/a.jpg": PHOTO}, {"recursive_scan": False, "prefix": "in"}),
            ({"in/er/a.jpg": PHOTO, "in/er/b.jpg": PHOTO}, {"recursive_scan": False, "prefix": "in"}),
            "No file lies directly under {place}; with folders entered, 2 would be taken",
        ),
        (
            blob_toggle_off,
            ({"a.json": {"text": "x"}}, {}),
            ({"a.jpg": PHOTO, "b.jpg": PHOTO}, {}),
            "2 of 2 keys taken, as there is no filter, are no JSON, and the storage reads JSON tasks",
        ),
        (
            content_type,
            ({"a.jpg": PHOTO, "b.mp3": Body(b"x", "audio/mpeg")}, FILES),
            ({"a.jpg": PHOTO, "b.jpg": Body(b"x", "text/plain"), "c.mp3": Body(b"x", "audio/mpeg", "gzip")}, FILES),
            "2 of 3 files tried are stored as text/plain, audio/mpeg",
        ),
    ],
    ids=lambda value: value.code if isinstance(value, Check) else "",
)  # fmt: skip
def test_what_a_listing_tells(
    console: Console, ctx: Context, cloud: Cloud, make: Make, check: Check, healthy: Any, broken: Any, told: str
) -> None:
    make(healthy[0], **healthy[1])
    assert list(check.answers(ctx)) == []
    storage = make(broken[0], **broken[1])
    [finding] = check.run(ctx)
    place = f"{cloud.scheme}://{storage.name}/in"
    assert (finding.subject, finding.summary) == (storage.subject, told.format(place=place))
    for fix in finding.fixes[:1]:
        assert_round_trip(console, ctx, check, fix, finding)


def test_files_that_came_in_later(ctx: Context, console: Console, session: Session, make: Make) -> None:
    storage = make({"a.jpg": PHOTO, "b.jpg": PHOTO}, **FILES)
    sync.run(console.deployment, storage.reference)
    assert list(never_resynced.answers(ctx)) == []
    table = "gcs" if storage.reference.startswith("gcs") else "azureblob"
    link = f"io_storages_{table}importstoragelink"
    session.execute(text(f"update io_storages_{table}importstorage set last_sync = :t"), {"t": LONG_AGO})
    session.commit()
    ctx.deployment.settings = replace(ctx.settings, thresholds={"storage.never_resynced.older_than_hours": -1})
    assert never_resynced.run(ctx) == [], "both have their tasks"
    session.execute(text(f"delete from {link} where storage_id = :s and key = 'b.jpg'"), {"s": storage.id})
    session.commit()
    [finding] = never_resynced.run(ctx)
    assert finding.subject == storage.subject and [row["key"] for row in finding.evidence] == ["b.jpg"]
    assert "1 file has come in since the last sync 9 d ago" in finding.summary


def test_objects_that_are_gone(ctx: Context, console: Console, cloud: Cloud, make: Make) -> None:
    storage = make({"a.jpg": PHOTO, "b #1.jpg": PHOTO}, **FILES)
    sync.run(console.deployment, storage.reference)
    assert list(object_gone.answers(ctx)) == []
    if cloud.kind == "gcs":
        cloud.library.bucket(storage.name).blob("b #1.jpg").delete()
    else:
        cloud.library.get_blob_client(storage.name, "b #1.jpg").delete_blob()
    ctx.probes._answers.clear()
    [finding] = object_gone.run(ctx)
    assert finding.summary == f"1 task's object is gone from {cloud.scheme}://{storage.name}, of 2"
    assert [row["key"] for row in finding.evidence] == ["b #1.jpg"]


# --- what a key may do, and a browser


@pytest.fixture
def account(session: Session, cloud: Cloud, ctx: Context) -> Iterator[SimpleNamespace]:
    """A source over one picture, shared with pages of ORIGIN: Google's stand-in refuses as told, Azurite by its keys."""
    with google() as state:
        if cloud.kind == "gcs":
            state.objects = {"a.jpg": b"photo"}
            ctx.deployment.settings = replace(ctx.settings, bucket_environment=state.environment())
            login = {"google_application_credentials": state.key_file()}
            storage = clouds.make_storage(session, cloud, "data", **FILES, **login)
        else:
            storage = clouds.make_storage(session, cloud, {"a.jpg": PHOTO}, **FILES)
        share(cloud, state, ORIGIN)
        storage.google = state
        yield narrowed(ctx, storage)


def share(cloud: Cloud, state: Google, origin: str) -> None:
    if cloud.kind == "gcs":
        state.cors = [{"origin": [origin], "method": ["GET", "HEAD"], "responseHeader": ["Range", "Content-Range"]}]
    else:
        rule = CorsRule([origin], ["GET", "HEAD"], allowed_headers=["*"], exposed_headers=["*"])
        cloud.library.set_service_properties(cors=[rule])


@pytest.mark.parametrize("check", [list_not_get, cors_missing, presign_403], ids=lambda check: check.code)
def test_an_account_that_may_all(ctx: Context, account: SimpleNamespace, check: Check) -> None:
    assert list(check.answers(ctx)) == []


def test_an_account_that_lists_and_does_not_read(
    ctx: Context, session: Session, cloud: Cloud, account: SimpleNamespace
) -> None:
    missing = "storage.objects.get"
    if cloud.kind == "gcs":
        account.google.granted.discard(missing)
    else:
        missing = "permission r of the SAS"
        sas = generate_account_sas(
            cloud.server.account, cloud.server.key, ResourceTypes(container=True, object=True),
            AccountSasPermissions(list=True), expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        account = narrowed(ctx, clouds.make_storage(session, cloud, account.name, account_key=sas, **FILES))
    [finding] = list_not_get.run(ctx)
    assert (finding.subject, finding.severity) == (account.subject, Severity.ERROR)
    assert finding.summary == "1 key is listed, and 1 of 1 tried cannot be read: HEAD and GET are denied"
    assert missing in finding.cause and "browser" in finding.impact


def test_an_account_that_shares_with_others(ctx: Context, cloud: Cloud, account: SimpleNamespace) -> None:
    share(cloud, account.google, "https://other.example.com")
    [finding] = cors_missing.run(ctx)
    assert finding.subject == account.subject and ORIGIN in finding.summary and ORIGIN in finding.cause
    assert ("gcloud storage" if cloud.kind == "gcs" else "az storage cors add") in finding.cause


def test_links_that_do_not_open(ctx: Context, cloud: Cloud, account: SimpleNamespace) -> None:
    """Google: the account may not read. Azure: the object has to be brought back from the archive first."""
    if cloud.kind == "gcs":
        account.google.granted.discard("storage.objects.get")
        code, cause = "403 AccessDenied", "may not read the object"
    else:
        archive(cloud, account.name, "a.jpg")
        code, cause = "409 BlobArchived", "archive"
    [finding] = presign_403.run(ctx)
    assert finding.subject == account.subject and code in finding.summary and cause in finding.cause
    assert "Signature=" not in f"{finding}" and "sig=" not in f"{finding}"


def test_objects_in_an_archive(ctx: Context, cloud: Cloud, make: Make) -> None:
    storage = make({"a.jpg": PHOTO, "b.jpg": PHOTO}, **FILES)
    if cloud.kind == "gcs":  # Google reads its archive at once
        with pytest.raises(NotApplicable):
            list(archived_class.answers(ctx))
        return
    assert list(archived_class.answers(ctx)) == []
    archive(cloud, storage.name, "b.jpg")
    ctx.probes._answers.clear()
    [finding] = archived_class.run(ctx)
    assert finding.subject == storage.subject and [row["key"] for row in finding.evidence] == ["b.jpg"]
    assert finding.summary == "1 of 2 keys lies in an archive class (Archive)"


def archive(cloud: Cloud, name: str, key: str) -> None:
    cloud.library.get_blob_client(name, key).set_standard_blob_tier(StandardBlobTier.ARCHIVE)
