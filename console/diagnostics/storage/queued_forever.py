"""A storage waits in `queued` for a job that nobody will run.

A sync writes `queued` first and hands the work to a job. A job that is lost in between (a worker killed, Redis emptied,
a server restarted without Redis) leaves the row behind. From 1.21 on PostgreSQL the next click on Sync is refused while
the row says `queued`, with an answer that looks like success: this is "I click Sync and nothing happens".

Label Studio heals such a row only where Redis is attached, and only when somebody opens the page that lists the
storages. While the job really waits in Redis nothing is wrong with the storage: see `jobs.backlog` and
`jobs.queue_starved`.

Source: `StorageInfo` in Label Studio's io_storages app: `meta.time_queued`, `last_sync_job`, and what it writes to a
row whose sync failed.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ...deployment.releases import is_since
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..spans import span
from ..sync_state import failed_row, lost_job, moment, with_status

#: The release that began to refuse a sync while another waits, on PostgreSQL.
REFUSES_SINCE = "1.21.0"


@check(
    title="No storage waits for a job that is gone",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Nothing is synced, and another click on Sync does nothing",
    cause="The process that was to start the sync ended before it did.",
)
def queued_forever(ctx: Context, older_than_minutes: float = 15) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: since when it waits, its job, and what Redis says of it."""
    for item in with_status(ctx):
        since = moment(item, "time_queued")
        if item.get("status") != "queued" or (since and ctx.now - since < timedelta(minutes=older_than_minutes)):
            continue
        try:
            job = lost_job(ctx, item)
        except Unknown as undecided:
            yield Unknown(f"{item.reference}: it is queued, and whether its job waits cannot be told. {undecided}")
            continue
        if job:
            yield _finding(ctx, item, since, job)


def _finding(ctx: Context, item: Storage, since: datetime | None, job: str) -> Finding:
    row = {"status": item.get("status"), "time_queued": since, "last_sync_job": item.get("last_sync_job"), "job": job}
    unattached = ctx.deployment.redis is None and item.get("last_sync_job")
    cause = (
        "It was handed to a Redis. If Label Studio still has one, attach it and check again first."
        if unattached
        else ""
    )
    refused = ctx.schema.dialect == "postgresql" and is_since(ctx.schema.label_studio_version, REFUSES_SINCE)
    waited = f"Queued for {span(ctx.now - since)}" if since else "Queued, with no time recorded"
    return Finding(
        subject=item.subject, name=item.title, summary=f"{waited}, and {job}", cause=cause,
        impact="" if refused else "The page says that a sync is on its way, and nothing comes of it",
        evidence=ctx.evidence(f"{item.kind.table_name}; rq:job of its last_sync_job", [row]),
    )  # fmt: skip


@queued_forever.fix(title="Mark the sync failed")
def mark_failed(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Leave the row as Label Studio leaves a failed sync; then Sync starts afresh. Looked at again while planning."""
    change = failed_row(ctx, finding, "queued")
    if change:
        yield change
