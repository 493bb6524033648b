"""A source storage was connected and never synced, and its project has nothing from any storage.

Saving a storage brings no tasks. Somebody has to click Sync once, and again whenever files were added; Label Studio
schedules nothing. "I added the bucket and the project is empty" is most often this.

Storages of a project that holds tasks of another storage are left alone: some are connected only so that addresses in
task data can be resolved.

Source: the storage API of Label Studio's io_storages app, where creating and syncing are two requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from ...deployment.models import Task, as_utc
from ...deployment.storages import KINDS, Storage
from .. import Context, Finding, Severity, check
from ..sources import address, in_use
from ..spans import span


@check(
    title="Every source storage was synced, or its project has tasks of another",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="The project stays empty until somebody clicks Sync",
    cause="Saving a source storage does not sync it.",
)
def never_synced(ctx: Context, older_than_minutes: float = 60) -> Iterator[Finding]:
    """One finding per storage. Row: since when it is there, where it points, the tasks of its project."""
    waiting = [
        item for item in in_use(ctx) if _is_new(item) and _age(ctx, item) >= timedelta(minutes=older_than_minutes)
    ]
    if not waiting:
        return
    supplied = _supplied_projects(ctx)
    for item in waiting:
        if item.get("project_id") in supplied:
            continue
        with ctx.transaction() as session:
            tasks = session.scalar(select(func.count(Task.id)).where(Task.project_id == item.get("project_id"))) or 0
        row = {
            "created": as_utc(item.get("created_at")), "place": address(item), "tasks_in_project": tasks,
            "then": f"lsconsole storage sync {item.reference}",
        }  # fmt: skip
        beside = f"; its project has {tasks:,} tasks, none of a storage" if tasks else ", and its project is empty"
        yield Finding(
            subject=item.subject, name=item.title, evidence=ctx.evidence(f"{item.kind.table_name}.last_sync", [row]),
            summary=f"Connected {span(_age(ctx, item))} ago and never synced{beside}",
        )  # fmt: skip


def _is_new(item: Storage) -> bool:
    return item.get("status", "initialized") == "initialized" and item.get("last_sync") is None


def _age(ctx: Context, item: Storage) -> timedelta:
    created = as_utc(item.get("created_at"))
    return ctx.now - created if created else timedelta.max


def _supplied_projects(ctx: Context) -> set[int]:
    """Projects with at least one task that came from a storage."""
    supplied: set[int] = set()
    with ctx.transaction() as session:
        for kind in KINDS.values():
            if kind.is_target or not ctx.schema.has_table(kind.link_name):
                continue
            storage, link = ctx.schema.table(kind.table_name), ctx.schema.table(kind.link_name)
            one: Any = select(link.c.id).where(link.c.storage_id == storage.c[kind.key_column]).limit(1)
            supplied |= set(session.scalars(select(storage.c.project_id).where(one.exists())))
    return supplied
