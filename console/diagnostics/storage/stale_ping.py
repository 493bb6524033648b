"""A sync gives no sign of life, or was given up because it gave none.

While it runs, a sync writes the time into its row (`meta.time_last_ping`), at most every STORAGE_IN_PROGRESS_TIMER
seconds (5). When somebody opens the page of storages and the last sign is five times older, Label Studio marks the row
failed: "the last ping time is too old". Two different things lead there:

- The process is gone (a worker killed, a server restarted). Then nothing comes any more; mark it failed and sync again.
- It is alive and slow: listing a large bucket, reading one large file, or passing over a hundred thousand known keys
  gives no sign. Then the mark is a false alarm, and the sync goes on to its end. Raise STORAGE_IN_PROGRESS_TIMER in the
  environment of web server and worker, for example to 60, and sync again: what is linked is passed over.

From 1.21 on PostgreSQL a row in progress refuses another sync in silence, until somebody opens that page.

Source: `health_check` and `info_update_progress` of `StorageInfo` in Label Studio's io_storages app.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..spans import span
from ..sync_failures import classify, told
from ..sync_state import failed_row, lost_job, meta_of, moment, number, with_status

#: Seconds between two signs of life times this is what Label Studio waits.
PATIENCE = 5


@check(
    title="Every sync that runs gives signs of life",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The sync is shown as running or failed, and its end is never told",
    cause="The process that ran the sync ended, or it was busy too long to say that it is alive.",
)
def stale_ping(ctx: Context, older_than_seconds: float = 120) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: status, last sign of life, its job, what the sync had done by then."""
    patience = timedelta(seconds=max(older_than_seconds, PATIENCE * ctx.settings.storage_ping_seconds))
    for item in with_status(ctx):
        last = _last_sign(item)
        if item.get("status") == "failed" and classify(item.get("traceback")).name == "ping":
            yield _given_up(ctx, item, last)
        elif item.get("status") == "in_progress" and (last is None or ctx.now - last > patience):
            try:
                yield _silent(ctx, item, last, lost_job(ctx, item))
            except Unknown as undecided:
                yield Unknown(f"{item.reference}: it is in progress without a sign of life. {undecided}")


@stale_ping.fix(title="Mark the sync failed")
def mark_failed(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Leave the row as Label Studio leaves a failed sync; then Sync starts afresh. Looked at again while planning."""
    change = failed_row(ctx, finding, "in_progress")
    if change:
        yield change


def _silent(ctx: Context, item: Storage, last: datetime | None, lost: str | None) -> Finding:
    waited = (
        f"In progress without a sign of life for {_ago(ctx, last)}" if last else "In progress, with no time recorded"
    )
    told_of_job = lost or "its job is alive in Redis: it is slow"
    return Finding(
        subject=item.subject, name=item.title, summary=f"{waited}, and {told_of_job}",
        severity=Severity.ERROR if lost else Severity.WARNING,
        cause="" if lost else "The worker still has the job. Label Studio marks it failed as soon as somebody opens "
        "the page of storages. Raise STORAGE_IN_PROGRESS_TIMER.",
        evidence=ctx.evidence(f"{item.kind.table_name}; rq:job of its last_sync_job", [_row(item, last, told_of_job)]),
        fixes=("mark_failed",) if lost else (),
    )  # fmt: skip


def _given_up(ctx: Context, item: Storage, last: datetime | None) -> Finding:
    try:
        alive = lost_job(ctx, item) is None
    except Unknown:
        alive = False
    job = "its job is alive in Redis: a false alarm" if alive else "no job runs it any more"
    return Finding(
        subject=item.subject, name=item.title, fixes=(),
        summary=f"Given up for want of a sign of life{f', the last one {_ago(ctx, last)} ago' if last else ''}; {job}",
        severity=Severity.WARNING if alive else Severity.ERROR,
        cause="The job goes on to its end and will mark the sync completed. Raise STORAGE_IN_PROGRESS_TIMER."
        if alive
        else f"If it happens again, raise STORAGE_IN_PROGRESS_TIMER. Then: lsconsole storage sync {item.reference}",
        evidence=ctx.evidence(f"{item.kind.table_name}.traceback", [_row(item, last, job)]),
    )  # fmt: skip


def _row(item: Storage, last: datetime | None, job: str) -> dict[str, object]:
    known = number(item, "tasks_existed")
    return {
        "status": item.get("status"), "last_sign": last, "job": job, "ran_seconds": number(item, "duration"),
        "tasks_made": item.get("last_sync_count"), "tasks_existed": None if known is None else int(known),
        "told": told(item.get("traceback")) if item.get("status") == "failed" else "",
    }  # fmt: skip


def _last_sign(item: Storage) -> datetime | None:
    times = [
        moment(item, name) for name in ("time_last_ping", "time_in_progress", "time_queued") if name in meta_of(item)
    ]
    return next((time for time in times if time is not None), None)


def _ago(ctx: Context, time: datetime) -> str:
    passed = ctx.now - time
    return span(passed) if passed >= timedelta(minutes=2) else f"{max(passed.total_seconds(), 0):.0f} s"
