"""A snapshot is finished, and its file is not there.

The worker writes the file, the web server hands it out: both need the same data directory or the same bucket. When the
worker writes to a disk of its own, the row says `completed` and every download ends in an error; and when its container
is replaced the file is gone. A clean-up job that removes old files leaves the same rows; so only snapshots of the last
weeks are looked at.

Asked is this machine's disk, and only when one of Label Studio's files shows that it is the right one. A row that is
`completed` and names no file is reported wherever the console runs.

What to do: mount the same volume in web server and worker (`kubectl exec WORKER -- ls /label-studio/data/media/export`
must show what the web server shows), or keep files in a bucket; then make a new snapshot.

Source: `save_file` of Label Studio's data_export app, `ExportDownloadAPI`; `MEDIA_ROOT` is `media` in its data directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ...errors import NotApplicable
from .. import Context, Finding, Severity, Unknown, check
from ..export_files import names, need_theirs, problem
from ..waiting_rows import CONVERSION, SNAPSHOT, RowKind, need
from ..waiting_rows import rows as rows_of


@check(
    title="Every finished snapshot has its file",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="The page offers a download that ends in an error",
    cause="Worker and web server do not share a disk, or the file was removed.",
)
def file_missing(ctx: Context, within_days: float = 30) -> Iterator[Finding | Unknown]:
    """One finding per project. Rows: snapshot or conversion, id, file, what is wrong with it, since when."""
    kinds = [kind for kind in (SNAPSHOT, CONVERSION) if ctx.schema.has_table(kind.table)]
    finished = [(kind, row) for kind in kinds for row in _finished(ctx, kind, timedelta(days=within_days))]
    if not finished:
        raise NotApplicable(f"No snapshot was finished in the last {within_days:g} days.")
    broken: dict[int, list[dict[str, Any]]] = {}
    titles: dict[int, str] = {}
    unseen: Unknown | NotApplicable | None = None
    try:
        root = need_theirs(ctx, names([row for _, row in finished]))
        told = [(kind, row, problem(root, str(row["file"] or ""))) for kind, row in finished]
    except (Unknown, NotApplicable) as error:
        unseen = error
        told = [(kind, row, None if row["file"] else "its row names none") for kind, row in finished]
    for kind, row, why in told:
        titles[row["project"]] = row["project_title"] or ""
        if why:
            broken.setdefault(row["project"], []).append(
                {"what": kind.noun, "id": row["id"], "file": row["file"], "wrong": why, "begun": row["created_at"]}
            )
    for project_id, rows in sorted(broken.items()):
        yield _finding(ctx, project_id, titles[project_id], rows)
    if isinstance(unseen, Unknown):
        yield unseen
    elif unseen and not broken:
        raise unseen


def _finished(ctx: Context, kind: RowKind, within: timedelta) -> list[Mapping[str, Any]]:
    table = need(ctx, kind)
    return rows_of(ctx, kind, table.c.status == "completed", table.c.created_at > ctx.now - within)


def _finding(ctx: Context, project_id: int, title: str, rows: list[dict[str, Any]]) -> Finding:
    first = rows[0]
    one = f"The file of {first['what']} {first['id']} {first['wrong']}"
    if not first["file"]:
        one = f"{first['what'].capitalize()} {first['id']} is completed, and {first['wrong']}"
    more = f"; {len(rows) - 1:,} more are like that" if len(rows) > 1 else ""
    return Finding(
        subject=f"project:{project_id}", name=title, summary=one + more,
        evidence=ctx.evidence("data_export_export.file, data_export_convertedformat.file; stat of each file", rows),
    )  # fmt: skip
