"""A dry run tells what a sync will do, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from console.deployment import Deployment
from console.deployment.buckets import BucketDenied, BucketError
from console.errors import Invalid
from console.labeling.storages import dry_run, objects, sync
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


def test_a_catastrophic_filter_is_told(deployment: Deployment, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PATTERN_SECONDS", 0.4)
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


def test_a_prefix_that_finds_nothing(deployment: Deployment, s3: Callable[..., Any]) -> None:
    storage = s3({"images/a.jpg": b"x", "other.txt": b"x"}, use_blob_urls=True)
    for prefix, proposed in (("img", None), ("ima", "images"), ("Images", "images"), (f"s3://{storage.bucket_name}/images", "images"),
                             ("/images", "images")):  # fmt: skip
        seen = look(deployment, storage, prefix=prefix)
        assert seen["listed"]["objects"] == 0
        offered = [one["changes"].get("prefix") for one in seen["suggestions"] if one["code"] == "prefix"]
        assert offered == ([proposed] if proposed else [])


def test_get_denied_is_told_apart_from_bad_tasks(deployment: Deployment, s3: Callable[..., Any]) -> None:
    """The decision of the FAQ: as files all come, as tasks none, hence GET is missing."""
    storage = s3({"a.json": {"text": "x"}, "b.json": {"text": "y"}})
    storage.bucket.faults["GET"] = "deny"
    seen = look(deployment, storage)
    assert seen["failing"]["count"] == 2 and len(seen["failing"]["reasons"]) == 1 and seen["stops"]["tasks"] == 0
    [said] = seen["suggestions"]
    assert (
        said["code"] == "get"
        and "2 tasks" in said["message"]
        and "s3:GetObject" in seen["failing"]["reasons"][0]["statement"]
    )
    assert look(deployment, storage, use_blob_urls=True)["new"]["tasks"] == 2
    storage.bucket.faults["LIST"] = "deny"
    with pytest.raises(BucketDenied):
        look(deployment, storage)


def test_odd_keys_are_counted_as_they_are(deployment: Deployment, s3: Callable[..., Any]) -> None:
    keys = ["a\nb.jpg", "'quoted\".jpg", "../up.jpg", "x" * 1_020 + ".jpg", "ž日本.jpg", "<b>.jpg", " blank .jpg"]
    storage = s3(dict.fromkeys(keys, b"x"), use_blob_urls=True)
    seen = look(deployment, storage)
    assert sorted(one["key"] for one in seen["new"]["examples"]) == sorted(keys)
    assert sync.run(deployment, storage.reference)["tasks"] == len(keys)
    assert look(deployment, storage)["linked"]["objects"] == len(keys)


def test_a_bucket_that_never_answers_or_repeats_itself(deployment: Deployment, s3: Callable[..., Any]) -> None:
    storage = s3({f"{number}.jpg": b"x" for number in range(5)}, use_blob_urls=True)
    storage.bucket.faults["LIST"] = "repeat"
    seen = look(deployment, storage)
    assert seen["listed"]["broken_off"] and seen["stops"]["tasks"] == 5 and "does not list" in seen["stops"]["reason"]
    with pytest.raises(sync.SyncFailed, match="does not list"):
        sync.run(deployment, storage.reference)
    storage.bucket.faults["LIST"] = "reset"
    with pytest.raises(BucketError):
        look(deployment, storage)


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.18.0"])
def test_older_releases_stop_elsewhere(deployment: Deployment, files: Files) -> None:
    storage = files({"a.json": {"text": "x"}, "b.json": [{"text": "y"}], "c.json": {"text": "z"}})
    seen = look(deployment, storage)
    assert seen["stops"]["key"].endswith("b.json") and seen["stops"]["tasks"] == 1


def test_a_bucket_that_falls_silent_is_not_asked_for_every_object(deployment: Deployment, s3: Files) -> None:
    storage = s3({f"{number:03d}.json": {"text": "one"} for number in range(300)})
    storage.bucket.faults |= {f"GET {number:03d}.json": "reset" for number in range(300) if number != 5}
    seen = look(deployment, storage)
    assert seen["listed"]["objects"] == 300 and seen["new"]["tasks"] == 1
    assert dry_run.GIVE_UP_AFTER <= seen["failing"]["count"] < 200
    assert seen["failing"]["count"] + seen["new"]["not_read"] == 299
