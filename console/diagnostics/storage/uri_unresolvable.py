"""Task data points into buckets that no storage of the project resolves.

An address such as `s3://bucket/photo.jpg` is replaced by a link when a task is shown, if a source storage of the same
project has exactly this scheme (`s3`, `gs`, `azure-blob`) and this bucket or container. Otherwise the browser gets the
address itself: "unknown URL scheme", an empty frame. It happens when the storage was removed, when tasks were moved to
another project, when the bucket is written with other letter case, or the scheme is misspelt (`gcs://`, `azure://`).

Where a storage of the project fits and only the spelling is wrong, the repair corrects the addresses. Where none fits,
connect the bucket to this project as a source; it need not be synced to resolve addresses.

Addresses in fields that the labeling configuration does not show are a note.

Source: `can_resolve_url` and `resolve_uri` of Label Studio's storages.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, or_, select

from ...deployment.models import Task
from .. import Change, Context, Finding, Severity, check
from ..resolving import AT, IN_TEXT, configured, meant
from ..scan import Shard, task_shards
from ..task_values import (
    ANY_FIELD,
    Condition,
    PerProject,
    configs,
    field_of,
    findings,
    matching_in,
    rewrites,
    shown_fields,
    tasks,
    texts,
)

#: Buckets named in one summary.
NAMED = 3
LONGEST_SHOWN = 200
_TEXT = re.compile(IN_TEXT, re.IGNORECASE)


@check(
    title="Every address of a bucket in task data is resolved by a storage",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The page shows the address, or nothing, instead of the file",
    cause="No source storage of this project has this scheme and this bucket, letter by letter.",
)
def uri_unresolvable(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: task, field, address, scheme and bucket, the ones that are meant."""
    known = configured(ctx)
    collected = PerProject(ctx.evidence_limit)
    titles: dict[int, tuple[str, str]] = {}
    for shard in task_shards(ctx):
        unknown = {pair for pair in _pairs(ctx, shard, known) if pair[1:] not in known.get(pair[0], set())}
        if not unknown:
            continue
        titles |= configs(ctx, sorted({project_id for project_id, *_ in unknown} - set(titles)))
        projects = sorted({project_id for project_id, *_ in unknown})
        condition = _mentions(projects, sorted({f"{scheme}://{bucket}" for _, scheme, bucket in unknown}))
        for task in matching_in(ctx, shard, condition):
            row = _row(task.id, task.data, known.get(task.project_id, set()), titles.get(task.project_id, ("", ""))[1])
            if row:
                collected.add(task.project_id, row)
    yield from findings(
        collected, titles, _summary, "task.data: addresses of buckets, and the source storages of the project",
        severity=lambda rows: Severity.ERROR if any(row["shown"] for row in rows) else Severity.INFO,
        fixes=lambda rows: ("correct_address",) if any(row["meant"] for row in rows) else (),
    )  # fmt: skip


@uri_unresolvable.fix(title="Write the address as the storage has it", sharded=True)
def correct_address(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Correct scheme and bucket where a storage of the project fits; one row update per task."""
    known = configured(ctx).get(int(finding.subject.removeprefix("project:")), set())

    def corrected(text: str) -> str:
        return AT.sub(lambda found: _corrected(found, known), text)

    yield from rewrites(ctx, finding, corrected)


def _corrected(found: re.Match[str], known: set[tuple[str, str]]) -> str:
    pair = (found["scheme"], found["bucket"])
    right = None if pair in known else meant(*pair, known)
    return f"{found['before']}{right[0]}://{right[1]}" if right else found[0]


def _row(task_id: int, data: Any, known: set[tuple[str, str]], config: str) -> dict[str, Any] | None:
    """The first address that is not resolved, one in a field that is shown before others."""
    shown = shown_fields(config) | {ANY_FIELD}
    best: dict[str, Any] | None = None
    for path, text in texts(data):
        for found in AT.finditer(text):
            pair = (found["scheme"], found["bucket"])
            if pair in known:
                continue
            right = meant(*pair, known)
            is_shown = len(shown) == 1 or field_of(path) in shown
            start = found.start("scheme")
            row = {
                "task": task_id, "field": path, "address": text[start : start + LONGEST_SHOWN], "scheme": pair[0],
                "bucket": pair[1], "meant": f"{right[0]}://{right[1]}" if right else None, "shown": is_shown,
            }  # fmt: skip
            if is_shown:
                return row
            best = best or row
    return best


def _summary(total: int, rows: list[dict[str, Any]], project_id: int) -> str:
    counted = Counter(f"{row['scheme']}://{row['bucket']}" for row in rows)
    named = ", ".join(name for name, _ in counted.most_common(NAMED))
    more = f" and {len(counted) - NAMED} more" if len(counted) > NAMED else ""
    return f"{tasks(total, 'point')} to {named}{more}, which no source storage of the project resolves"


def _mentions(projects: list[int], needles: list[str]) -> Condition:
    def condition(text: ColumnElement[str]) -> ColumnElement[bool]:
        named = or_(*(text.contains(needle, autoescape=True) for needle in needles))
        return and_(Task.project_id.in_(projects), named)

    return condition


def _pairs(ctx: Context, shard: Shard, known: dict[int, set[tuple[str, str]]]) -> set[tuple[int, str, str]]:
    """(project, scheme, bucket) of addresses in the data of a shard's tasks that may not be resolved, as they are spelt.

    A regular expression takes PostgreSQL ten times longer than replacing: what is resolved is taken out first, and
    what is left to look at is little.
    """
    text = cast(Task.data, Text)
    rest = _without(text, known)
    where = (shard.tasks(), Task.project_id.is_not(None), text.contains("://"), rest.contains("://"))
    found: set[tuple[int, str, str]] = set()
    with ctx.transaction() as session:
        if ctx.schema.dialect == "postgresql":
            match = func.regexp_matches(rest, IN_TEXT, "gi").label("match")
            inner = select(Task.project_id, match).where(*where).subquery()
            statement = select(inner.c.project_id, inner.c.match).distinct()
            for row in session.execute(statement):
                found.add((row.project_id, *row.match))
        else:
            for row in session.execute(select(Task.project_id, rest.label("data")).where(*where)):
                found |= {(row.project_id, *pair) for pair in _TEXT.findall(row.data)}
    return found


def _without(text: ColumnElement[str], known: dict[int, set[tuple[str, str]]]) -> ColumnElement[str]:
    """The data without addresses on the web and those that the project's own storages resolve."""
    plain: ColumnElement[str] = func.replace(func.replace(text, "https://", ""), "http://", "")
    whens = []
    for project_id, pairs in sorted(known.items()):
        stripped = plain
        for scheme, bucket in sorted(pairs):
            stripped = func.replace(stripped, f"{scheme}://{bucket}/", "")
        whens.append((Task.project_id == project_id, stripped))
    return case(*whens, else_=plain) if whens else plain
