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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import func, select

from ...deployment.models import Annotation, Task
from ...deployment.storages import KINDS, project_titles
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
    if not is_root_told(ctx):
        raise Unknown(UNTOLD)
    read, root = reader(ctx, sources, seen=False), root_of(ctx)
    projects = {int(item.row["project_id"]) for item in sources}
    found: dict[int, _Twice] = {}
    named = (
        (row.id, row.project_id, posixpath.join(root, item.path))
        for row in tasks_naming_files(ctx)
        if row.project_id in projects
        for item in read.values(row.data)
        if item.path is not None
    )
    while part := list(islice(named, BATCH)):
        for row in _made_by_sync(ctx, part):
            _count(found.setdefault(row.pop("project_id"), _Twice()), row, ctx.evidence_limit)
    with ctx.transaction() as session:
        titles = project_titles(session, set(found))
    for project_id, twice in sorted(found.items()):
        yield _finding(project_id, titles.get(project_id, ""), twice)


def _made_by_sync(ctx: Context, named: Sequence[tuple[int, int, str]]) -> list[dict[str, Any]]:
    """Of these (task, project, path): those that are no link's task, with the link's task of the same file."""
    kind = KINDS["localfiles"]
    link, storage = ctx.schema.table(kind.link_name), ctx.schema.table(kind.table_name)
    ids, paths = {task for task, _, _ in named}, {path for _, _, path in named}
    annotations = select(func.count()).where(Annotation.task_id == link.c.task_id).correlate(link).scalar_subquery()
    statement = (
        select(link.c.key, link.c.task_id, storage.c.project_id, annotations.label("annotations"))
        .join(storage, storage.c[kind.key_column] == link.c.storage_id)
        .join(Task, Task.id == link.c.task_id)
        .where(link.c.key.in_(paths)).order_by(link.c.task_id)
    )  # fmt: skip
    with ctx.transaction() as session:
        linked = set(session.scalars(select(link.c.task_id).where(link.c.task_id.in_(ids))))
        made = {(row.project_id, row.key): row for row in session.execute(statement)}
    rows = []
    for task, project, path in named:
        if task not in linked and (twin := made.get((project, path))):
            rows.append({"project_id": project, "file": path, "made_by_sync": twin.task_id,
                         "annotations": twin.annotations, "imported": task})  # fmt: skip
    return rows


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
