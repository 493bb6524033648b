"""A storage's directory is not one that Label Studio lets anybody use.

The path has to lie below LOCAL_FILES_DOCUMENT_ROOT: the root itself is refused, and so is everything outside of it.
It is the path inside the container, not that of the host. A row like this was saved before the root was
changed, or by SQL; its next sync and every change of it are refused ("must be a subdirectory").

From release 1.23 on paths are stored without a slash at the end and without blanks; a row written otherwise covers no
file there, because the folder of a file is compared with it letter by letter.

The repair writes the nearest path that is below the root and there. It is offered as long as no task was made
of a file under the old path: keys are whole paths, so a sync under another path would make every task again.

Source: `validate_connection` and `normalize_storage_path` in Label Studio's io_storages/localfiles.
"""
# ruff: noqa: PTH118, PTH112

from __future__ import annotations

import os
from collections.abc import Iterator

from sqlalchemy import func, select

from ...deployment.local_paths import is_below, normalized
from ...deployment.storages import Storage
from .. import Change, Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import storage_update
from .disk import UNTOLD, is_root_told, local_storages, reader, root_of


@check(
    title="Every local storage lies below the document root",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The storage cannot be synced or saved, and its files are not served",
    cause="The path was right for another document root, or for the host instead of the container.",
)
def outside_root(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: its path, the root, what is wrong, the nearest path, tasks made under the old."""
    found = local_storages(ctx)
    if not found:
        raise NotApplicable("There is no storage of local files" + (" in scope" if ctx.scope.words else ""))
    undecided = []
    for item in found:
        path, root = str(item.get("path") or ""), root_of(ctx)
        wrong = _wrong(path, root)
        if wrong:
            yield _finding(ctx, item, path, wrong)
        elif not is_root_told(ctx):
            undecided.append(item.reference)
    if undecided:
        yield Unknown(f"{', '.join(undecided[:20])}: {UNTOLD}")


@outside_root.fix(title="Write the nearest path below the root")
def move_below_root(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Replace the path of this storage. Nothing is synced by that."""
    for row in finding.evidence:
        if row["nearest"] and not row["tasks_by_old_path"]:
            yield storage_update(ctx, finding, "path", row["path"], row["nearest"])


def _wrong(path: str, root: str) -> str | None:
    clean = normalized(path)
    if not clean:
        return "names no directory"
    if not clean.startswith("/"):
        return "is no absolute path"
    if clean == root:
        return "is the document root itself"
    if not is_below(clean, root):
        return f"lies outside of {root}"
    return "is written with a slash or blanks that do not belong there" if clean != path else None


def _finding(ctx: Context, item: Storage, path: str, wrong: str) -> Finding:
    root = root_of(ctx)
    nearest = _nearest(ctx, item, path, root)
    tasks = _linked_elsewhere(ctx, item, nearest) if nearest else 0
    row = {"path": path, "document_root": root, "wrong": wrong, "nearest": nearest, "tasks_by_old_path": tasks}
    only_written = nearest is not None and nearest == normalized(path)
    return Finding(
        subject=item.subject, name=item.title, summary=f"The path {path!r} {wrong}",
        severity=Severity.WARNING if only_written else Severity.ERROR,
        cause="Older releases stored the path as it was typed." if only_written else "",
        evidence=ctx.evidence("path of the storage; LOCAL_FILES_DOCUMENT_ROOT", [row]),
        fixes=("move_below_root",) if nearest and not tasks and path == str(item.get("path")) else (),
    )  # fmt: skip


def _nearest(ctx: Context, item: Storage, path: str, root: str) -> str | None:
    """The same path written right, or the longest end of it that is a directory below the root here."""
    clean = normalized(path)
    if clean != root and clean.startswith("/") and is_below(clean, root):
        return clean
    end = reader(ctx, [item], seen=True).nearest(clean) if clean else None
    found = os.path.join(root, end) if end else None
    return found if found and os.path.isdir(found) else None


def _linked_elsewhere(ctx: Context, item: Storage, path: str) -> int:
    """Links of the storage whose key does not lie under a path."""
    if item.kind.is_target or not ctx.schema.has_table(item.kind.link_name):
        return 0
    link = ctx.schema.table(item.kind.link_name)
    under = func.substr(link.c.key, 1, len(path) + 1) == f"{path}/"
    with ctx.transaction() as session:
        statement = select(func.count()).select_from(link).where(link.c.storage_id == item.id, ~under)
        return session.scalar(statement) or 0
