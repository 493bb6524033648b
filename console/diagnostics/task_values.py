"""What stands in the data of tasks: read shard by shard, filtered by the database, looked at value by value.

A million tasks go through the database's own text search; only those that may matter come here, one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, select

from ..deployment.models import Project, Task
from .change import Change, row_update
from .check import Context, Evidence, Finding, Severity
from .scan import Shard, task_shards

#: Rows fetched at a time: data may be large.
FETCHED = 500
#: Addresses inside a longer text, as HTML has them.
URL = re.compile(r"https?://[^\s\"'<>\\]+")
#: Tags that load what their value names; Text and HyperText do where they say so.
_MEDIA_TAGS = "Image|Audio|AudioPlus|Video|Pdf|PDF|TimeSeries|Paragraphs|Table|List|HyperText|Text"
_TAG = re.compile(rf"<({_MEDIA_TAGS})\b([^<>]*)>", re.IGNORECASE)
_VARIABLE = re.compile(r"=\s*[\"']\$([^\"'\s.\[]+)")
#: The name of a value that Label Studio shows whatever the configuration says.
ANY_FIELD = "$undefined$"

Condition = Callable[[ColumnElement[str]], ColumnElement[bool]]


@dataclass(frozen=True)
class TaskData:
    """One task whose data matched; `data` is decoded."""

    id: int
    project_id: int
    data: Any


@dataclass
class PerProject:
    """Rows per project, counted in full and kept up to a limit."""

    limit: int
    rows: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)

    def add(self, project_id: int, row: dict[str, Any]) -> None:
        self.totals[project_id] = self.totals.get(project_id, 0) + 1
        kept = self.rows.setdefault(project_id, [])
        if len(kept) < self.limit:
            kept.append(row)

    def evidence(self, project_id: int, source: str) -> Evidence:
        found = Evidence.from_rows(source, self.rows[project_id], limit=self.limit)
        return Evidence(found.source, found.columns, found.rows, self.totals[project_id])


def matching(ctx: Context, condition: Condition) -> Iterator[TaskData]:
    """Tasks of projects whose data, as text, meets the condition."""
    for shard in task_shards(ctx):
        yield from matching_in(ctx, shard, condition)


def matching_in(ctx: Context, shard: Shard, condition: Condition) -> Iterator[TaskData]:
    """The same within one shard."""
    statement = (
        select(Task.id, Task.project_id, Task.data)
        .where(shard.tasks(), Task.project_id.is_not(None), condition(cast(Task.data, Text))).order_by(Task.id)
    )  # fmt: skip
    with ctx.transaction() as session:
        for row in session.execute(statement.execution_options(yield_per=FETCHED)):
            if not isinstance(row.data, str):  # on SQLite a document may be broken
                yield TaskData(row.id, row.project_id, row.data)


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document with where it stands: `image`, `pages[2].url`."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from texts(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for at, item in enumerate(value):
            yield from texts(item, f"{path}[{at}]")


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The document with every text changed; names of members stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: mapped(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    return value


def field_of(path: str) -> str:
    """The member of the data that a text stands in."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def configs(ctx: Context, project_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Title and labeling configuration of projects."""
    found: dict[int, tuple[str, str]] = {}
    with ctx.transaction() as session:
        statement = select(Project.id, Project.title, Project.label_config).where(Project.id.in_(project_ids))
        for row in session.execute(statement):
            found[row.id] = (row.title or "", row.label_config or "")
    return found


def shown_fields(config: str) -> set[str]:
    """Members of the data that the configuration names at all; empty when it names none."""
    return set(_VARIABLE.findall(config))


def media_fields(config: str) -> set[str]:
    """Members of the data that a browser loads as files."""
    fields = set()
    for tag, attributes in _TAG.findall(config):
        if tag.lower() == "text" and not re.search(r"valueType\s*=\s*[\"']url", attributes, re.IGNORECASE):
            continue
        fields |= set(_VARIABLE.findall(attributes))
    return fields


def findings(
    collected: PerProject, titles: Mapping[int, tuple[str, str]], summary: Callable[[int, list[dict[str, Any]], int], str],
    source: str, *, severity: Callable[[list[dict[str, Any]]], Severity | None] = lambda rows: None,
    fixes: Callable[[list[dict[str, Any]]], tuple[str, ...] | None] = lambda rows: None,
) -> Iterator[Finding]:  # fmt: skip
    """One finding per project; `summary(total, rows, project_id)` says what was seen."""
    for project_id, rows in sorted(collected.rows.items()):
        yield Finding(
            subject=f"project:{project_id}", name=titles.get(project_id, ("", ""))[0],
            summary=summary(collected.totals[project_id], rows, project_id), severity=severity(rows), fixes=fixes(rows),
            evidence=collected.evidence(project_id, source),
        )  # fmt: skip


def rewrites(
    ctx: Context, finding: Finding, change: Callable[[str], str], fields: Set[str] | None = None
) -> Iterator[Change]:
    """A row update for each task of the finding whose data the change alters, as it is now; in these fields alone.

    The evidence is masked and short, so the data is read again; its present value is what a plan expects and undo
    restores.
    """
    ids = [row["task"] for row in finding.evidence]
    for start in range(0, len(ids), FETCHED):
        statement = select(Task.id, Task.data).where(Task.id.in_(ids[start : start + FETCHED])).order_by(Task.id)
        for row in ctx.read.execute(statement).all():
            after = row.data if isinstance(row.data, str) else _changed(row.data, change, fields)
            if after != row.data:
                yield row_update(Task, row.id, before={"data": row.data}, after={"data": after})


def _changed(data: Any, change: Callable[[str], str], fields: Set[str] | None) -> Any:
    if fields is None or not isinstance(data, Mapping):
        return mapped(data, change)
    return {name: mapped(item, change) if name in fields else item for name, item in data.items()}


def tasks(number: int, verb: str) -> str:
    """`1 task holds`, `12 tasks hold`."""
    return f"{number:,} {'task' if number == 1 else 'tasks'} {verb}{'s' if number == 1 else ''}"
