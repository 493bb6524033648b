"""How a sync reads a storage, by provider and release."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from console.deployment.storage_rules import ScanRules, scan_rules
from console.deployment.storages import KINDS, Storage

NEW_COLUMNS = {
    "io_storages_gcsimportstorage": {"recursive_scan": 1},
    "io_storages_s3importstoragelink": {"row_index": 1},
}


def rules(provider: str, release: str = "1.23.2", columns: dict[str, Any] | None = None, **row: Any) -> ScanRules:
    schema: Any = SimpleNamespace(label_studio_version=release, columns=NEW_COLUMNS if columns is None else columns)
    return scan_rules(Storage(KINDS[provider], 1, row), schema)


def test_an_s3_source_of_today() -> None:
    found = rules("s3", bucket="b", prefix="img", regex_filter=".*", use_blob_urls=True, recursive_scan=False)
    assert (found.prefix, found.recursive, found.pattern, found.as_files) == ("img", False, ".*", True)
    assert found.several and found.by_extension
    assert found.subject("img/a/b.jpg") == "img/a/b.jpg"
    assert found.address("img/a b.jpg") == "s3://b/img/a b.jpg"


def test_local_files_are_filtered_by_name_and_named_from_the_root() -> None:
    found = rules("localfiles", path="/data/set", regex_filter="x", use_blob_urls=True, recursive_scan=True)
    assert found.subject("/data/set/deep/x.jpg") == "x.jpg"
    assert found.address("/data/set/ü x.jpg", local_root="/data", host="https://ls/") == (
        "https://ls/data/local-files/?d=set/%C3%BC%20x.jpg"
    )
    with pytest.raises(ValueError, match="not below"):
        found.address("/etc/passwd", local_root="/data")


def test_redis_has_no_filter_no_files_and_a_prefix_called_none() -> None:
    found = rules("redis", path=None, regex_filter="x", use_blob_urls=True)
    assert (found.prefix, found.pattern, found.as_files, found.recursive) == ("None", None, False, True)
    assert found.address("k") is None


@pytest.mark.parametrize(
    ("prefix", "stored", "newer", "expected"),
    [("", False, False, True), ("img", False, False, False), ("", False, True, False), ("img", None, True, False)],
)
def test_recursion_changed_its_meaning(prefix: str, stored: bool | None, newer: bool, expected: bool) -> None:
    columns = NEW_COLUMNS if newer else {"io_storages_gcsimportstorage": {}}
    assert rules("s3", columns=columns, bucket="b", prefix=prefix, recursive_scan=stored).recursive is expected


def test_a_release_without_the_column_reads_everything() -> None:
    assert rules("gcs", columns={}, bucket="b", prefix="img").recursive
    assert rules("localfiles", columns={}, path="/data/set").recursive


@pytest.mark.parametrize(
    ("key", "release", "opened"),
    [
        ("a.json", "1.23.2", True), ("a.JSONL", "1.23.2", True), ("a.parquet", "1.23.2", True), ("a", "1.23.2", True),
        ("a.jpg", "1.23.2", False), ("a.jpg", "1.18.0", True), ("a.jpg", "9.99.0", False), (".json", "1.23.2", True),
    ],
)  # fmt: skip
def test_what_a_sync_of_tasks_opens(key: str, release: str, opened: bool) -> None:
    assert rules("s3", release=release, bucket="b").opens(key) is opened
