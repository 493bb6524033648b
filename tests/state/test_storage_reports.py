"""The newest report of each storage and kind."""

from __future__ import annotations

from console.service import Console
from console.state import storage_reports


def test_the_newest_is_kept(console: Console) -> None:
    store = console.store
    for number in (1, 2):
        storage_reports.save(store, "here", "s3:1", "matrix", {"n": number}, by="ann")
    storage_reports.save(store, "here", "s3:1", "dry run", {"n": 3}, by="ann", job_id="j")
    storage_reports.save(store, "elsewhere", "s3:1", "matrix", {"n": 4}, by="ann")
    found = storage_reports.latest(store, "here", "s3:1", "matrix")
    assert found is not None and found.document == {"n": 2} and found.by == "ann"
    assert storage_reports.latest(store, "here", "s3:2", "matrix") is None
    assert {name: row.document for name, row in storage_reports.all_latest(store, "here", "dry run").items()} == {
        "s3:1": {"n": 3}
    }
