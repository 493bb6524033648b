"""A sync of a target says completed, and not everything it counted was written.

A target is written by several threads, and what each of them answers is never read. An upload that is refused, or times
out, is dropped without a word; the counter goes up all the same, and the storage ends as `completed`. The links tell the
truth: each upload that worked left one, or a newer time on the one that was there.

So fewer links than counted annotations mean uploads that were lost, or annotations that were deleted since. Links older
than the beginning of the last sync mean files that were not written anew: they hold old answers.

Try whether the credentials may write and encrypt (`storage.target_no_put`), repair that, and sync again.

Source: `save_annotations` in Label Studio's io_storages app, which counts futures without asking for their results.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select

from ...deployment.models import Annotation
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, check
from ..exported import counted, links_of, targets, without_link
from ..sync_state import moment, number


@check(
    title="Every sync of a target wrote what it counted",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Files are missing from the bucket or hold old answers, while the page says completed",
    cause="Uploads failed one by one, and nothing records that.",
)
def target_silent_failures(ctx: Context) -> Iterator[Finding]:
    """One finding per target. Rows: annotations that were there and have no link, then links not written anew."""
    ctx.schema.need(Annotation.project_id)
    for item in targets(ctx):
        begun = moment(item, "time_in_progress")
        if item.get("status") != "completed" or begun is None:
            continue
        told = max(int(item.get("last_sync_count") or 0), int(number(item, "total_annotations") or 0))
        there = links_of(ctx, item)
        lost = without_link(ctx, item, begun) if told > there else None
        # A sync of what is new leaves older links as they are; it counts fewer than there are links.
        can_tell = "updated_at" in ctx.schema.table(item.kind.link_name).c
        old = _stale(ctx, item, begun) if told >= there and can_tell else None
        missing, stale = (counted(ctx, found) if found is not None else 0 for found in (lost, old))
        if told > there or stale:
            yield _finding(
                ctx, item, (told, there, missing, stale), [found for found in (lost, old) if found is not None]
            )


def _finding(ctx: Context, item: Storage, numbers: tuple[int, int, int, int], found: list[Select[Any]]) -> Finding:
    told, there, missing, stale = numbers
    rows: list[dict[str, Any]] = []
    with ctx.transaction() as session:
        for statement in found:
            rows += [dict(row) for row in session.execute(statement.limit(ctx.evidence_limit)).mappings()]
    shown = [
        {"annotation": row["annotation"], "task": row.get("task"), "written": row.get("updated_at"),
         "created": row.get("created_at")} for row in rows
    ] or [{"annotation": None, "counted": told, "links": there}]  # fmt: skip
    parts = []
    if told > there:
        parts.append(f"The last sync counted {told:,} annotations, and {there:,} have a link")
    if missing:
        parts.append(f"{missing:,} that were there have none")
    if stale:
        parts.append(f"{stale:,} {'was' if stale == 1 else 'were'} not written anew")
    summary = "; ".join(parts)
    sure = bool(missing or stale)
    return Finding(
        subject=item.subject, name=item.title, summary=summary[0].upper() + summary[1:],
        severity=Severity.ERROR if sure else Severity.INFO,
        cause="" if sure else "No annotation of that time is without a link today: most likely the rest was deleted since.",
        evidence=ctx.evidence(f"{item.kind.link_name} and the last sync of {item.kind.table_name}", shown),
    )  # fmt: skip


def _stale(ctx: Context, item: Storage, begun: datetime) -> Select[Any]:
    """Links last written before the sync began."""
    link = ctx.schema.table(item.kind.link_name)
    return (
        select(link.c.annotation_id.label("annotation"), link.c.updated_at)
        .where(link.c.storage_id == item.id, link.c.updated_at < begun - timedelta(seconds=1))
        .order_by(link.c.updated_at, link.c.annotation_id)
    )  # fmt: skip
