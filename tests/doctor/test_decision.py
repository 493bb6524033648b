"""The FAQ's decision, answered from the bucket: what the switch on and off would give, and hence what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.deployment import Deployment
from console.doctor.decision import decide
from console.errors import NotApplicable
from tests.doctor.conftest import storage_of
from tests.factories import make_project
from tests.s3_server import FakeBucket, S3Server, Stored

TASK = b'{"text": "a task"}'


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


def verdict(deployment: Deployment, s3: S3Server, **columns: Any) -> dict[str, Any]:
    usual = {"use_blob_urls": False, "project_id": 3, "recursive_scan": True}
    return decide(deployment, storage_of("s3", s3.row("data"), **usual | columns))


def code(found: dict[str, Any]) -> str:
    return str(found["verdict"]["code"])


def test_get_missing(deployment: Deployment, s3: S3Server) -> None:
    bucket: FakeBucket = s3.bucket("data", {f"{n}.json": TASK for n in range(9)})
    bucket.faults["GET"] = "deny"
    for is_on in (False, True):
        found = verdict(deployment, s3, use_blob_urls=is_on)
        assert code(found) == "get_missing"
        assert (found["enabled"]["tasks"], found["disabled"]["tasks"]) == (9, 0)
        assert "9 new files" in found["verdict"]["told"] and "s3:GetObject" in found["verdict"]["told"]


def test_all_is_well_for_json(deployment: Deployment, s3: S3Server) -> None:
    s3.bucket("data", {"a.json": TASK, "b.jsonl": TASK + b"\n" + TASK, "c.json": b"[" + TASK + b"]"})
    found = verdict(deployment, s3)
    assert (code(found), found["json"], found["disabled"]["tasks"], found["more"]) == ("good", 3, 4, False)


def test_the_switch_on_over_json_tasks(deployment: Deployment, s3: S3Server) -> None:
    s3.bucket("data", {"a.json": TASK})
    found = verdict(deployment, s3, use_blob_urls=True)
    assert code(found) == "switch_off" and found["verdict"]["changes"] == {"use_blob_urls": False}


@pytest.mark.parametrize(("is_on", "expected"), [(False, "switch_on"), (True, "good")])
def test_pictures(deployment: Deployment, s3: S3Server, is_on: bool, expected: str) -> None:
    s3.bucket("data", {"a.png": b"\x89PNG", "b.jpg": b"\xff\xd8"})
    found = verdict(deployment, s3, use_blob_urls=is_on)
    assert code(found) == expected and found["enabled"]["tasks"] == 2 and found["disabled"]["tasks"] == 0


def test_pictures_among_json(deployment: Deployment, s3: S3Server) -> None:
    s3.bucket("data", {"a.json": TASK, "b.png": b"png"})
    found = verdict(deployment, s3)
    assert code(found) == "mixed"
    assert code(verdict(deployment, s3, **found["verdict"]["changes"])) == "good"


@pytest.mark.parametrize("body", [b"", b"text", b"<html></html>", b'{"text": ', b"[1, 2]"])
def test_contents_that_are_no_tasks(deployment: Deployment, s3: S3Server, body: bytes) -> None:
    s3.bucket("data", {"a.json": body})
    found = verdict(deployment, s3)
    assert code(found) == "content" and found["verdict"]["told"].endswith(".")


def test_the_filter_keeps_everything_out(deployment: Deployment, s3: S3Server) -> None:
    s3.bucket("data", {"tasks/a.json": TASK})
    assert code(verdict(deployment, s3, regex_filter="a.json")) == "filter"
    found = verdict(deployment, s3, regex_filter="*.json")
    assert code(found) == "filter" and "regular expression" in found["verdict"]["title"]


def test_nothing_there_and_folders_not_entered(deployment: Deployment, s3: S3Server) -> None:
    s3.bucket("data", {"deep/a.json": TASK})
    found = verdict(deployment, s3, recursive_scan=False)
    assert code(found) == "nothing_listed" and found["verdict"]["changes"] == {"recursive_scan": True}
    assert code(verdict(deployment, s3, prefix="elsewhere")) == "nothing_listed"


def test_everything_is_linked(deployment: Deployment, s3: S3Server, session: Session) -> None:
    link = session.info["schema"].table("io_storages_s3importstoragelink")
    row = session.execute(link.select().limit(1)).mappings().one()
    s3.bucket("data", {row["key"]: TASK})
    storage = storage_of(
        "s3", s3.row("data"), use_blob_urls=False, recursive_scan=True, project_id=make_project(session).id
    )
    found = decide(deployment, storage.__class__(storage.kind, row["storage_id"], storage.row))
    assert code(found) == "linked"
    as_files = storage.__class__(storage.kind, row["storage_id"], {**storage.row, "use_blob_urls": True})
    found = decide(deployment, as_files)
    assert code(found) == "linked_json" and found["verdict"]["changes"] == {"use_blob_urls": False}


def test_only_the_first_part_is_looked_at_and_few_are_read(deployment: Deployment, s3: S3Server) -> None:
    s3.bucket("data", {f"{n:06}.json": Stored(TASK) for n in range(12_000)})
    found = verdict(deployment, s3)
    assert found["more"] and found["listed"] < 12_000 and found["disabled"]["read"] == 5
    assert len([seen for seen in s3.log if seen.operation == "GET"]) == 5


def test_targets_and_redis_have_no_switch(deployment: Deployment, s3: S3Server) -> None:
    for kind in ("s3-export", "redis"):
        with pytest.raises(NotApplicable):
            decide(deployment, storage_of(kind, {"bucket": "b"}))
