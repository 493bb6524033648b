"""A source reads the place that a target writes to, or several projects share one place.

A target writes each annotation as an object. Where a source storage looks into the same folder, the next sync takes
these objects: exported annotations come back as new tasks, are labeled, are exported again. The number of tasks grows
with every round.

Whether it happens is worked out with the source's own rules: prefix, recursion and filter against the names that
targets write (the number of the annotation without extension; `TASK.json` with FUTURE_SAVE_TASK_TO_STORAGE). Where only
the filter or the recursion keeps them apart it is a warning. Two projects that read one folder are a note: it may be
meant, and each change there concerns both.

Give the target a folder of its own that no source looks into. Tasks that came back show `result` and `completed_by` in
their data: look whether anybody labeled them, and delete them.

Source: `get_key` of Label Studio's export links, `iter_objects` of its sources; letter case counts in every store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import String, cast, func, select

from ...deployment.keys import JSON_FILTER
from ...deployment.models import Task
from ...deployment.storage_rules import scan_rules
from ...deployment.storages import Storage, project_titles
from ...patterns import PatternInvalid, PatternTimeout, match_all
from .. import Change, Context, Finding, Severity, check
from ..places import Place, everywhere, order, place_of
from ..sources import in_use, repairable, storage_update


@check(
    title="No source reads what a target writes",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Exported annotations come back as new tasks at the next sync",
    cause="Source and target share a folder. Give the target one of its own, or narrow the filter of the source.",
)
def shared_location(ctx: Context) -> Iterator[Finding]:
    """One finding per source. Rows: the other storage, its project, its place, what comes of it."""
    sources = in_use(ctx)
    others = [(other, place) for other in everywhere(ctx) if (place := place_of(ctx, other))]
    with ctx.transaction() as session:
        titles = project_titles(session, {other.row["project_id"] for other, _ in others})
    for item in sources:
        place = place_of(ctx, item)
        rows = [
            _row(ctx, item, place, other, its, titles)
            for other, its in others
            if place and _meet(item, place, other, its)
        ]
        if place and rows:
            yield _finding(ctx, item, place, rows)


@shared_location.fix(title="Let the filter take JSON files alone")
def narrow_filter(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Set a filter that passes over what the target writes. Tasks that came back already stay."""
    for row in finding.evidence.rows[:1]:
        yield storage_update(ctx, finding, "regex_filter", row["filter"], JSON_FILTER)


def _meet(item: Storage, place: Place, other: Storage, its: Place) -> bool:
    if other.kind.is_target:
        return place.holds(its) or its.holds(place)
    # Two sources of one project are what storage.duplicate_sources looks at; each pair is told once.
    apart = other.get("project_id") != item.get("project_id") and order(other) < order(item)
    return apart and (place.holds(its) or its.holds(place))


def _row(
    ctx: Context, item: Storage, place: Place, other: Storage, its: Place, titles: dict[int, str]
) -> dict[str, Any]:
    comes_of = "both projects read it"
    if other.kind.is_target:
        comes_of = "lies above what the source reads"
        if place.holds(its):
            comes_of = (
                "comes back as tasks" if _takes(ctx, item, place, its) else "kept out by filter or recursion alone"
            )
    return {
        "other": other.reference, "title": other.title, "project": titles.get(other.row["project_id"], ""),
        "place": str(its), "comes_of": comes_of, "example": its.folder + _name(ctx) if other.kind.is_target else None,
        "filter": item.get("regex_filter"),
    }  # fmt: skip


def _finding(ctx: Context, item: Storage, place: Place, rows: list[dict[str, Any]]) -> Finding:
    ways = ("comes back as tasks", "kept out by filter or recursion alone", "lies above what the source reads")
    rows.sort(key=lambda row: ways.index(row["comes_of"]) if row["comes_of"] in ways else len(ways))
    worst = rows[0]
    named = f"{worst['other']} of project “{worst['project']}”"
    severity, impact, cause = Severity.INFO, "", ""
    if worst["comes_of"] == ways[0]:
        severity, summary = Severity.ERROR, f"It reads {place}, where the target {named} writes its annotations"
    elif worst["comes_of"] == ways[1]:
        severity, impact = (
            Severity.WARNING,
            "Another filter, or another form of export, and annotations come back as tasks",
        )
        summary = f"The target {named} writes into what it reads; filter or recursion alone keep them apart"
    elif worst["comes_of"] == ways[2]:
        impact, summary = (
            "Nothing comes back today; one folder deeper and it would",
            f"The target {named} writes above {place}",
        )
    else:
        summary, impact = f"{named} reads the same place, {worst['place']}", "What changes there concerns both projects"
        cause = "Both projects have a source storage on it. That may be meant."
    echoes = _echoes(ctx, item) if severity is Severity.ERROR else 0
    if echoes:
        summary += f"; {echoes:,} of its tasks look like exported annotations"
    return Finding(
        subject=item.subject, name=item.title, summary=summary, severity=severity, impact=impact, cause=cause,
        evidence=ctx.evidence(f"all storages on {place}", rows),
        fixes=("narrow_filter",) if severity is Severity.ERROR and _can_narrow(ctx, item, rows) else (),
    )  # fmt: skip


def _takes(ctx: Context, item: Storage, place: Place, its: Place) -> bool:
    """Whether a sync of the source would take what the target writes. A filter that cannot be tried counts as yes."""
    rules = scan_rules(item, ctx.schema)
    key = its.folder + _name(ctx)
    if not rules.recursive and "/" in key[len(place.folder) :]:
        return False
    return _matches(rules.pattern, [rules.subject(key)])


def _can_narrow(ctx: Context, item: Storage, rows: Sequence[dict[str, Any]]) -> bool:
    rules = scan_rules(item, ctx.schema)
    if rules.as_files or rules.provider == "redis" or not repairable(item):
        return False
    coming = [rules.subject(row["example"]) for row in rows if row["comes_of"] == "comes back as tasks"]
    return not _matches(JSON_FILTER, coming)


def _matches(pattern: str | None, subjects: Sequence[str]) -> bool:
    try:
        return not pattern or any(match_all(pattern, subjects))
    except PatternInvalid:
        return False
    except PatternTimeout:
        return True


def _name(ctx: Context) -> str:
    """A name as targets write it."""
    if not ctx.settings.targets_hold_tasks:
        return "1207"
    return "1207.json" if ctx.settings.target_tasks_end_in_json else "1207"


def _echoes(ctx: Context, item: Storage) -> int:
    """Tasks of this source whose data is an annotation."""
    link = ctx.schema.table(item.kind.link_name)
    data = cast(Task.data, String)
    statement = (
        select(func.count()).select_from(link).join(Task, Task.id == link.c.task_id)
        .where(link.c.storage_id == item.id, data.like('%"result"%'), data.like('%"completed_by"%'))
    )  # fmt: skip
    with ctx.transaction() as session:
        return session.scalar(statement) or 0
