"""Every answer of the database is a long way off.

Opening a page of Label Studio asks the database dozens to hundreds of times, one after the other. On one machine or in
one zone an answer to nothing takes well under a millisecond; in another region it takes twenty, and each page is
seconds slower although every query is fast. A pooler, a service mesh or a VPN in between costs the same.

Put Label Studio and its database into the same zone; pooled connections, kept open, save the rest. Measured is the
way from this console: run it where Label Studio runs, or compare from a pod of it:

    time (for i in $(seq 100); do echo 'select 1;'; done | psql -qAt >/dev/null)

Reported when the middle one of `asked` answers takes `max_milliseconds` or more, and the quickest more than half of
it: a machine that is merely busy answers quickly at least once.

Source: the number of queries per page in Label Studio; measured here, with `SELECT 1` over one open connection.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from sqlalchemy import text

from .. import Context, Finding, Severity, check
from ..postgresql import need_postgresql

ASK = "select 1"


@check(
    title="The database is near",
    severity=Severity.WARNING,
    impact="Each page asks the database a hundred times in a row: every millisecond is a tenth of a second",
    cause="The database is in another zone or region, or a proxy, a mesh or a VPN stands in between.",
)
def latency(ctx: Context, max_milliseconds: float = 5, asked: int = 21) -> Iterator[Finding]:
    """One finding for the database. Rows: quickest, middle and slowest answer, in milliseconds."""
    need_postgresql(ctx, "SQLite is a file: there is no way to it.")
    connection = ctx.read.connection()
    connection.execute(text(ASK))
    taken = []
    for _ in range(asked):
        began = time.perf_counter()
        connection.execute(text(ASK))
        taken.append((time.perf_counter() - began) * 1000)
    middle, quickest = median(taken), min(taken)
    if middle < max_milliseconds or quickest < max_milliseconds / 2:
        return
    row = {
        "asked": asked,
        "quickest_ms": round(quickest, 2),
        "middle_ms": round(middle, 2),
        "slowest_ms": round(max(taken), 2),
    }
    yield Finding(
        subject="deployment:database", name="Database", evidence=ctx.evidence(f"{ASK}; -- {asked} times", [row]),
        summary=f"An answer of the database takes {middle:,.0f} ms from here: a page that asks 100 times waits "
                f"{middle / 10:,.1f} s",
    )  # fmt: skip
