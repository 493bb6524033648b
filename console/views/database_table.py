"""One table of the database, and all its indexes: what they hold, what they are good for, what they want."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user

from .. import database_look
from ..amounts import bytes_text
from ..app import the_console
from ..auth import requires
from ..deployment.postgres import indexes as readings
from ..deployment.postgres import overview, tables
from ..deployment.postgres.grants import Grants
from ..deployment.postgres.tables import TableStats
from ..maintenance import actions
from ..service import Console
from ..state import runs
from . import database_charts, database_values, present
from .database_front import about
from .paging import wanted_text

bp = Blueprint("database_table", __name__, url_prefix="/database")

CHART_DAYS = 60
#: Indexes that the page lists: those with something to say, and the largest others, more of them for a filter.
MOST_NOTED, MOST_OTHERS, MOST_FOUND = 200, 50, 200
#: What the buttons of a table plan, in this order; VACUUM FULL stands apart.
BUTTONS = ("vacuum_analyze", "analyze", "reindex_table")


@bp.get("/table")
@requires("look")
def show() -> Any:
    """One table; `name` and `schema` stand in the address, as a name may hold anything."""
    console = the_console()
    if console.deployment.kind == "sqlite":
        return redirect(url_for("database.index"))  # a file is maintained as a whole
    name, schema = request.args.get("name", ""), request.args.get("schema", "")
    seen = database_look.one_table(console.deployment, name, schema)
    table, fixing = seen.table, database_look.fixing_grants(console.deployment)
    samples = database_look.samples(console, CHART_DAYS, table.name)
    subjects = [f"table:{table.name}", *(f"index:{index.name}" for index in seen.indexes)]
    found = runs.findings_about(console.store, console.deployment.identity, subjects)
    drawn = (database_charts.growth(samples, "Size", CHART_DAYS), database_charts.dead_rows(samples, CHART_DAYS))
    return render_template(
        "database/table.html", database=about(console.deployment), table=database_values.table_row(table, table.total_bytes, fixing),
        stats=table, facts=_facts(table), seen=_seen(table), care=tables.care(table), charts=[chart for chart in drawn if chart],
        indexes=database_values.index_rows(seen.indexes, seen.notes, fixing), statistics_days=seen.statistics_days,
        findings=[present.finding_item(finding) for finding in found], may_fix=current_user.may("fix"),
        buttons=[(action, actions.get(action).title) for action in BUTTONS] if table.kind != "partitioned" else [],
        full=_full(console, table), lacking=_lacking(fixing, table), by_hand=_by_hand(console, table),
    )  # fmt: skip


def _facts(table: TableStats) -> list[dict[str, Any]]:
    def sized(label: str, number: int, note: str, **rest: Any) -> dict[str, Any]:
        figure, _, unit = bytes_text(number).partition(" ")
        return present.fact(label, figure, unit=unit, note=note, **rest)

    row = database_values.table_row(table, table.total_bytes, None)
    share = f"{row['dead_percent']} % of all" if row["dead_percent"] is not None else "too few to matter"
    return [
        sized("Size", table.total_bytes, "rows, indexes and long values"),
        sized("Rows", table.heap_bytes, f"{table.live_rows:,} of them" if table.live_rows is not None else "their number is not told"),
        sized("Indexes", table.index_bytes, f"{table.indexes:,} of them"),
        sized("Long values", table.toast_bytes, "kept beside the rows"),
        present.fact("Dead rows", table.dead_rows, note=share, glyph=row["dead_look"] or None),
        _bloat(table),
    ]  # fmt: skip


def _bloat(table: TableStats) -> dict[str, Any]:
    bloat = table.bloat
    if bloat is None or bloat.bytes is None:
        return present.fact("Bloat", "not told", note=bloat.how if bloat else None)
    figure, _, unit = bytes_text(bloat.bytes).partition(" ")
    return present.fact("Bloat", figure, unit=unit, note=f"{bloat.percent or 0:.0f} % of the rows’ part, estimated")


def _seen(table: TableStats) -> list[tuple[str, Any, str]]:
    """(label, value: a time, a number or a text, kind of value)."""
    auto = table.autovacuum
    coming = f"at {auto.vacuum_at:,} dead rows" if auto.vacuum_at else "never for dead rows: it is switched off"
    return [
        ("Last VACUUM by hand", table.last_vacuum, "time"), ("Last VACUUM by autovacuum", table.last_autovacuum, "time"),
        ("Last ANALYZE by hand", table.last_analyze, "time"), ("Last ANALYZE by autovacuum", table.last_autoanalyze, "time"),
        ("Autovacuum comes", coming, "text"),
        ("Changed since the last ANALYZE", table.modified_since_analyze, "number"),
        ("Inserted since the last VACUUM", table.inserted_since_vacuum, "number"),
        ("Read from end to end", f"{table.seq_scans:,} times, {table.seq_rows:,} rows in all", "text"),
        ("Read by an index", f"{table.idx_scans:,} times", "text"),
        ("Oldest row", f"{table.frozen_age:,} transactions old" if table.frozen_age is not None else "–", "text"),
        ("Own settings", ", ".join(f"{name}={value}" for name, value in auto.own.items()) or "none", "text"),
        ("Owner", table.owner, "text"),
    ]  # fmt: skip


def _full(console: Console, table: TableStats) -> dict[str, Any] | None:
    """What VACUUM FULL of this table would stop and need; None where it makes no sense."""
    if table.kind == "partitioned":
        return None
    action = actions.get("vacuum_full")
    read = overview.read(console.deployment, only=("disk",))
    free, how = database_look.free_bytes(console.deployment, read)
    needed = int(table.total_bytes * action.disk_factor)
    return {"does": action.does, "stops": action.stops, "needed": bytes_text(needed), "disk": action.disk,
            "free": bytes_text(free) if free is not None else None, "how": how,
            "fits": None if free is None else free >= needed}  # fmt: skip


def _lacking(fixing: Grants | None, table: TableStats) -> str:
    """The statement that lets the fixing role maintain this table; empty when it may."""
    return fixing.maintain_statement(table.name, table.schema) if fixing else ""


def _by_hand(console: Console, table: TableStats) -> str:
    statement = f"VACUUM (ANALYZE) {table.sql_name};"
    return database_look.by_hand(console.deployment, table.owner, statement)


# --- indexes


@bp.get("/indexes")
@requires("look")
def indexes() -> Any:
    """All indexes: the broken, the doubled, the unused, those that are missing, and the largest."""
    console = the_console()
    if console.deployment.kind == "sqlite":
        return redirect(url_for("database.index"))
    text = wanted_text("q").lower()
    read = overview.read(console.deployment, only=("indexes", "foreign_keys", "server"))
    fixing = database_look.fixing_grants(console.deployment)
    found = read.indexes or []
    days = read.server.statistics_days if read.server else None
    notes = database_look.index_notes(found, days)
    chosen = [index for index in found if text in index.name.lower() or text in index.table.lower()] if text else found
    noted = sorted((index for index in chosen if index.oid in notes), key=lambda index: index.valid)
    rest = [index for index in chosen if index.oid not in notes]
    unused = readings.unused(found, statistics_days=days)
    return render_template(
        "database/indexes.html", database=about(console.deployment), text=text, known=read.indexes is not None, notes=read.notes,
        noted=database_values.index_rows(noted[:MOST_NOTED], notes, fixing), noted_total=len(noted),
        rest=database_values.index_rows(rest[: MOST_FOUND if text else MOST_OTHERS], notes, fixing), rest_total=len(rest), total=len(found),
        facts=_index_facts(found, unused, days), may_fix=current_user.may("fix"),
        missing=[{"name": item.expected.name, "table": item.expected.table, "migration": item.expected.migration,
                  "statement": item.expected.statement, "needs": ", ".join(item.expected.needs), "invalid": item.found is not None}
                 for item in read.missing] if read.missing is not None else None,
        keys=[{"name": key.name, "table": key.table, "columns": ", ".join(key.columns), "references": key.references,
               "size": bytes_text(key.table_bytes), "rows": key.rows} for key in read.foreign_keys or []],
    )  # fmt: skip


def _index_facts(found: list[Any], unused: list[Any] | None, days: float | None) -> list[dict[str, Any]]:
    figure, _, unit = bytes_text(sum(index.size_bytes for index in found)).partition(" ")
    broken, doubled = len(readings.invalid(found)), len(readings.overlaps(found))
    young = f"counted for {days or 0:.0f} days; 30 are needed" if unused is None else "over 1 MB, of no rule"
    return [
        present.fact("Indexes", len(found), note=f"{figure} {unit} in all"),
        present.fact("Invalid", broken, note="serve no query" if broken else "none is broken", glyph="error" if broken else None),
        present.fact("Doubled", doubled, note="another one does the same" if doubled else "none does what another does"),
        present.fact("Unused", "not told" if unused is None else len(unused), note=young),
    ]  # fmt: skip
