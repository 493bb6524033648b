"""Links remember objects as synced, and their tasks are gone.

Every object that became a task has a link, and a sync passes over what is linked. Deleting a task deletes its link. A
deletion that was cut short, a restore of some tables, or a task that was taken out of its project leaves the link
behind: the page says that everything is synced, and the task is not there.

The repair deletes such links; the next sync makes the tasks again.

Source: `ImportStorageLink` in Label Studio's io_storages app; deleting in its Data Manager, which first takes tasks out
of their project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, case, func, or_, select

from ...deployment.models import Task
from ...deployment.storages import KINDS, Storage, StorageKind
from .. import Change, Context, DeleteRow, Evidence, Finding, Severity, check

#: Keys asked for by one statement of the repair.
BATCH = 500


@check(
    title="Every link of a storage has its task",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="These objects count as synced and are in no project",
    cause="Tasks were deleted or taken out of their project, and their links stayed.",
)
def orphan_links(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Rows: link, key, task id, and whether the task is gone or without a project."""
    found = ctx.storages()
    for kind in dict.fromkeys(item.kind for item in found):
        if not ctx.schema.has_table(kind.link_name):
            continue
        of_kind = {item.id: item for item in found if item.kind == kind}
        with ctx.transaction() as session:
            counted = {row.storage_id: row.links for row in session.execute(_counts(ctx, kind, list(of_kind)))}
        for storage_id, links in sorted(counted.items()):
            yield _finding(ctx, of_kind[storage_id], links)


@orphan_links.fix(title="Delete these links")
def forget(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Delete the links whose task is still not there; the next sync makes the tasks again.

    Undo is refused where the database itself asks for the task of a link, and the task is gone.
    """
    kind = KINDS[finding.subject.removeprefix("storage:").rpartition(":")[0]]
    link = ctx.schema.table(kind.link_name)
    ids = [row["link"] for row in finding.evidence]
    for start in range(0, len(ids), BATCH):
        statement = (
            select(*link.c).select_from(link).outerjoin(Task, Task.id == link.c.task_id)
            .where(_is_orphan(), link.c.id.in_(ids[start : start + BATCH])).order_by(link.c.id)
        )  # fmt: skip
        for row in ctx.read.execute(statement).mappings():
            yield DeleteRow(link.name, {"id": row["id"]}, dict(row))


def _finding(ctx: Context, item: Storage, links: int) -> Finding:
    statement = _examples(ctx, item).limit(ctx.evidence_limit)
    with ctx.transaction() as session:
        found = Evidence.from_rows(statement, session.execute(statement))
    evidence = Evidence(found.source, found.columns, found.rows, links)
    return Finding(
        subject=item.subject, name=item.title, evidence=evidence,
        summary=f"{links:,} {'link is' if links == 1 else 'links are'} without a task: the objects count as synced",
    )  # fmt: skip


def _counts(ctx: Context, kind: StorageKind, ids: list[int]) -> Select[Any]:
    link = ctx.schema.table(kind.link_name)
    return (
        select(link.c.storage_id, func.count().label("links")).select_from(link)
        .outerjoin(Task, Task.id == link.c.task_id)
        .where(_is_orphan(), link.c.storage_id.in_(ids)).group_by(link.c.storage_id)
    )  # fmt: skip


def _examples(ctx: Context, item: Storage) -> Select[Any]:
    link = ctx.schema.table(item.kind.link_name)
    why = case((Task.id.is_(None), "the task is gone"), else_="the task is in no project").label("why")
    return (
        select(link.c.id.label("link"), link.c.key, link.c.task_id, why).select_from(link)
        .outerjoin(Task, Task.id == link.c.task_id)
        .where(_is_orphan(), link.c.storage_id == item.id).order_by(link.c.id)
    )  # fmt: skip


def _is_orphan() -> Any:
    return or_(Task.id.is_(None), Task.project_id.is_(None))
