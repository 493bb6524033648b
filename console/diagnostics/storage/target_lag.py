"""Annotations of a project have not reached its target storage.

A target is written when somebody saves an annotation, and when it is synced. What comes by import, by bulk action or by
SQL goes past the first, and a write that fails there is noted in a log alone. Then the bucket holds fewer files than
the project has annotations, and nothing on the page says so.

Sync the target: it writes every annotation of the project. Afterwards `storage.target_silent_failures` tells whether
each of them really arrived.

Source: the signals of Label Studio's export storages, `save_all_annotations`, and their links, one per annotation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Select

from ...deployment.models import Annotation, as_utc
from ...deployment.storages import Storage
from .. import Context, Evidence, Finding, Severity, check
from ..exported import counted, links_of, targets, without_link
from ..spans import span


@check(
    title="Every annotation of a project has reached its target storage",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Whoever reads the bucket works with fewer annotations than the project has",
    cause="They were imported or written in bulk, or writing them failed; only a sync of the target makes up for it.",
)
def target_lag(ctx: Context, older_than_minutes: float = 60) -> Iterator[Finding]:
    """One finding per target. Rows: annotations without a link, oldest first."""
    ctx.schema.need(Annotation.project_id)
    for item in targets(ctx):
        if item.get("status") in {"queued", "in_progress"}:
            continue  # what storage.queued_forever and storage.stale_ping look at
        missing = without_link(ctx, item, ctx.now - timedelta(minutes=older_than_minutes))
        number = counted(ctx, missing)
        if number:
            yield _finding(ctx, item, missing.limit(ctx.evidence_limit), number)


def _finding(ctx: Context, item: Storage, missing: Select[Any], number: int) -> Finding:
    with ctx.transaction() as session:
        found = Evidence.from_rows(missing, session.execute(missing))
    there = links_of(ctx, item)
    oldest = as_utc(found.rows[0]["created_at"])
    age = f", the oldest is {span(ctx.now - oldest)} old" if oldest else ""
    never = "; it was never synced" if not there and not item.get("last_sync") else ""
    evidence = Evidence(found.source, found.columns, found.rows, number)
    return Finding(
        subject=item.subject, name=item.title, evidence=evidence,
        summary=f"{number:,} {'annotation is' if number == 1 else 'annotations are'} not in the target, {there:,} are{age}{never}",
        cause=f"Sync it: lsconsole storage sync {item.reference}" if not there else "",
    )  # fmt: skip
