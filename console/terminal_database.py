"""How the database looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .amounts import bytes_text
from .database_look import OneTable
from .deployment.postgres import tables as readings
from .deployment.postgres.freed import Bloat
from .deployment.postgres.grants import Needed
from .deployment.postgres.indexes import IndexStats
from .deployment.postgres.overview import Overview
from .deployment.postgres.sessions import Blocked, ServerSession, Sessions
from .deployment.postgres.tables import TableStats
from .deployment.upkeep import Upkeep
from .diagnostics.spans import span
from .maintenance import actions
from .maintenance.advice import Advised
from .maintenance.sqlite import Journal
from .terminal import counted, escape, make_out

#: Shares of dead rows from which they are coloured.
MANY, FEW, ROWS = 20, 10, 1000
QUERY_CHARS = 80


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _size(number: int | None) -> str:
    return bytes_text(number) if number is not None else "–"


def _seconds(number: float | None) -> str:
    if number is None:
        return "–"
    return (
        f"{number:.1f} s" if number < 90 else f"{number / 60:,.0f} min" if number < 7200 else f"{number / 3600:,.0f} h"
    )


def _ago(moment: datetime | None) -> str:
    return span(datetime.now(UTC) - moment) if moment else "never"


def print_overview(
    read: Overview, disk: tuple[int | None, str], rows: Sequence[TableStats], advised: Sequence[Advised],
    needed: Sequence[Needed],
) -> None:  # fmt: skip
    """What `lsconsole database` says of a PostgreSQL."""
    out = make_out()
    server, seen = read.server, read.sessions
    if server:
        hits = f", {server.cache_hit_percent:.1f} % from the cache" if server.cache_hit_percent is not None else ""
        out.print(f"[bold]PostgreSQL {escape(server.version)}[/], {_size(server.database_bytes)}{hits}", soft_wrap=True)
        own = next((age for age in server.ages if age.own), None)
        if own:
            out.print(f"Oldest row {own.age:,} transactions old, {own.percent:.0f} % of the limit")
    out.print(f"Disk left: {_size(disk[0])} ({escape(disk[1])})" if disk[0] is not None else f"Disk left: not told. {escape(disk[1])}",
              soft_wrap=True)  # fmt: skip
    if seen:
        taken, waiting = seen.connections, sum(tree.count for tree in seen.blocked)
        held = f", [yellow]{counted(waiting, 'session waits', 'sessions wait')} for a lock[/]" if waiting else ""
        out.print(f"{taken.used:,} of {taken.usable:,} connections{held}")
    out.print()
    print_tables(rows, read.tables.total if read.tables else len(rows), out=out)
    out.print()
    _advice(out, advised)
    for part, note in read.notes.items():
        out.print(f"[magenta]{part}:[/] {escape(note)}", soft_wrap=True)
    if needed:
        out.print("\n[bold]Missing rights[/]")
    for need in needed:
        out.print(f"{need.part}: {escape(need.why)}", soft_wrap=True)
        for statement in need.statements:
            out.print(f"  [bold]{escape(statement)}[/]", soft_wrap=True)


def _advice(out: Console, advised: Sequence[Advised]) -> None:
    if not advised:
        out.print("[green]Nothing wants doing, as far as the statistics tell.[/]")
        return
    out.print("[bold]Needs care[/]")
    for item in advised:
        on = item.step.index or item.step.table or "the file"
        out.print(f"[yellow]{actions.get(item.step.action).title}[/] {escape(on)}: {escape(item.why)}", soft_wrap=True)
    out.print("[dim]lsconsole maintain advice tells more, and how to do it.[/]")


def print_tables(rows: Sequence[TableStats], total: int, *, care: bool = False, out: Console | None = None) -> None:
    out = out or make_out()
    if not rows:
        out.print("[green]No table needs care.[/]" if care else "There is no table.")
        return
    several = len({row.schema for row in rows}) > 1
    table = _table("Table", "Rows", "Size", "Indexes", "Dead", "Bloat", "Vacuumed", "Analyzed")
    for row in rows:
        name = f"{row.schema}.{row.name}" if several else row.name
        live = f"{row.live_rows:,}" if row.live_rows is not None else "–"
        table.add_row(escape(name), live, _size(row.total_bytes), _size(row.index_bytes), _dead(row), _bloat(row.bloat),
                      _ago(row.vacuumed), _ago(row.analyzed))  # fmt: skip
    out.print(table)
    if len(rows) < total:
        out.print(f"[dim]{len(rows):,} of {counted(total, 'table', 'tables')}; --all lists every one.[/]")
    for row in rows if care else ():
        out.print(f"{escape(row.name)}: {escape('; '.join(item.text for item in readings.care(row)))}", soft_wrap=True)


def _dead(row: TableStats) -> str:
    percent = row.dead_percent
    if percent is None or (row.live_rows or 0) + row.dead_rows < ROWS:
        return f"{row.dead_rows:,}"
    style = "red" if percent >= MANY else "yellow" if percent >= FEW else ""
    text = f"{row.dead_rows:,} ({percent:.0f} %)"
    return f"[{style}]{text}[/]" if style else text


def _bloat(bloat: Bloat | None) -> str:
    return "–" if bloat is None or bloat.bytes is None else f"{_size(bloat.bytes)} ({bloat.percent or 0:.0f} %)"


def print_table(seen: OneTable) -> None:
    """One table, its numbers and its indexes."""
    out, table = make_out(), seen.table
    out.print(
        f"[bold]{escape(table.name)}[/] [dim]{table.kind} of schema {escape(table.schema)}, belongs to {escape(table.owner)}[/]"
    )
    auto = table.autovacuum
    comes = f"at {auto.vacuum_at:,} dead rows" if auto.vacuum_at else "switched off"
    lines = (
        ("Size", f"{_size(table.total_bytes)}: rows {_size(table.heap_bytes)}, indexes {_size(table.index_bytes)}, "
                 f"long values {_size(table.toast_bytes)}"),
        ("Rows", f"{table.live_rows:,}" if table.live_rows is not None else "not told"), ("Dead rows", _dead(table)),
        ("Bloat", f"{_bloat(table.bloat)} {escape(table.bloat.how) if table.bloat else ''}"),
        ("Vacuumed", _ago(table.vacuumed)), ("Analyzed", _ago(table.analyzed)), ("Autovacuum", comes),
        ("Scans", f"{table.seq_scans:,} from end to end, {table.idx_scans:,} by an index"),
    )  # fmt: skip
    for label, text in lines:
        out.print(f"[dim]{label:12}[/] {text}", soft_wrap=True)
    for care in readings.care(table):
        out.print(f"[yellow]Wants care:[/] {escape(care.text)}", soft_wrap=True)
    out.print()
    _indexes(out, seen.indexes, seen.notes, with_table=False)


def _indexes(
    out: Console, found: Sequence[IndexStats], notes: dict[int, list[str]], *, with_table: bool = True
) -> None:
    table = _table("Index", *(["Table"] if with_table else []), "Kind", "Size", "Scans", "Bloat", "What to know")
    for index in found:
        told = escape("; ".join(notes.get(index.oid, [])))
        style = "red" if not index.valid else "yellow"
        cells = [
            escape(index.name),
            *([escape(index.table)] if with_table else []),
            index.method,
            _size(index.size_bytes),
        ]
        table.add_row(*cells, f"{index.scans:,}", _bloat(index.bloat), f"[{style}]{told}[/]" if told else "")
    out.print(table)


def print_indexes(
    listed: Sequence[IndexStats], total: int, notes: dict[int, list[str]], read: Overview, days: float | None
) -> None:
    """Those worth a look, what is missing, foreign keys."""
    out = make_out()
    if listed:
        _indexes(out, listed, notes)
    else:
        out.print("[green]No index is broken, doubled or unused.[/]")
    counters = f"counters of {days:,.0f} days" if days is not None else "the age of the counters is not told"
    young = "; too young to call an index unused" if days is None or days < 30 else ""
    out.print(f"[dim]{len(listed):,} of {total:,} indexes, {counters}{young}.[/]")
    if read.missing is None:
        out.print("[magenta]Whether one is missing cannot be told: the release is not known.[/]")
    for item in read.missing or ():
        state = "invalid" if item.found else "missing"
        out.print(
            f"[yellow]{state}[/] {escape(item.expected.statement)} [dim]{escape(item.expected.migration)}[/]",
            soft_wrap=True,
        )
    for key in read.foreign_keys or ():
        columns = escape(", ".join(key.columns))
        out.print(f"[yellow]no index[/] for {escape(key.table)} ({columns}), which points at {escape(key.references)}",
                  soft_wrap=True)  # fmt: skip


def print_sessions(seen: Sessions) -> None:
    """Connections, who waits for whom, and the sessions."""
    out = make_out()
    taken = seen.connections
    states = ", ".join(f"{number} {name}" for name, number in sorted(taken.by_state.items()))
    out.print(f"{taken.used:,} of {taken.usable:,} connections; this database: {escape(states)}\n")
    for tree in seen.blocked:
        _branch(out, tree, 0)
    table = _table("Pid", "Who", "State", "In transaction", "Waits for", "Statement")
    for row in sorted(seen.rows, key=lambda row: (row.state == "idle", -(row.transaction_seconds or 0))):
        query = " ".join((row.query or "").split())[:QUERY_CHARS]
        waits = ", ".join(map(str, row.blocked_by)) or row.wait
        table.add_row(str(row.pid), escape(row.application or row.user or row.kind or "–"), escape(row.state or "hidden"),
                      _seconds(row.transaction_seconds), escape(waits), escape(query))  # fmt: skip
    out.print(table)
    if seen.grant:
        out.print(f"[magenta]What others do is hidden.[/] Needs: [bold]{escape(seen.grant)}[/]", soft_wrap=True)


def _branch(out: Console, tree: Blocked, depth: int) -> None:
    one = tree.session
    out.print(f"{'  ' * depth}[yellow]{one.pid}[/] {escape(_what(one))}", soft_wrap=True)
    for child in tree.waiting:
        _branch(out, child, depth + 1)


def _what(one: ServerSession) -> str:
    who = one.application or one.user or "hidden"
    if one.waits_for_mode:
        return f"{who} waits for {one.waits_for_relation or 'a lock'} ({one.waits_for_mode})"
    return f"{who}, {one.state or 'hidden'}, in a transaction for {_seconds(one.transaction_seconds)}"


def print_settings(read: Overview) -> None:
    """Settings, extensions, slots, sequences, slow statements."""
    out = make_out()
    if read.floor and read.floor.too_old:
        out.print(f"[red]{read.floor.release} needs PostgreSQL {read.floor.needed}, this is {read.floor.now}.[/]")
    for item in read.settings or ():
        style, hint = "red" if item.grave else "yellow", " (a hint: no finding counts it)" if item.hint else ""
        out.print(f"[{style}]{item.name}[/] = {escape(item.now)}: {escape(item.why)}. [dim]{escape(item.suggestion)}{hint}[/]",
                  soft_wrap=True)  # fmt: skip
    if read.settings == []:
        out.print("[green]No setting stands out.[/]")
    if read.server:
        _extensions_and_slots(out, read.server)
    wrong = [item for item in read.sequences or () if item.behind is not False]
    for one in wrong:
        state = "[red]behind its table[/]" if one.behind else f"[magenta]cannot tell[/] {escape(one.needs)}"
        out.print(f"sequence of {escape(one.table)}.{escape(one.column)}: {state}", soft_wrap=True)
    if read.slow and read.slow.why:
        out.print(
            f"[magenta]Slow statements:[/] {escape(read.slow.why)} [bold]{escape(read.slow.needs)}[/]", soft_wrap=True
        )
    for slow in read.slow.rows or () if read.slow else ():
        out.print(
            f"{slow.mean_ms:,.0f} ms × {slow.calls:,}  {escape(' '.join(slow.query.split())[:200])}", soft_wrap=True
        )
    for part, note in read.notes.items():
        out.print(f"[magenta]{part}:[/] {escape(note)}", soft_wrap=True)


def _extensions_and_slots(out: Console, server: Any) -> None:
    for extension in server.extensions:
        state = (
            f"[green]{extension.installed}[/]"
            if extension.installed
            else "[red]missing[/]"
            if extension.needed
            else "[dim]not installed[/]"
        )
        out.print(f"extension {extension.name}: {state} [dim]{escape(extension.why)}[/]", soft_wrap=True)
    for slot in server.slots:
        state = "read" if slot.active else "[yellow]nobody reads it[/]"
        out.print(f"slot {escape(slot.name)} ({slot.kind}): {state}, keeps {_size(slot.retained_bytes)}")


def print_bloat(lines: Sequence[tuple[TableStats | IndexStats, Bloat]], total: int) -> None:
    """What a rewrite would give back, the most first, and how that is known."""
    out = make_out()
    table = _table("Relation", "Kind", "Would give back", "How it is known")
    for item, found in lines:
        kind = f"index of {item.table}" if isinstance(item, IndexStats) else "table"
        table.add_row(escape(item.name), escape(kind), _bloat(found), escape(f"{found.how} {found.needs}".strip()))
    out.print(table)
    if len(lines) < total:
        out.print(f"[dim]{len(lines):,} of {total:,} relations.[/]")


def print_file(state: Journal, kept: Upkeep, statistics: bool, advised: Sequence[Advised], most: int) -> None:
    """What `lsconsole database` says of a SQLite file."""
    out = make_out()
    wal = f", {_size(state.wal_bytes)} of write-ahead log" if state.wal_bytes else ""
    out.print(f"[bold]SQLite[/], {_size(state.pages * state.page_bytes)}, journal {state.mode}{wal}")
    out.print(
        f"{state.free_pages:,} of {state.pages:,} pages are free: {_size(state.free_bytes)} that a VACUUM gives back"
    )
    out.print(f"Statistics for the planner: {'there' if statistics else 'none'}")
    for holder in state.held_by:
        out.print(f"Open in {escape(holder)}")
    out.print()
    print_file_tables(kept, most)
    out.print()
    _advice(out, advised)


def print_file_tables(kept: Upkeep, most: int) -> None:
    out = make_out()
    table = _table("Table", "Rows")
    for row in kept.tables[:most]:
        table.add_row(escape(row.name), f"{row.rows:,}" if row.rows is not None else "–")
    out.print(table)
    out.print(
        f"[dim]{min(most, len(kept.tables)):,} of {counted(kept.tables_total, 'table', 'tables')}, most rows first.[/]"
    )
