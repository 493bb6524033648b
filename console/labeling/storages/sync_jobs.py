"""Syncs and dry runs as jobs: what their arguments mean, what the audit log is told, and which syncs will never end.

Arguments are plain data, as a job of our queue carries them: `storage` (`s3:4`), for a sync `user_id` where the caller
is known, for a target `only_new`, for a dry run `options` (see `dry_run.Options`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from ...deployment import Deployment
from ...deployment.storages import KINDS
from ...errors import ConsoleError
from ...state import Store, audit, storage_reports
from ...state.models import JobRow
from ..db import Caller, Db
from . import dry_run, status, sync, targets

LOST = "The process that ran this sync ended. Sync again: nothing is lost, and nothing is made twice."


def synced(
    deployment: Deployment, store: Store, job: JobRow, *, progress: sync.Progress, stopped: Callable[[], bool],
    tell: sync.Tell, has_ended: Callable[[str], bool], spread: sync.Spread | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Sync a storage. The audit log is told before and after. Raises as `sync.run` and `targets.run`."""
    reference = str(job.arguments["storage"])
    user_id = job.arguments.get("user_id")
    caller = Caller(int(user_id), job.by, None) if user_id else None
    told = {"actor": job.by, "subject": f"storage:{reference}", "data": {"job": job.id}}
    audit.record(store, action="started a sync", **told)
    watched: dict[str, Any] = {"progress": progress, "stopped": stopped, "job_id": job.id,
                               "is_dead": lambda other: other != job.id and has_ended(other)}  # fmt: skip
    try:
        if reference.partition(":")[0].endswith("-export"):
            outcome = targets.run(deployment, reference, only_new=bool(job.arguments.get("only_new")), **watched)
        else:
            outcome = sync.run(deployment, reference, by=job.by, caller=caller, tell=tell, spread=spread, **watched)
    except ConsoleError as error:
        made = error.tasks if isinstance(error, sync.SyncFailed) else 0
        audit.record(store, action="a sync did not complete", rows=made, reason=str(error), **told)
        raise
    audit.record(store, action="synced a storage", rows=outcome.get("tasks", outcome.get("written", 0)), **told)
    return outcome


def dry_ran(
    deployment: Deployment, store: Store, job: JobRow, *, progress: sync.Progress, stopped: Callable[[], bool]
) -> dict[str, Any]:
    """What a sync would do; kept as the newest dry run of the storage. The result is a few numbers of it."""
    reference = str(job.arguments["storage"])
    options = dry_run.Options.of(job.arguments.get("options") or {})
    document = dry_run.look(deployment, reference, options=options, progress=progress, stopped=stopped)
    storage_reports.save(store, deployment.identity, reference, "dry run", document, by=job.by, job_id=job.id)
    return {"storage": reference, "listed": document["listed"]["objects"], "tasks": document["new"]["tasks"],
            "complete": document["complete"], "stopped": document["stopped"]}  # fmt: skip


def settle(deployment: Deployment, has_ended: Callable[[str], bool]) -> int:
    """Mark syncs as failed whose job was ours and died: Label Studio shows them as running for ever. How many."""
    lost = 0
    for reference, row in _under_way(deployment).items():
        job = row.get("last_sync_job")
        if job and has_ended(str(job)):
            prefix, _, number = reference.rpartition(":")
            state = status.Row(deployment, KINDS[prefix], int(number), dict(row.get("meta") or {}))
            state.set(status=status.FAILED, traceback=LOST)
            lost += 1
    return lost


def _under_way(deployment: Deployment) -> dict[str, Mapping[str, Any]]:
    """Storages that say that a sync of theirs is under way, by reference."""
    found: dict[str, Mapping[str, Any]] = {}
    with deployment.read() as session:
        db = Db(session, deployment.schema, Caller(0, "", None))
        for prefix, kind in KINDS.items():
            if not db.has(kind.table_name, "status"):
                continue
            table = db.table(kind.table_name)
            columns = db.columns(kind.table_name, "last_sync_job", "meta")
            statement = select(table.c[kind.key_column].label("key"), *columns)
            for row in db.rows(statement.where(table.c.status.in_([status.QUEUED, status.IN_PROGRESS]))):
                found[f"{prefix}:{row.key}"] = dict(row._mapping)
    return found
