"""What the checks of local files ask first: which settings are known, and whether this disk is Label Studio's."""
# ruff: noqa: PTH118

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, String, cast, func, literal, or_, select

from ...deployment.local_addresses import Reader
from ...deployment.local_paths import normalized
from ...deployment.models import Project, Task
from ...deployment.storages import KINDS, Storage, storages
from ...errors import NotApplicable
from ..check import Context
from ..export_files import newest_uploads
from ..scan import Shard, task_shards

KINDS_OF_LOCAL = ("localfiles", "localfiles-export")
#: Files looked for to find out whether this disk is Label Studio's.
PROOFS = 20
UNTOLD = (
    "LOCAL_FILES_DOCUMENT_ROOT and LOCAL_FILES_SERVING_ENABLED are not set here, so what Label Studio has is not known; "
    "start the console with Label Studio's environment."
)


def local_storages(ctx: Context, *, targets: bool = True) -> list[Storage]:
    """Storages of local files in scope, of projects that are not deleted; none is an empty list."""
    prefixes = KINDS_OF_LOCAL if targets else KINDS_OF_LOCAL[:1]
    with ctx.transaction() as session:
        found = list(storages(session, ctx.schema, prefixes=prefixes, project_id=ctx.scope.project_id))
        gone: set[int] = set()
        if ctx.schema.has(Project.deleted_at):
            gone = set(session.scalars(select(Project.id).where(Project.deleted_at.is_not(None))))
    wanted = ctx.scope.storage
    found = [item for item in found if item.get("project_id") not in gone and wanted in (None, item.reference)]
    ctx.probes.seen_storages.update(item.subject for item in found)
    return found


def need_local_files(ctx: Context) -> None:
    """Raise NotApplicable where nothing hints at local files: reading all task data for nothing takes its time."""
    kinds = [KINDS[prefix].table_name for prefix in KINDS_OF_LOCAL if ctx.schema.has_table(KINDS[prefix].table_name)]
    with ctx.transaction() as session:
        there = any(session.scalar(select(literal(1)).select_from(ctx.schema.table(name)).limit(1)) for name in kinds)
    if not there and not is_serving_told(ctx):
        raise NotApplicable("There is no storage of local files, and nothing is set for them here.")


def root_of(ctx: Context) -> str:
    return normalized(str(ctx.settings.local_files_root))


def is_root_told(ctx: Context) -> bool:
    """Whether somebody set the root, so that `/` is a choice."""
    return "local_files_root" in ctx.settings.told or root_of(ctx) != "/"


def is_serving_told(ctx: Context) -> bool:
    """With a root set, an absent switch is off for Label Studio as well."""
    return ctx.settings.local_files_serving or "local_files_serving" in ctx.settings.told or is_root_told(ctx)


def proof(ctx: Context) -> str | None:
    """What shows that this disk is Label Studio's, or None: a root that was set and is here, a file that a storage
    brought, or an uploaded one."""
    root = root_of(ctx)
    if is_root_told(ctx) and root != "/" and os.path.isdir(root):  # noqa: PTH112
        return f"the document root {root} is here"
    for path in _synced(ctx):
        if os.path.isfile(path):  # noqa: PTH113
            return f"{path}, which a sync read, is here"
    media = ctx.settings.base_data_dir / "media"
    for name in newest_uploads(ctx, PROOFS):
        if os.path.isfile(os.path.join(media, name)):  # noqa: PTH113
            return f"the uploaded file {name} is here"
    return None


def reader(ctx: Context, found: Sequence[Storage], *, seen: bool) -> Reader:
    """Reads task data against the root in use; looks files up when this disk is Label Studio's."""
    folders = [str(item.get("path") or "") for item in found]
    return Reader(root_of(ctx), folders, os.path.exists if seen else None, known=is_root_told(ctx))


def naming_files(shard: Shard) -> Select[Any]:
    """Tasks of a shard whose data may name a local file: an address of the view, `file:`, a drive letter, or a path
    that is none of an upload."""
    text = cast(Task.data, String)
    other = func.replace(text, '"/data/upload/', "")
    may = or_(text.like("%/data/local-files%"), text.like('%"file:%'), text.like('%"_:\\\\%', escape="!"),
              text.like('%"_:/%'), other.like('%"/%'))  # fmt: skip
    return (
        select(Task.id, Task.project_id, Task.data)
        .where(shard.tasks(), Task.project_id.is_not(None), may)
        .order_by(Task.id)
    )


def tasks_naming_files(ctx: Context, project_id: int | None = None) -> Iterator[Row[Any]]:
    """Rows (id, project_id, data) of those tasks, of one project or of all in scope, shard by shard, each shard in a
    short transaction of its own."""
    for shard in task_shards(ctx):
        part = shard if project_id is None else Shard(shard.low, shard.high, project_id)
        with ctx.transaction() as session:
            yield from session.execute(naming_files(part).execution_options(yield_per=1000))


def _synced(ctx: Context) -> list[str]:
    link = (
        ctx.schema.table(KINDS["localfiles"].link_name) if ctx.schema.has_table(KINDS["localfiles"].link_name) else None
    )
    if link is None:
        return []
    with ctx.transaction() as session:
        return [str(key) for key in session.scalars(select(link.c.key).order_by(link.c.id.desc()).limit(PROOFS))]
