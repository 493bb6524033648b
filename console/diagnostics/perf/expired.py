"""What the checks of expired rows share: counting them, showing the count, planning their removal."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from ...deployment.expired import GRACE, KINDS, Expired, Kind
from ...deployment.expired import state as counted
from .. import Context, Evidence, Finding
from ..clear_expired import ClearExpired

EXPIRED = KINDS


def state(ctx: Context, kind: Kind) -> Expired:
    """Rows that expired over a day ago."""
    return counted(ctx.read, ctx.schema, kind, ctx.now - GRACE)


def evidence(ctx: Context, kind: Kind, found: Expired) -> Evidence:
    """One row of numbers; nothing of what the rows hold."""
    before = (ctx.now - GRACE).replace(microsecond=0)
    row = {"table": kind.table, "expired": found.expired, "others": found.kept, "oldest_expiry": found.oldest,
           "counted_before": before, "size_bytes": found.size_bytes}  # fmt: skip
    table = ctx.schema.table(kind.table)
    asked = select(func.count()).select_from(table).where(table.c[kind.expires] < before)
    return ctx.evidence(asked, [row])


def too_many(ctx: Context, kind: Kind, what: str, most: int) -> Iterator[Finding]:
    """One finding for the table when more than `most` rows of it expired."""
    found = state(ctx, kind)
    if found.expired > most:
        yield Finding(
            subject=f"table:{kind.table}", name=kind.table,
            summary=f"{found.expired:,} {what} expired over a day ago and are still kept, beside {found.kept:,} others",
            evidence=evidence(ctx, kind, found),
        )  # fmt: skip


def removals(finding: Finding, kind: Kind) -> Iterator[ClearExpired]:
    """One change: it goes through the rows chunk by chunk."""
    [row] = finding.evidence
    yield ClearExpired(kind.name, row["counted_before"].isoformat(), row["expired"])
