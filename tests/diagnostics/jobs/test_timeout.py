"""jobs.timeout: jobs cut off at their time limit."""

from __future__ import annotations

import redis

from console.diagnostics.check import Context
from console.diagnostics.jobs.timeout import timeout
from tests.diagnostics.jobs.failing import TIMEOUT, fail


def test_other_failures_and_old_ones_are_no_matter(ctx: Context, raw: redis.Redis) -> None:
    fail(raw, "a", "x.work(1)", "Traceback\nValueError: JobTimeoutException was not it")
    fail(raw, "b", "x.work(1)", TIMEOUT, hours_ago=24 * 8)
    assert [finding.summary for finding in timeout.run(ctx) if "x.work" not in finding.summary] == []


def test_cut_off_jobs_are_told_by_function(ctx: Context, raw: redis.Redis) -> None:
    for number in range(3):
        fail(raw, f"i{number}", f"data_import.functions.async_import_background({number}, 1)", TIMEOUT, queue="high")
    fail(raw, "old", "io_storages.base_models.import_sync_background(1, 2)", TIMEOUT, queue="high",
         limit_seconds=36000, in_hash=True)  # fmt: skip
    [finding] = timeout.run(ctx)
    assert finding.subject == "queue:high"
    assert finding.summary == (
        "4 jobs ran into their limit on high in the last 7 days, most often"
        " data_import.functions.async_import_background after 180 s"
    )
    assert [(row["limit_seconds"], row["jobs"]) for row in finding.evidence] == [(180, 3), (36000, 1)]
    assert finding.evidence.rows[0]["missing"] == "the imported tasks do not appear"
