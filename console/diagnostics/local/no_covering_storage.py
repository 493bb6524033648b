"""Tasks show local files of folders that no source storage covers.

Label Studio serves a local file only to people who may see a project with a source storage of local files whose
directory holds it. Without one the answer is 404, not 403, as if the file were gone, while another folder of the
same root works. Tasks that were imported by hand need such a storage too, though it is never synced.

A storage of another project covers the folder for members of that project alone: a warning. Files that lie directly in the
document root cannot be covered at all, for the root is no storage; move them into a folder.

The repair adds a source storage for the folder with `synchronizable` off: it lets the files be served, and nobody makes
every file a second task by clicking Sync. The oldest releases have no such switch; there its name says what it is for.

Source: `localfiles_data` in Label Studio's io_storages/localfiles/views.py.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from ...deployment.local_paths import is_below
from ...deployment.storages import KINDS, Storage, project_titles, storages
from .. import Change, Context, Finding, InsertRow, NotApplicable, Severity, Unknown, check
from ..change import KEY_OF, ExactJson
from ..check import Subject
from .disk import UNTOLD, is_root_told, local_storages, need_local_files, reader, root_of, tasks_naming_files

#: Folders told apart in one project; more are counted with the folder of the root they lie in.
MOST_FOLDERS = 5000
Folders = dict[str, int]


@check(
    title="Every folder of local files is covered by a source storage",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="Label Studio answers 404 for these files, though they are there",
    cause="Local files are served only where a source storage of the project names their folder.",
)
def no_covering_storage(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: the folder to cover, tasks and folders in it, an example, who else covers it."""
    need_local_files(ctx)
    folders = _folders_by_project(ctx)
    if not folders:
        raise NotApplicable("No task names a local file" + (" in scope" if ctx.scope.words else ""))
    if not is_root_told(ctx):
        raise Unknown(UNTOLD)
    with ctx.transaction() as session:
        sources = list(storages(session, ctx.schema, prefixes=["localfiles"]))
        titles = project_titles(session, set(folders))
    for project_id, found in sorted(folders.items()):
        own = [item for item in sources if item.get("project_id") == project_id]
        bare = {folder: number for folder, number in found.items() if not _covering(own, folder)}
        if bare:
            yield _finding(ctx, project_id, titles.get(project_id, ""), bare, sources)


@no_covering_storage.fix(title="Add source storages that are never synced")
def add_storage(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Two rows for each folder: the connection (its path) and the storage, which cannot be synced."""
    kind = KINDS["localfiles"]
    parent = kind.parent_name or ""
    for row in finding.evidence:
        if row["folder"] == root_of(ctx):
            continue
        yield InsertRow(parent, {"path": row["folder"], "regex_filter": None, "use_blob_urls": True}, unless={})
        yield InsertRow(kind.table_name, {
            kind.key_column: {KEY_OF: parent}, "project_id": int(Subject.parse(finding.subject).id),
            "title": f"Serves {posixpath.basename(row['folder'])}"[:256],
            "description": "Lets local files be served; not to be synced.", "created_at": ctx.now,
            "synchronizable": False, "recursive_scan": True, "status": "initialized", "meta": ExactJson("{}"),
            "last_sync": None, "last_sync_count": None, "last_sync_job": None, "traceback": None,
        }, unless={})  # fmt: skip


def _folders_by_project(ctx: Context) -> dict[int, Folders]:
    """Tasks by absolute folder of the files they name, by project."""
    read, root = reader(ctx, local_storages(ctx), seen=False), root_of(ctx)
    found: dict[int, Folders] = {}
    for row in tasks_naming_files(ctx):
        paths = (item.path for item in read.values(row.data) if item.path is not None)
        folders = found.setdefault(row.project_id, {})
        for folder in {posixpath.dirname(posixpath.normpath(posixpath.join(root, path))) for path in paths}:
            known = folder if folder in folders or len(folders) < MOST_FOLDERS else _first_below(folder, root)
            folders[known] = folders.get(known, 0) + 1
    return {project_id: folders for project_id, folders in found.items() if folders}


def _covering(sources: list[Storage], folder: str) -> list[Storage]:
    paths = [(item, str(item.get("path") or "").rstrip("/")) for item in sources]
    return [item for item, path in paths if path and is_below(folder, path)]


def _finding(ctx: Context, project_id: int, title: str, bare: Mapping[str, int], sources: list[Storage]) -> Finding:
    root = root_of(ctx)
    rows: list[dict[str, Any]] = []
    for folder, inside in _grouped(bare, root).items():
        others = sorted({other.reference for one in inside for other in _covering(sources, one)})
        everywhere = all(_covering(sources, one) for one in inside)
        rows.append({
            "folder": folder, "tasks": sum(bare[one] for one in inside), "folders": len(inside), "example": inside[0],
            "covered_for_others_by": ", ".join(others[:10]) or None, "everywhere": everywhere,
        })  # fmt: skip
    tasks = sum(row["tasks"] for row in rows)
    only_others = all(row["everywhere"] for row in rows)
    summary = (
        f"{tasks:,} {'task shows' if tasks == 1 else 'tasks show'} local files that no storage of this project covers"
    )
    return Finding(
        subject=f"project:{project_id}", name=title,
        summary=summary + (", only storages of other projects do" if only_others else ""),
        severity=Severity.WARNING if only_others else Severity.ERROR,
        impact="Only members of those other projects see the files" if only_others else "",
        evidence=ctx.evidence("folders in task data; path of every source storage of local files", rows),
        fixes=("add_storage",) if any(row["folder"] != root for row in rows) else (),
    )  # fmt: skip


def _grouped(bare: Mapping[str, int], root: str) -> dict[str, list[str]]:
    """Uncovered folders under the directory that one new storage would name: the deepest that holds them all, as long
    as that lies below the root; else those of the root's own folders."""
    inside = sorted(folder for folder in bare if folder != root)
    groups: dict[str, list[str]] = {}
    if inside:
        common = posixpath.commonpath(inside)
        for folder in inside:
            name = common if common != root and is_below(common, root) else _first_below(folder, root)
            groups.setdefault(name, []).append(folder)
    if root in bare:
        groups[root] = [root]
    return groups


def _first_below(folder: str, root: str) -> str:
    if not is_below(folder, root) or folder == root:
        return root
    return posixpath.join(root, posixpath.relpath(folder, root).split("/")[0])
