"""`lsconsole database`: sizes, dead rows, bloat, indexes, sessions and settings; on SQLite the file. Looks, changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from click.core import ParameterSource

from . import database_look, terminal, terminal_database
from .cli_options import attached
from .cli_storage import FORMAT, print_document
from .deployment import Deployment, upkeep
from .deployment.postgres import bloat, indexes, overview, tables
from .deployment.postgres.indexes import IndexStats
from .deployment.postgres.tables import SORTS, TableStats
from .diagnostics.report import readable
from .errors import NotFound, Refused
from .maintenance import advice, sqlite
from .service import Console

#: Tables that are listed unless all are asked for.
LARGEST = 12


@click.group(invoke_without_command=True)
@click.pass_context
def database(ctx: click.Context, **given: Any) -> None:
    """Look at Label Studio's database: what fills it and what it wants. Changes nothing.

    \b
      lsconsole database                          facts, largest tables, what needs care, missing rights
      lsconsole database tables --sort dead_rows  every number of the tables
      lsconsole database table task               one table with its indexes
      lsconsole database sessions                 who is connected, who waits for whom
      lsconsole database bloat --exact task       measured by pgstattuple
      lsconsole maintain advice                   what to do, and doing it
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, **given)
        return
    early = [name for name in given if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if early:
        raise click.UsageError(f"Write options behind {ctx.invoked_subcommand}, not before it.")


@database.command()
@FORMAT
@attached
def show(console: Console, form: str) -> None:
    """Show the numbers, the largest tables, what needs care, missing rights (what `lsconsole database` does)."""
    deployment = console.deployment
    if deployment.kind == "sqlite":
        return _show_file(deployment, form)
    read = overview.read(deployment, only=database_look.FRONT)
    rows = read.tables.rows if read.tables else []
    advised = advice.advice(deployment, seen=rows) if read.tables else []
    needed = database_look.missing_sight(read)
    rights = database_look.missing_rights(database_look.fixing_grants(deployment))
    free, how = database_look.free_bytes(deployment, read)
    if form == "json":
        print_document({
            "database": "postgresql", "server": readable(asdict(read.server)) if read.server else None,
            "connections": readable(asdict(read.sessions.connections)) if read.sessions else None,
            "disk_free_bytes": free, "disk_how": how, "tables_total": read.tables.total if read.tables else None,
            "tables": [table_document(table) for table in rows[:LARGEST]],
            "advice": [item.step.document() | {"why": item.why} for item in advised],
            "missing_rights": [readable(asdict(need)) for need in (*needed, *rights)], "notes": read.notes,
        })  # fmt: skip
        return None
    terminal_database.print_overview(read, (free, how), rows[:LARGEST], advised, (*needed, *rights))
    return None


# The same options without a subcommand.
database.params += show.params


def _show_file(deployment: Deployment, form: str) -> None:
    state, kept = sqlite.journal(deployment), upkeep.read(deployment)
    advised = advice.advice(deployment)
    if form == "json":
        print_document({
            "database": "sqlite", "journal": readable(asdict(state)), "size_bytes": state.pages * state.page_bytes,
            "statistics": sqlite.has_statistics(deployment), "tables_total": kept.tables_total,
            "tables": [{"name": table.name, "rows": table.rows} for table in kept.tables[:LARGEST]],
            "advice": [item.step.document() | {"why": item.why} for item in advised],
        })  # fmt: skip
    else:
        terminal_database.print_file(state, kept, sqlite.has_statistics(deployment), advised, LARGEST)


@database.command("tables")
@click.option(
    "--sort", type=click.Choice(sorted(SORTS)), default="total_bytes", show_default=True, help="The worst first."
)
@click.option("--all", "every", is_flag=True, help=f"All tables instead of {LARGEST}.")
@click.option("--care", is_flag=True, help="Only tables that need care.")
@FORMAT
@attached
def tables_(console: Console, sort: str, every: bool, care: bool, form: str) -> None:
    """List the tables: rows, sizes, dead rows, bloat, last VACUUM and ANALYZE."""
    deployment = console.deployment
    if deployment.kind == "sqlite":
        kept = upkeep.read(deployment)
        listed = kept.tables if every else kept.tables[:LARGEST]
        if form == "json":
            print_document(
                {"total": kept.tables_total, "tables": [{"name": table.name, "rows": table.rows} for table in listed]}
            )
        else:
            terminal_database.print_file_tables(kept, len(listed))
        return
    read = overview.read(deployment, only=("tables",))
    rows = _need(read.tables, read.notes.get("tables", "")).rows
    chosen = tables.arranged(tables.needing_care(rows) if care else rows, sort, descending=sort != "name")
    shown = chosen if every else chosen[:LARGEST]
    if form == "json":
        print_document({"total": len(chosen), "tables": [table_document(table) for table in shown]})
    else:
        terminal_database.print_tables(shown, len(chosen), care=care)


@database.command()
@click.argument("name")
@click.option("--schema", default="", help="Where several schemas have such a table.")
@FORMAT
@attached
def table(console: Console, name: str, schema: str, form: str) -> None:
    """Show one table and its indexes."""
    _need_postgresql(console)
    seen = database_look.one_table(console.deployment, name, schema)
    if form == "json":
        print_document(table_document(seen.table) | {"indexes": [index_document(index, seen.notes) for index in seen.indexes],
                                                     "statistics_days": seen.statistics_days})  # fmt: skip
    else:
        terminal_database.print_table(seen)


@database.command("indexes")
@click.option("--all", "every", is_flag=True, help="All of them instead of those worth a look.")
@FORMAT
@attached
def indexes_(console: Console, every: bool, form: str) -> None:
    """List indexes that are broken, left over, doubled or unused, those that are missing, foreign keys without one."""
    _need_postgresql(console)
    read = overview.read(console.deployment, only=("indexes", "foreign_keys", "server"))
    found = _need(read.indexes, read.notes.get("indexes", ""))
    days = read.server.statistics_days if read.server else None
    notes = database_look.index_notes(found, days)
    listed = [index for index in found if every or index.oid in notes]
    if form == "json":
        print_document({
            "total": len(found), "statistics_days": days, "indexes": [index_document(index, notes) for index in listed],
            "unused_told": indexes.unused(found, statistics_days=days) is not None,
            "missing": None if read.missing is None else [
                {"name": item.expected.name, "table": item.expected.table, "statement": item.expected.statement,
                 "migration": item.expected.migration, "invalid": item.found is not None} for item in read.missing],
            "foreign_keys": [readable(asdict(key)) for key in read.foreign_keys or []],
        })  # fmt: skip
    else:
        terminal_database.print_indexes(listed, len(found), notes, read, days)


@database.command()
@FORMAT
@attached
def sessions(console: Console, form: str) -> None:
    """Show who is connected, since when, and who waits for whom."""
    _need_postgresql(console)
    read = overview.read(console.deployment, only=("sessions",))
    seen = _need(read.sessions, read.notes.get("sessions", ""))
    if form == "json":
        print_document({"connections": readable(asdict(seen.connections)), "grant": seen.grant,
                        "sessions": [readable(asdict(row)) for row in seen.rows]})  # fmt: skip
    else:
        terminal_database.print_sessions(seen)


@database.command()
@FORMAT
@attached
def settings(console: Console, form: str) -> None:
    """Show settings worth a look, extensions, version, replication slots, sequences, slow statements."""
    _need_postgresql(console)
    read = overview.read(console.deployment, only=("tables", "server", "slow", "sequences"))
    if form == "json":
        print_document({
            "server": readable(asdict(read.server)) if read.server else None,
            "floor": readable(asdict(read.floor)) if read.floor else None,
            "settings": [readable(asdict(item)) for item in read.settings] if read.settings is not None else None,
            "slow": readable(asdict(read.slow)) if read.slow else None,
            "sequences": [readable(asdict(item)) | {"behind": item.behind} for item in read.sequences or []], "notes": read.notes,
        })  # fmt: skip
    else:
        terminal_database.print_settings(read)


@database.command("bloat")
@click.argument("names", nargs=-1, metavar="[TABLE]...")
@click.option("--exact", is_flag=True, help="Measure with pgstattuple; reads the relations, so name the tables.")
@FORMAT
@attached
def bloat_(console: Console, names: tuple[str, ...], exact: bool, form: str) -> None:
    """Tell how much of tables and indexes a rewrite would give back: estimated, or measured with --exact."""
    _need_postgresql(console)
    if exact and not names:
        raise Refused("--exact reads the tables through; name those to measure.")
    with terminal.progress("Measuring" if exact else "Reading"), console.deployment.read() as session:
        every = tables.read(session).rows
        chosen = _named(every, names) if names else every
        oids = {table.oid for table in chosen}
        built = [index for index in indexes.read(session) if index.table_oid in oids]
        told = (
            bloat.measure(session, chosen, built) if exact else bloat.estimate(session, chosen, built, all_tables=every)
        )
    relations: list[TableStats | IndexStats] = [*chosen, *built]
    lines = sorted(((item, told[item.oid]) for item in relations), key=lambda line: -(line[1].bytes or 0))
    shown = lines if names else lines[: 3 * LARGEST]
    if form == "json":
        print_document([{"name": item.name, "schema": item.schema, "kind": "index" if isinstance(item, IndexStats) else "table"}
                        | readable(asdict(found)) for item, found in lines])  # fmt: skip
    else:
        terminal_database.print_bloat(shown, len(lines))


def _named(every: list[TableStats], names: tuple[str, ...]) -> list[TableStats]:
    found = []
    for name in names:
        alike = [table for table in every if name in (table.name, f"{table.schema}.{table.name}")]
        if not alike:
            raise NotFound(f"There is no table {name[:200]} in the schemas of Label Studio's database.")
        found += alike
    return found


def _need_postgresql(console: Console) -> None:
    if console.deployment.kind == "sqlite":
        raise Refused("This database is SQLite, which keeps no such numbers. `lsconsole database` shows its file, "
                      "`lsconsole maintain check` looks whether it is sound.")  # fmt: skip


def _need(part: Any, why: str) -> Any:
    if part is None:
        raise Refused(why or "PostgreSQL did not tell.")
    return part


def table_document(found: TableStats) -> dict[str, Any]:
    """One table as JSON."""
    kept = readable(asdict(found))
    return kept | {"dead_percent": found.dead_percent, "care": [care.text for care in tables.care(found)]}


def index_document(index: IndexStats, notes: dict[int, list[str]]) -> dict[str, Any]:
    """One index as JSON, without what only a comparison needs."""
    kept = readable(asdict(index))
    for name in ("keys", "included", "column_numbers", "predicate"):
        kept.pop(name)
    return kept | {"leftover": index.leftover, "notes": notes.get(index.oid, [])}
