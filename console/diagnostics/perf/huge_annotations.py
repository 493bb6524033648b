"""Single annotations, drafts or predictions of many megabytes.

Brush masks, key points and the frames of videos are stored in the annotation itself. One result of ten megabytes is read,
parsed and sent whole whenever its task is opened, saved again with every autosave of a draft, written into every export
and every webhook. The page of such a task takes minutes, and a worker that exports many of them runs out of memory.

Label fewer regions per task (cut videos, split images), draw polygons instead of brushes where they do, and delete what
is not needed: old drafts of submitted tasks, predictions of old model versions. The evidence names the tasks.

Lengths are of the result as text, which is what is sent. Where Label Studio built its index over that length (1.22 and
later, PostgreSQL) the longest annotations are read from it. Elsewhere rows are gone through from the newest back, for
at most `within_seconds` per table; a longer search is made with `--deep`. There PostgreSQL tells how large a value is on
disk, compressed, and one that shrinks to less than a twentieth is passed over.

Source: `Annotation.result`, `AnnotationDraft.result` and `Prediction.result` of Label Studio's tasks app; its indexes
`annotation_proj_result_octlen_idx` and `task_proj_octlen_idx`, made to size its own batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import LargeBinary, Text, cast, func, literal_column, select, text

from ...amounts import bytes_text, counted
from ...deployment.models import Annotation, Draft, Prediction, Project, Task
from .. import Context, Finding, Severity, Unknown, check

#: Rows gone through by one statement, and rows kept per table and project.
STEP_IDS = 200_000
MOST_ROWS = 50
#: What JSON may shrink to when PostgreSQL compresses it: a value may be this much larger than it lies on disk.
COMPRESSED = 20
LENGTH_INDEX = "annotation_proj_result_octlen_idx"
KINDS: dict[str, Any] = {"annotation": Annotation, "draft": Draft, "prediction": Prediction}


@check(
    title="No single result is so large that its page stalls",
    severity=Severity.WARNING,
    scopes=["project"],
    impact="The tasks take minutes to open and save, and exports of the project need very much memory",
    cause="Masks, key points and video frames are stored in the result, point by point.",
    budget_seconds=120,
)
def huge_annotations(ctx: Context, larger_than_mb: int = 5, within_seconds: float = 2.0) -> Iterator[Finding | Unknown]:
    """One finding per project. Rows: kind, id, task, bytes of the result as text, largest first."""
    limit = larger_than_mb * 1024 * 1024
    found: dict[int, list[dict[str, Any]]] = {}
    unseen: list[str] = []
    for kind, model in KINDS.items():
        if not ctx.schema.has(model.result):
            continue
        if kind == "annotation" and _has_index(ctx):
            rows = _by_index(ctx, limit)
        else:
            rows = _newest_first(ctx, kind, model, limit, within_seconds * (60 if ctx.deep else 1), unseen)
        for project_id, row in rows:
            found.setdefault(project_id, []).append(row)
    for project_id, of_project in sorted(found.items()):
        of_project.sort(key=lambda row: -row["bytes"])
        yield Finding(
            subject=f"project:{project_id}",
            name=ctx.read.scalar(select(Project.title).where(Project.id == project_id)) or "",
            summary=f"{_kinds(of_project)} over {larger_than_mb} MB, the largest {bytes_text(of_project[0]['bytes'])} "
                    f"in task {of_project[0]['task_id']}",
            evidence=ctx.evidence("length of result as text", of_project),
        )  # fmt: skip
    if unseen:
        yield Unknown(f"Not looked at within the time: {', '.join(unseen)}. A run with --deep takes longer.")


def _kinds(rows: list[dict[str, Any]]) -> str:
    numbers = {kind: sum(row["kind"] == kind for row in rows) for kind in KINDS}
    told = [counted(number, kind) for kind, number in numbers.items() if number]
    return (
        f"{told[0]} {'is' if told[0].startswith('1 ') else 'are'}"
        if len(told) == 1
        else f"{', '.join(told[:-1])} and {told[-1]} are"
    )


def _has_index(ctx: Context) -> bool:
    if ctx.schema.dialect != "postgresql":
        return False
    asked = "select i.indisvalid from pg_index i where i.indexrelid = to_regclass(:name)"
    return bool(ctx.read.scalar(text(asked), {"name": LENGTH_INDEX}))


def _by_index(ctx: Context, limit: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The longest annotations of each project, project by project, from the index alone."""
    length = func.octet_length(cast(Annotation.result, Text))
    longest = (
        select(Annotation.id, length.label("bytes"))
        .where(Annotation.project_id == Project.id, length > limit).order_by(length.desc()).limit(MOST_ROWS)
        .lateral("longest")
    )  # fmt: skip
    asked = (
        select(Project.id.label("project_id"), longest.c.id, longest.c.bytes)
        .select_from(Project)
        .join(longest, literal_column("true"))
    )
    if ctx.scope.project_id is not None:
        asked = asked.where(Project.id == ctx.scope.project_id)
    rows = ctx.read.execute(asked).all()
    of_task = select(Annotation.id, Annotation.task_id).where(Annotation.id.in_([row.id for row in rows]))
    tasks = {row.id: row.task_id for row in ctx.read.execute(of_task)}
    for row in rows:
        yield row.project_id, {"kind": "annotation", "id": row.id, "task_id": tasks.get(row.id), "bytes": row.bytes}


def _newest_first(
    ctx: Context, kind: str, model: Any, limit: int, seconds: float, unseen: list[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Long results among the newest rows, each range of ids in a transaction of its own, as far as the time reaches.

    What is left then is told in `unseen`.
    """
    with ctx.transaction() as session:
        first, last = session.execute(select(func.min(model.id), func.max(model.id))).one()
    until, kept = time.monotonic() + seconds, 0
    while last is not None and last >= first and kept < MOST_ROWS:
        if time.monotonic() > until:
            unseen.append(f"{kind}s up to id {last:,}")
            return
        for project_id, row in _in_range(ctx, kind, model, limit, last):
            kept += 1
            yield project_id, row
        last -= STEP_IDS


def _in_range(ctx: Context, kind: str, model: Any, limit: int, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """PostgreSQL looks at the stored, compressed size first, which spares it from unpacking every value."""
    if ctx.schema.dialect == "postgresql":
        length: Any = func.octet_length(cast(model.result, Text))
        likely = func.pg_column_size(model.result) > limit // COMPRESSED
    else:
        length = func.length(cast(model.result, LargeBinary))
        likely = length > limit
    candidates = (
        select(model.id, model.task_id, length.label("bytes"))
        .where(model.id > last - STEP_IDS, model.id <= last, likely).subquery()
    )  # fmt: skip
    asked = (
        select(Task.project_id, candidates.c.id, candidates.c.task_id, candidates.c.bytes)
        .join(candidates, candidates.c.task_id == Task.id).where(candidates.c.bytes > limit)
        .order_by(candidates.c.bytes.desc()).limit(MOST_ROWS)
    )  # fmt: skip
    if ctx.scope.project_id is not None:
        asked = asked.where(Task.project_id == ctx.scope.project_id)
    with ctx.transaction() as session:
        rows = session.execute(asked).all()
    for row in rows:
        if row.project_id is not None:
            yield row.project_id, {"kind": kind, "id": row.id, "task_id": row.task_id, "bytes": row.bytes}
