"""Work on storages that takes long: syncs, dry runs. What `jobs` runs, joined to audit log and webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import webhooks
from .jobs import Cancelled, Progress, has_ended
from .labeling.storages import sync, sync_jobs
from .service import Console
from .state.models import JobRow


def sync_storage(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """Sync a storage. What it made stays, however it ends."""
    try:
        return sync_jobs.synced(
            console.deployment, console.store, job, progress=progress, stopped=progress.cancelled,
            tell=lambda caller, announcements: webhooks.tell(console, caller, announcements),
            has_ended=lambda job_id: has_ended(console.store, job_id),
        )  # fmt: skip
    except sync.Interrupted as error:
        raise Cancelled(str(error)) from None


def look(console: Console, job: JobRow, progress: Progress) -> dict[str, Any]:
    """What a sync of a storage would do; the whole answer is kept as a report of the storage."""
    told = sync_jobs.dry_ran(console.deployment, console.store, job, progress=progress, stopped=progress.cancelled)
    if told["stopped"]:
        raise Cancelled(f"Stopped after {told['listed']:,} objects; what was seen is kept.")
    return told


KINDS: dict[str, Callable[[Console, JobRow, Progress], dict[str, Any]]] = {"sync": sync_storage, "dry run": look}
