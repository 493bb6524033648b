"""Old snapshots and their files pile up: Label Studio never removes one.

Every snapshot is a file with all tasks and annotations of a project, every conversion another one, often with the media
in it. The export button leaves two files more for each click, which no row knows. On a small disk that ends with
"No space left on device", and then nothing can be exported, imported or uploaded.

Sizes are told when the console runs on Label Studio's disk. Files of a project that was deleted stay too.

What to do: delete old snapshots through Label Studio, which removes their files (from 1.8 on, unless its feature flag
`ff_back_dev_4664_remove_storage_file_on_export_delete_29032023_short` is off):
`curl -X DELETE -H "Authorization: Token TOKEN" https://LABEL-STUDIO/api/projects/PROJECT/exports/ID`. Files that no row
names may be removed from the disk.

Source: `Export`, `ConvertedFormat`, `save_export_files` and `ExportDetailAPI` of Label Studio's data_export app.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from ...deployment.models import Project
from ...errors import NotApplicable, Unknown
from .. import Context, Finding, Severity, check
from ..export_files import need_theirs, sizes
from ..waiting_rows import CONVERSION, SNAPSHOT, need

MB = 2**20


@check(
    title="Old snapshots are removed",
    severity=Severity.INFO,
    impact="The disk grows with every export, and a full disk stops exports, imports and uploads",
)
def old_snapshots(
    ctx: Context, older_than_days: float = 30, min_snapshots: int = 50, min_megabytes: int = 1024
) -> Iterator[Finding]:
    """One finding. Rows: project, old snapshots, the oldest, and megabytes where the disk can be seen."""
    rows = _per_project(ctx, timedelta(days=older_than_days))
    total = sum(row["snapshots"] for row in rows)
    stored, without_row = _disk(ctx)
    for row in rows:
        row["megabytes"] = round(stored.get(row["project"], 0) / MB) if stored else None
    old = sum(row["megabytes"] or 0 for row in rows)
    loose = round(without_row / MB)
    if total < min_snapshots and old < min_megabytes and loose < min_megabytes:
        return
    if loose:
        rows.append(
            {"project": None, "title": "files that no row names", "snapshots": 0, "oldest": None, "megabytes": loose}
        )
    size = f", their projects' files take {old:,} MB" if old else ""
    more = f"; {loose:,} MB are files that no row names" if loose else ""
    yield Finding(
        subject="deployment:1", name="Snapshots",
        summary=f"{total:,} {'snapshot is' if total == 1 else 'snapshots are'} older than {older_than_days:g} days{size}{more}",
        evidence=ctx.evidence("data_export_export by project; sizes below media/export", rows),
    )  # fmt: skip


def _per_project(ctx: Context, age: timedelta) -> list[dict[str, Any]]:
    table = need(ctx, SNAPSHOT)
    statement = (
        select(table.c.project_id.label("project"), Project.title.label("title"), func.count().label("snapshots"),
               func.min(table.c.created_at).label("oldest"))
        .select_from(table.outerjoin(Project, Project.id == table.c.project_id))
        .where(table.c.created_at < ctx.now - age).group_by(table.c.project_id, Project.title)
        .order_by(func.count().desc(), table.c.project_id)
    )  # fmt: skip
    with ctx.transaction() as session:
        return [dict(row) for row in session.execute(statement).mappings()]


def _disk(ctx: Context) -> tuple[dict[int, int], int]:
    """Bytes of files per project, and of those that no row names; nothing where the disk cannot be seen."""
    known: dict[str, int] = {}
    snapshots = need(ctx, SNAPSHOT)
    statements = [select(snapshots.c.file, snapshots.c.project_id)]
    if ctx.schema.has_table(CONVERSION.table):
        converted = ctx.schema.table(CONVERSION.table)
        statements.append(
            select(converted.c.file, snapshots.c.project_id).join(snapshots, snapshots.c.id == converted.c.export_id)
        )
    with ctx.transaction() as session:
        for statement in statements:
            known |= {file: project for file, project in session.execute(statement) if file}
    try:
        root = need_theirs(ctx, list(known))
    except (Unknown, NotApplicable):
        return {}, 0
    stored: dict[int, int] = {}
    loose = 0
    for name, size in sizes(root):
        if name in known:
            stored[known[name]] = stored.get(known[name], 0) + size
        else:
            loose += size
    return stored, loose
