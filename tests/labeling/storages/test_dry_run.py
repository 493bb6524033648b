"""A dry run tells what a sync will do, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from console.deployment import Deployment
from console.errors import Invalid
from console.labeling.storages import dry_run, sync
from tests.labeling.storages.conftest import Files


def look(deployment: Deployment, storage: Any, **options: Any) -> dict[str, Any]:
    return dry_run.look(deployment, storage.reference, options=dry_run.Options.of(options))


def test_it_counts_what_is_filtered_linked_new_and_failing(deployment: Deployment, files: Files) -> None:
    storage = files({"a.json": {"text": "one"}}, regex_filter=r".*\.jsonl?$")
    sync.run(deployment, storage.reference)
    for name, content in {
        "b.json": b'[{"text": "two"}, {"text": "three"}]', "c.txt": b"no", "d.jsonl": b'{"text": 1}\n{"text": 2}\n',
        "e.json": b"<html>", "f.json": b"[]", "sub/g.json": b'{"text": 3}',
    }.items():  # fmt: skip
        path = storage.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    seen = look(deployment, storage)
    assert seen["listed"]["objects"] == 7
    assert seen["filtered"]["count"] == 1 and seen["filtered"]["examples"][0].endswith("c.txt")
    assert (seen["linked"]["objects"], seen["linked"]["tasks"]) == (1, 1)
    assert (seen["new"]["objects"], seen["new"]["tasks"], seen["new"]["empty"]) == (5, 5, 1)
    assert [reason["count"] for reason in seen["failing"]["reasons"]] == [1]
    assert seen["stops"]["key"].endswith("e.json") and seen["stops"]["tasks"] == 4 and seen["stops"]["certain"]
    assert seen["complete"] and not seen["stopped"]
    with pytest.raises(sync.SyncFailed, match=r"e\.json"):
        sync.run(deployment, storage.reference)
    assert look(deployment, storage)["linked"] == {
        "objects": 3, "tasks": 5,
        "examples": [str(storage.directory / name) for name in ("a.json", "b.json", "d.jsonl")],
    }  # fmt: skip


def test_settings_can_be_tried_without_being_saved(deployment: Deployment, files: Files) -> None:
    storage = files(
        {"a.JPG": b"x", "sub/b.jpg": b"x"}, regex_filter=r".*\.jpg$", recursive_scan=False, use_blob_urls=True
    )
    seen = look(deployment, storage)
    assert (seen["listed"]["objects"], seen["new"]["tasks"], seen["folders"]["count"]) == (1, 0, 1)
    said = {one["code"]: one for one in seen["suggestions"]}
    assert said["filter"]["changes"] == {"regex_filter": r"(?i).*\.jpg$"} and said["filter"]["gains"] == 1
    assert said["recursive"]["changes"] == {"recursive_scan": True}
    other = look(deployment, storage, regex_filter=r"(?i).*\.jpg$", recursive=True)
    assert other["new"]["tasks"] == 2 and other["changed"] == ["recursive", "pattern"]
    assert look(deployment, storage, regex_filter="", recursive=True)["new"]["tasks"] == 2
    with pytest.raises(Invalid):
        look(deployment, storage, contents="many")


def test_a_wildcard_is_no_filter_and_the_regular_expression_is_offered(deployment: Deployment, files: Files) -> None:
    storage = files({"a.jpg": b"x", "b.jpg": b"x", "c.png": b"x"}, regex_filter="*.jpg", use_blob_urls=True)
    seen = look(deployment, storage)
    assert "nothing to repeat" in seen["pattern_problem"] and seen["stops"]["tasks"] == 0 and not seen["complete"]
    assert seen["suggestions"][0]["changes"] == {"regex_filter": r".*\.jpg$"} and seen["suggestions"][0]["gains"] == 2


def test_a_catastrophic_filter_is_told(deployment: Deployment, files: Files) -> None:
    storage = files({"a" * 60 + ".jpg": b"x"}, regex_filter=r"(?=(a+)+$)b", use_blob_urls=True)
    assert "longer than" in look(deployment, storage)["pattern_problem"]


def test_media_read_as_tasks_are_named(deployment: Deployment, files: Files) -> None:
    seen = look(deployment, files({"a.jpg": b"x", "b.jpg": b"x"}))
    assert seen["stops"]["tasks"] == 0 and seen["failing"]["count"] == 2
    assert [one["changes"] for one in seen["suggestions"]] == [{"use_blob_urls": True}]


def test_json_among_media_gets_a_filter(deployment: Deployment, files: Files) -> None:
    seen = look(deployment, files({"a.jpg": b"x", "b.json": {"text": "x"}}))
    assert [one["changes"] for one in seen["suggestions"]] == [{"regex_filter": r".*\.jsonl?$"}]


def test_only_so_many_contents_are_read(deployment: Deployment, files: Files) -> None:
    storage = files({f"{number}.json": {"text": "x"} for number in range(6)} | {"z.json": b"{"})
    seen = look(deployment, storage, contents=2)
    assert (seen["new"]["objects"], seen["new"]["tasks"], seen["new"]["read"], seen["new"]["not_read"]) == (7, 2, 2, 5)
    assert seen["stops"] is None
    assert look(deployment, storage, contents=0)["stops"]["tasks"] == 6


def test_it_can_be_stopped(deployment: Deployment, files: Files) -> None:
    storage = files({"a.json": {"text": "x"}})
    seen = dry_run.look(deployment, storage.reference, stopped=lambda: True)
    assert seen["stopped"] and not seen["complete"]
