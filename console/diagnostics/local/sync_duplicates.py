"""Files that were tasks already became tasks once more by a sync.

Tasks that name local files were imported by hand, and a source storage was added so that the files are served. Then
somebody clicked Sync: a sync makes a task of every file that has no link to this storage, and imported tasks have none. So
every file is a task twice, and people annotate one or the other.

What to do, in this order: switch the storage's `synchronizable` off, for a deleted task is made again by the next sync;
then delete the tasks of the column `made_by_sync` that nobody labeled, in the Data Manager or by
`POST /api/dm/actions?id=delete_tasks&project=…`. It is not offered as a repair here: deleting tasks changes the
project's summary and counters, and rows of many tables, and no plan could bring them all back.

Source: `_scan_and_create_links` in Label Studio's io_storages/base_models.py.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import func, select

from ...deployment.models import Annotation
from ...deployment.storages import KINDS, Storage, project_titles
from .. import Context, Evidence, Finding, NotApplicable, Severity, Unknown, check
from .disk import UNTOLD, is_root_told, local_storages, reader, root_of, tasks_naming_files

BATCH = 500


@dataclass
class _Twice:
    total: int = 0
    labeled: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)


@check(
    title="No local file is a task both by import and by sync",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="Every such file is labeled twice, or labeled in the task that nobody exports",
    cause="Sync was clicked on a storage that was only meant to let the files be served.",
)
def sync_duplicates(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: the file, the task made by the sync, its annotations, the imported task."""
    sources = local_storages(ctx, targets=False)
    if not sources:
        raise NotApplicable("There is no source storage of local files" + (" in scope" if ctx.scope.words else ""))
    read, root = reader(ctx, sources, seen=False), root_of(ctx)
    if not is_root_told(ctx):
        if any(next(read.values(row.data), None) for row in tasks_naming_files(ctx)):
            raise Unknown(UNTOLD)
        return
    found: dict[int, _Twice] = {}
    for project_id, links in _linked_projects(ctx, sources).items():
        made = _made_by_sync(ctx, links)
        named = (
            (row.id, path)
            for row in tasks_naming_files(ctx, project_id)
            for item in read.values(row.data)
            if item.path is not None and hash(path := posixpath.join(root, item.path)) in made
        )
        while part := list(islice(named, BATCH)):
            for row in _twice(ctx, part, made):
                _count(found.setdefault(project_id, _Twice()), row, ctx.evidence_limit)
    with ctx.transaction() as session:
        titles = project_titles(session, set(found))
    for project_id, twice in sorted(found.items()):
        yield _finding(project_id, titles.get(project_id, ""), twice)


def _linked_projects(ctx: Context, sources: Sequence[Storage]) -> dict[int, list[int]]:
    """Storages that were synced, by project."""
    link = ctx.schema.table(KINDS["localfiles"].link_name)
    with ctx.transaction() as session:
        synced = set(session.scalars(select(link.c.storage_id).distinct()))
    projects: dict[int, list[int]] = {}
    for item in sources:
        if item.id in synced:
            projects.setdefault(int(item.row["project_id"]), []).append(item.id)
    return projects


def _made_by_sync(ctx: Context, storage_ids: Sequence[int]) -> dict[int, int]:
    """Tasks of links by the hash of their key: a project's keys themselves would fill the memory. No index knows them."""
    link = ctx.schema.table(KINDS["localfiles"].link_name)
    statement = select(link.c.key, link.c.task_id).where(link.c.storage_id.in_(storage_ids))
    with ctx.transaction() as session:
        return {hash(row.key): row.task_id for row in session.execute(statement.execution_options(yield_per=5000))}


def _twice(ctx: Context, named: Sequence[tuple[int, str]], made: Mapping[int, int]) -> list[dict[str, Any]]:
    """Of these (task, path), those that no sync made, with the task that a sync made of the same file."""
    link = ctx.schema.table(KINDS["localfiles"].link_name)
    twins = {made[hash(path)] for _, path in named}
    annotations = (
        select(Annotation.task_id, func.count().label("number"))
        .where(Annotation.task_id.in_(twins)).group_by(Annotation.task_id)
    )  # fmt: skip
    with ctx.transaction() as session:
        linked = set(session.scalars(select(link.c.task_id).where(link.c.task_id.in_({task for task, _ in named}))))
        labeled = {row.task_id: row.number for row in session.execute(annotations)}
    return [
        {"file": path, "made_by_sync": twin, "annotations": labeled.get(twin, 0), "imported": task}
        for task, path in named
        if task not in linked and (twin := made[hash(path)])
    ]


def _count(found: _Twice, row: dict[str, Any], limit: int) -> None:
    found.total += 1
    found.labeled += bool(row["annotations"])
    if len(found.rows) < limit:
        found.rows.append(row)


def _finding(project_id: int, title: str, twice: _Twice) -> Finding:
    kept = Evidence.from_rows("io_storages_localfilesimportstoragelink.key; local files in task data", twice.rows)
    labeled = f"; {twice.labeled:,} of the synced ones are labeled: look at those by hand" if twice.labeled else ""
    return Finding(
        subject=f"project:{project_id}", name=title,
        summary=f"{twice.total:,} {'file is' if twice.total == 1 else 'files are'} a task twice, once by import and once "
        f"by a sync{labeled}",
        evidence=Evidence(kept.source, kept.columns, kept.rows, twice.total), fixes=(),
    )  # fmt: skip
