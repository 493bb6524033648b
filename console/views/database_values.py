"""Readings of the database as the templates want them: the strip of numbers, tables, indexes, sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import url_for

from .. import database_look, maintenance_plans
from ..amounts import bytes_text
from ..database_look import Growth
from ..deployment import Deployment
from ..deployment.postgres import tables as readings
from ..deployment.postgres.freed import Bloat
from ..deployment.postgres.grants import Grants
from ..deployment.postgres.indexes import IndexStats
from ..deployment.postgres.overview import Overview
from ..deployment.postgres.server import Server
from ..deployment.postgres.sessions import Sessions
from ..deployment.postgres.tables import TableStats
from ..state.models import TableSample
from . import present
from .texts import seconds

#: Share of dead rows from which the bar turns to a warning, and to an error; below so many rows a share says nothing.
DEAD_WARNING, DEAD_ERROR, DEAD_ROWS = 10, 20, 1000
#: Seconds from which a transaction holds things up.
LONG_SECONDS, IDLE_SECONDS = 3600, 300
#: Share of the connections, and of the transaction numbers, from which the fact carries a warning.
NEARLY_FULL, OLD_PERCENT = 80, 40
#: Days of room left below which the fact carries a warning.
FEW_DAYS = 30
SPARK_DAYS = 20


def facts(deployment: Deployment, overview: Overview, samples: Sequence[TableSample]) -> list[dict[str, Any]]:
    """The numbers under the title; what could not be read says so."""
    size = overview.server.database_bytes if overview.server else None
    grown = database_look.growth(samples, size)
    found = [_size(overview, size, grown, samples), _room(deployment, overview, grown)]
    found += connection_facts(overview.sessions, samples) if overview.sessions else []
    return found + (_server(overview.server) if overview.server else [])


def _figure(label: str, number: int | None, **rest: Any) -> dict[str, Any]:
    figure, _, unit = bytes_text(number).partition(" ")
    return present.fact(label, figure, unit=unit or None, **rest)


def _size(overview: Overview, size: int | None, grown: Growth | None, samples: Sequence[TableSample]) -> dict[str, Any]:
    note = f"{overview.tables.total:,} tables" if overview.tables else None
    if grown:
        sign = "+" if grown.added_bytes >= 0 else "−"
        note = f"{sign}{bytes_text(abs(grown.added_bytes))} in {max(1, round(grown.days))} days"
    told = [float(sample.total_bytes) for sample in samples if sample.total_bytes is not None]
    return _figure("Size", size, note=note, **_spark(told, "Size", SPARK_DAYS))


def _spark(values: Sequence[float], what: str, days: float) -> dict[str, Any]:
    thinned = values[:: max(1, len(values) // 40)]
    return {"spark": present.spark(thinned, 48, 16), "spark_label": f"{what} over {days:g} days"} if thinned else {}


def _room(deployment: Deployment, overview: Overview, grown: Growth | None) -> dict[str, Any]:
    free, how = database_look.free_bytes(deployment, overview)
    if free is None:
        return present.fact("Disk left", "not told", note=how.partition("; needs:")[0] or None)
    note = "where the database lies" if overview.disk and overview.disk.free_bytes is not None else how
    days = free / grown.per_day if grown and grown.per_day > 0 else None
    if days is not None:
        note = f"{days / 30:,.0f} months at this rate" if days >= 60 else f"{days:,.0f} days at this rate"
    soon = days is not None and days < FEW_DAYS
    return _figure("Disk left", free, note=note, glyph="warning" if soon else None)


def connection_facts(seen: Sessions, samples: Sequence[TableSample]) -> list[dict[str, Any]]:
    taken = seen.connections
    limit = min(number for number in (taken.usable, taken.role_limit, taken.database_limit) if number)
    day = [sample.connections for sample in samples
           if sample.connections is not None and sample.at >= datetime.now(UTC) - timedelta(days=1)]  # fmt: skip
    found = [
        present.fact(
            "Connections", taken.used, unit=f"of {limit:,}", glyph="warning" if taken.used_percent >= NEARLY_FULL else None,
            note=f"{max(day):,} at most in 24 h" if day else f"{taken.of_this_database:,} to this database",
            **_spark([float(number) for number in day], "Connections", 1),
        )
    ]  # fmt: skip
    if seen.grant:
        return [*found, present.fact("Oldest transaction", "not told", note="others' sessions are hidden")]
    clients = [row for row in seen.rows if not row.own and row.kind == "client backend" and row.transaction_seconds]
    oldest = max(clients, key=lambda row: row.transaction_seconds or 0, default=None)
    if oldest is None:
        found.append(present.fact("Oldest transaction", "none", note="nobody is in a transaction"))
    else:
        figure, _, unit = seconds(oldest.transaction_seconds).partition(" ")
        late = (oldest.transaction_seconds or 0) > LONG_SECONDS
        found.append(present.fact("Oldest transaction", figure, unit=unit, note=oldest.application or oldest.user,
                                  glyph="warning" if late else None))  # fmt: skip
    idle = [row for row in seen.rows if row.idle_in_transaction and not row.own]
    longest = max((row.state_seconds or 0 for row in idle), default=0)
    found.append(present.fact("Idle in transaction", len(idle), note=f"for {seconds(longest)}" if idle else "as it should be",
                              glyph="warning" if longest > IDLE_SECONDS else None))  # fmt: skip
    return found


def _server(server: Server) -> list[dict[str, Any]]:
    found = []
    if server.cache_hit_percent is not None:
        since = f"since {server.statistics_since:%Y-%m-%d}" if server.statistics_since else "since it started"
        found.append(present.fact("Cache hits", f"{server.cache_hit_percent:.1f}", unit="%", note=since))
    own = next((age for age in server.ages if age.own), None)
    if own:
        figure, unit = (f"{own.age / 1e6:,.0f}", "million") if own.age >= 1e6 else (f"{own.age:,}", None)
        found.append(present.fact("Transaction age", figure, unit=unit, note=f"{own.percent:.0f} % of the limit",
                                  glyph="warning" if own.percent > OLD_PERCENT else None))  # fmt: skip
    return found


# --- tables


def table_rows(found: Iterable[TableStats], largest_bytes: int, fixing: Grants | None) -> list[dict[str, Any]]:
    """Lines of the table of tables; the bars of all share one scale."""
    return [table_row(table, largest_bytes, fixing) for table in found]


def table_row(table: TableStats, largest_bytes: int, fixing: Grants | None) -> dict[str, Any]:
    whole = (table.live_rows or 0) + table.dead_rows
    percent = round(table.dead_percent) if table.dead_percent is not None and whole >= DEAD_ROWS else None
    look = "" if percent is None else "error" if percent >= DEAD_ERROR else "warning" if percent >= DEAD_WARNING else ""
    return {
        "key": maintenance_plans.key(table.schema, table.name), "name": table.name, "schema": table.schema,
        "url": url_for("database_table.show", name=table.name, schema=table.schema), "rows": table.live_rows,
        "parts": composition(table, largest_bytes), "size": bytes_text(table.total_bytes), "locked": table.locked,
        "composed": f"rows {bytes_text(table.heap_bytes)}, indexes {bytes_text(table.index_bytes)}, "
                    f"long values {bytes_text(table.toast_bytes)}",
        "dead": table.dead_rows, "dead_percent": percent, "dead_look": look, "bloat": bloat_text(table.bloat),
        "how": table.bloat.how if table.bloat else "", "vacuumed": table.vacuumed, "analyzed": table.analyzed,
        "care": [care.text for care in readings.care(table)], "kind": table.kind,
        "may": fixing is not None and fixing.may_maintain(table.name, table.schema) and table.kind != "partitioned",
    }  # fmt: skip


def composition(table: TableStats, largest_bytes: int) -> list[tuple[str, float, float]]:
    """(look, start, width) of each part of a bar of 100."""
    at, found = 0.0, []
    for look, number in (("1", table.heap_bytes), ("2", table.index_bytes), ("4", table.toast_bytes)):
        width = 100 * number / largest_bytes if largest_bytes else 0.0
        if number:
            found.append((look, round(at, 2), round(max(width, 0.8), 2)))
        at += width
    return found


def bloat_text(bloat: Bloat | None) -> str:
    if bloat is None or bloat.bytes is None:
        return "–"
    return f"{bytes_text(bloat.bytes)} · {bloat.percent or 0:.0f} %" if bloat.bytes else "0"


# --- indexes


def index_rows(
    found: Iterable[IndexStats], notes: Mapping[int, list[str]], fixing: Grants | None
) -> list[dict[str, Any]]:
    """Lines of a table of indexes."""
    return [
        {
            "key": maintenance_plans.key(index.schema, index.name), "name": index.name, "table": index.table,
            "table_url": url_for("database_table.show", name=index.table, schema=index.schema),
            "method": index.method, "size": bytes_text(index.size_bytes), "scans": index.scans, "last_scan": index.last_scan,
            "bloat": bloat_text(index.bloat), "how": index.bloat.how if index.bloat else "", "valid": index.valid,
            "role": index_role(index), "definition": index.definition, "notes": notes.get(index.oid, []),
            "leftover": index.leftover, "sql_name": index.sql_name, "building": index.building,
            "may": fixing is not None and fixing.may_maintain(index.table, index.schema) and not index.partitioned,
            "may_drop": fixing is not None and fixing.may_drop_index(index.table, index.schema),
        }
        for index in found
    ]  # fmt: skip


def index_role(index: IndexStats) -> str:
    """What an index is for, beyond its columns."""
    words = ["primary key" if index.primary else "unique" if index.unique else ""]
    words += ["partial" if index.partial else "", "expression" if index.expression else ""]
    return ", ".join(word for word in words if word)
