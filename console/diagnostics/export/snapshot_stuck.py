"""A snapshot says in progress, and nothing works on it any more.

The page writes `in_progress` into the row of the snapshot and hands the work to a job on the queue `default`, for at most
three hours. A job that is lost (a worker killed, Redis emptied or restarted without persistence, a queue cleared) leaves
the row behind: Label Studio never looks at it again, and the page shows a snapshot that is on its way for ever. Without
Redis the work is done inside the request, and a web server that recycles its process leaves the same row.

The row holds no job id. Its job carries the row's id as first argument, so all jobs that wait or run are read. While one
is found nothing is wrong with the snapshot: see `jobs.no_worker`, `jobs.queue_starved` and `jobs.backlog`. A snapshot
is given an hour, or three times what snapshots take here if that is longer; without Redis three hours at least.

What to do: mark it failed and make a new one. Nothing is lost but time.

Source: `run_file_exporting`, `export_background` and `set_export_background_failure` of Label Studio's data_export app.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from .. import Change, Context, Finding, Severity, Unknown, check
from ..waiting_rows import SNAPSHOT, failed_rows, stuck


@check(
    title="Every snapshot under way has a job that will end it",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The page says that the export is on its way, and it will never be there",
    cause="The worker or the request that made it ended before it was done.",
)
def snapshot_stuck(ctx: Context, older_than_minutes: float = 60) -> Iterator[Finding | Unknown]:
    """One finding per project. Rows: id, status, since when, what became of its job, title, who asked for it."""
    yield from stuck(ctx, SNAPSHOT, timedelta(minutes=older_than_minutes))


@snapshot_stuck.fix(title="Mark the snapshots failed")
def mark_failed(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Leave the rows as Label Studio leaves failed snapshots; then make a new one. Looked at again while planning."""
    limits = {**snapshot_stuck.thresholds, **ctx.settings.threshold(snapshot_stuck.code)}
    yield from failed_rows(ctx, finding, SNAPSHOT, timedelta(minutes=limits["older_than_minutes"]))
