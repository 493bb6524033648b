"""Rows of Label Studio that say they are being worked on: snapshots, conversions, imports, reimports.

All four go `created` → `in_progress` → `completed` or `failed`, and only their job, or the request that makes them,
moves them on.

Source: `Export` and `ConvertedFormat` of Label Studio's data_export app, `ProjectImport` and `ProjectReimport` of its
projects app, and what their `set_…_background_failure` write to a row that failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, func, or_, select
from sqlalchemy.orm import Session

from ..deployment.models import Project
from ..deployment.schema import Schema
from ..errors import NotApplicable, Unknown
from .change import Change, UpdateRow, row_update
from .check import Context, Finding
from .lost_jobs import Answer, Judge
from .project_scope import in_scope
from .spans import span

UNDER_WAY = ("created", "in_progress")
#: Newest finished rows whose times are looked at, and newest waiting rows that are judged.
MEASURED, MOST_ROWS = 200, 2000
QUARTER = 900.0
#: A row without a time is judged twice, so far apart.
SECOND_LOOK_SECONDS = 0.5
#: Characters read of a text that says why a row failed.
MOST_TEXT = 20_000
#: Rows named in a sentence before the rest is counted.
NAMED = 3


@dataclass(frozen=True)
class RowKind:
    """One kind of row. `about` as `job_functions` calls it; `failure` are the columns that hold what went wrong."""

    about: str
    table: str
    noun: str
    nouns: str
    failure: tuple[str, ...] = ()


SNAPSHOT = RowKind("export", "data_export_export", "snapshot", "snapshots")
CONVERSION = RowKind("conversion", "data_export_convertedformat", "conversion", "conversions", ("traceback",))
IMPORT = RowKind("import", "projects_projectimport", "import", "imports", ("traceback", "error"))
REIMPORT = RowKind("reimport", "projects_projectreimport", "reimport", "reimports", ("traceback", "error"))
KINDS = {kind.about: kind for kind in (SNAPSHOT, CONVERSION, IMPORT, REIMPORT)}


@dataclass(frozen=True)
class Judged:
    """A row and whether something will end it; `undecided` says why that cannot be told."""

    row: Mapping[str, Any]
    answer: Answer | None
    undecided: str = ""

    @property
    def lost(self) -> bool:
        return self.answer is not None and not self.answer.alive


def need(ctx: Context, kind: RowKind) -> Table:
    """The table, as the release has it. Raises NotApplicable."""
    if not ctx.schema.has_table(kind.table) or "status" not in ctx.schema.columns[kind.table]:
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} keeps no rows of {kind.nouns}.")
    return ctx.schema.table(kind.table)


def rows(
    ctx: Context, kind: RowKind, *conditions: ColumnElement[bool], limit: int = MOST_ROWS
) -> list[Mapping[str, Any]]:  # fmt: skip
    """Newest rows of projects in scope that are not deleted, with `project` and its `project_title` beside their own.

    Documents that may be large (the tasks of an import) are left out, texts of failures cut.
    """
    table = need(ctx, kind)
    owner, join = _owner(ctx.schema, table, kind)
    columns = [_bounded(ctx, column) for column in table.c if column.name not in {"tasks", "task_ids", "project_id"}]
    statement = select(*columns, owner.label("project"), Project.title.label("project_title")).select_from(join)
    with ctx.transaction() as session:
        found = session.execute(
            in_scope(ctx, statement, owner).where(*conditions).order_by(table.c.id.desc()).limit(limit)
        )
        return [dict(row) for row in found.mappings()]


def _bounded(ctx: Context, column: Column[Any]) -> Any:
    """A traceback tells the reason at its end, a message at its beginning."""
    if column.name == "traceback":
        cut = func.right(column, MOST_TEXT) if ctx.schema.dialect == "postgresql" else func.substr(column, -MOST_TEXT)
    elif column.name == "error":
        cut = func.substr(column, 1, MOST_TEXT)
    else:
        return column
    return cut.label(column.name)


def _owner(schema: Schema, table: Table, kind: RowKind) -> tuple[Any, Any]:
    """The project of a row; a conversion belongs to that of its snapshot, its own column is left empty."""
    if kind is not CONVERSION:
        return table.c.project_id, table.join(Project, Project.id == table.c.project_id)
    snapshot = schema.table(SNAPSHOT.table)
    join = table.join(snapshot, snapshot.c.id == table.c.export_id).join(Project, Project.id == snapshot.c.project_id)
    return snapshot.c.project_id, join


def waiting(ctx: Context, kind: RowKind) -> list[Mapping[str, Any]]:
    """Rows that say they are under way."""
    return rows(ctx, kind, need(ctx, kind).c.status.in_(UNDER_WAY))


def durations(ctx: Context, kind: RowKind) -> list[tuple[float, Mapping[str, Any]]]:
    """Seconds that the newest completed rows took, with the row.

    Label Studio writes `finished_at` of a snapshot as the server's own wall clock: whole quarters of an hour that even
    the fastest shows are the distance of its time zone, and taken off.
    """
    table = need(ctx, kind)
    if "finished_at" not in table.c or "created_at" not in table.c:
        return []
    both = (table.c.status == "completed", table.c.finished_at.is_not(None), table.c.created_at.is_not(None))
    # On SQLite a time may be a text that is none.
    found = [row for row in rows(ctx, kind, *both, limit=MEASURED) if row["finished_at"] and row["created_at"]]
    took = [((row["finished_at"] - row["created_at"]).total_seconds(), row) for row in found]
    zone = min((seconds for seconds, _ in took), default=0.0) // QUARTER * QUARTER
    return [(seconds - zone, row) for seconds, row in took]


def failed(ctx: Context, kind: RowKind, within: timedelta) -> list[Mapping[str, Any]]:
    """Failed rows of that time that no completed one of the same project, and format, has followed."""
    table = need(ctx, kind)
    condition = [table.c.status == "failed"]
    if "created_at" in table.c:
        condition.append(or_(table.c.created_at.is_(None), table.c.created_at > ctx.now - within))
    found = rows(ctx, kind, *condition, limit=MEASURED)
    if not found:
        return []
    lowest = min(row["id"] for row in found)
    done: dict[Any, int] = {}
    for row in rows(ctx, kind, table.c.status == "completed", table.c.id > lowest):
        done.setdefault((row["project"], row.get("export_type")), row["id"])
    return [row for row in found if row["id"] > done.get((row["project"], row.get("export_type")), 0)]


def patience(ctx: Context, kind: RowKind, at_least: timedelta) -> timedelta:
    """How long a row may be under way before the absence of a job means anything: three times the median."""
    took = [seconds for seconds, _ in durations(ctx, kind)]
    return max(at_least, timedelta(seconds=3 * median(took))) if took else at_least


def judged(ctx: Context, kind: RowKind, at_least: timedelta) -> Iterator[Judged]:
    """Every waiting row with its answer. Rows that moved on while the queues were read are left out."""
    found = waiting(ctx, kind)
    judge, enough = Judge(ctx), patience(ctx, kind, at_least) if found else at_least
    answers = [_judge(judge, kind, row, enough) for row in found]
    if any(item.lost and item.row.get("created_at") is None for item in answers):
        time.sleep(SECOND_LOOK_SECONDS)  # such a row may have been made just now, and its job comes right after it
        again = Judge(ctx)
        answers = [_judge(again, kind, item.row, enough) if item.lost else item for item in answers]
    still = {row["id"]: row["status"] for row in waiting(ctx, kind)} if found else {}
    yield from (item for item in answers if still.get(item.row["id"]) == item.row["status"])


def _judge(judge: Judge, kind: RowKind, row: Mapping[str, Any], enough: timedelta) -> Judged:
    try:
        return Judged(row, judge.by_row(kind.about, row["id"], row.get("created_at"), enough))
    except Unknown as undecided:
        return Judged(row, None, str(undecided))


def stuck(ctx: Context, kind: RowKind, at_least: timedelta, more: Any = None) -> Iterator[Finding | Unknown]:
    """A finding per project for rows that nothing will end; one Unknown for those of which it cannot be told.

    `more(rows)` adds columns of evidence, by row id.
    """
    lost: dict[int, list[Judged]] = {}
    unsure: dict[str, list[int]] = {}
    for item in judged(ctx, kind, at_least):
        if item.lost:
            lost.setdefault(item.row["project"], []).append(item)
        elif item.undecided:
            unsure.setdefault(item.undecided, []).append(item.row["id"])
    for project_id, items in sorted(lost.items()):
        yield _finding(ctx, kind, project_id, items, more([item.row for item in items]) if more else {})
    for reason, ids in unsure.items():
        yield Unknown(f"Whether anything still works on {kind.noun} {named(sorted(ids))} cannot be told. {reason}")


def _finding(
    ctx: Context, kind: RowKind, project_id: int, items: Sequence[Judged], more: Mapping[int, Mapping[str, Any]]
) -> Finding:
    evidence = [
        {"id": item.row["id"], "status": item.row["status"], "since": item.row.get("created_at"),
         "job": item.answer.told if item.answer else "", **_about(item.row), **more.get(item.row["id"], {})}
        for item in items
    ]  # fmt: skip
    oldest = min((row["since"] for row in evidence if row["since"]), default=None)
    why = evidence[0]["job"] if len({row["job"] for row in evidence}) == 1 else "nothing works on them any more"
    return Finding(
        subject=f"project:{project_id}", name=items[0].row["project_title"] or "",
        summary=f"{_what(kind, items)}{f' for {span(ctx.now - oldest)}' if oldest else ''}, and {why}",
        evidence=ctx.evidence(f"{kind.table}; the jobs in Redis that name its rows", evidence),
    )  # fmt: skip


def _what(kind: RowKind, items: Sequence[Judged]) -> str:
    """`Snapshot 12 has been in progress`, or `3 snapshots have been under way`."""
    if len(items) > 1:
        return f"{len(items):,} {kind.nouns} have been under way"
    row = items[0].row
    return (
        f"{kind.noun.capitalize()} {row['id']} {'has waited' if row['status'] == 'created' else 'has been in progress'}"
    )


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    """What tells one row from another for a person."""
    return {name: row[name] for name in ("title", "export_id", "export_type", "url", "created_by_id") if row.get(name)}


def failed_rows(ctx: Context, finding: Finding, kind: RowKind, at_least: timedelta) -> Iterator[Change]:
    """The rows of a finding as Label Studio leaves failed ones; those that moved on or may still end are passed over."""
    wanted = {row["id"]: row for row in finding.evidence}
    for item in judged(ctx, kind, at_least):
        if item.lost and item.row["id"] in wanted and item.answer:
            yield failed_row(ctx.read, ctx.schema, kind, item.row["id"], item.answer.told, ctx.now)


def failed_row(session: Session, schema: Schema, kind: RowKind, row_id: int, why: str, now: datetime) -> UpdateRow:
    """One row as Label Studio leaves a failed one, with `why` where it keeps the text of a failure."""
    told = f"LS Console marked this {kind.noun} failed: {why}."
    after: dict[str, Any] = {"status": "failed"}
    if kind is SNAPSHOT:
        after["finished_at"] = now
    after |= dict.fromkeys((name for name in kind.failure if name in schema.columns[kind.table]), told)
    table = schema.table(kind.table)
    before = session.execute(select(*(table.c[name] for name in after)).where(table.c.id == row_id)).mappings().one()
    return row_update(kind.table, row_id, before=dict(before), after=after)


def named(ids: Sequence[int]) -> str:
    """`3, 5, 8 and 12 more`."""
    rest = len(ids) - NAMED
    return ", ".join(str(number) for number in ids[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
