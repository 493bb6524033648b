"""How maintenance looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from .maintenance import actions, schedules
from .maintenance.advice import Advised
from .maintenance.preview import Preview, size
from .maintenance.sqlite import Journal, Soundness
from .state.models import MaintenanceRunRow, ScheduleRow
from .terminal import counted, escape, make_out

STYLES = {
    "done": "green",
    "partly": "yellow",
    "stopped": "yellow",
    "failed": "red",
    "skipped": "dim",
    "running": "cyan",
}


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_previews(seen: Sequence[Preview]) -> None:
    """Each statement with what it does to others, and what stands in its way."""
    out = make_out()
    for found in seen:
        out.print(f"[bold]{escape(found.statement)}[/]", soft_wrap=True)
        dead = f", {found.dead_rows:,} dead rows" if found.dead_rows is not None else ""
        out.print(
            f"  {size(found.size_bytes)}{dead}. About {_minutes(found.estimated_minutes)} ({escape(found.estimated_how)}).",
            soft_wrap=True,
        )
        out.print(f"  [dim]{escape(found.lock)}[/]", soft_wrap=True)
        if found.disk_bytes:
            free = size(found.free_bytes) if found.free_bytes is not None else "unknown"
            out.print(
                f"  Room needed: {size(found.disk_bytes)}; free: {free} {escape(found.free_how)}".rstrip(),
                soft_wrap=True,
            )
        for warning in found.warnings:
            out.print(f"  [yellow]Mind:[/] {escape(warning)}", soft_wrap=True)
        for refusal in found.refusals:
            out.print(f"  [red]Not possible:[/] {escape(refusal)}", soft_wrap=True)
        for statement in found.lacking:
            out.print(f"  As the owner: [bold]{escape(statement)}[/]", soft_wrap=True)
        if found.refusals and found.command:
            out.print(f"  By hand: [bold]{escape(found.command)}[/]", soft_wrap=True)


def preview_document(found: Preview) -> dict[str, Any]:
    return {
        "action": found.action.name, "subject": found.subject, "statements": list(found.statements), "lock": found.lock,
        "size_bytes": found.size_bytes, "dead_rows": found.dead_rows, "disk_bytes": found.disk_bytes,
        "estimated_minutes": round(found.estimated_minutes, 2), "free_bytes": found.free_bytes,
        "warnings": list(found.warnings), "refusals": list(found.refusals), "lacking": list(found.lacking),
        "command": found.command,
    }  # fmt: skip


def _minutes(minutes: float) -> str:
    return f"{minutes:,.0f} min" if minutes >= 1.5 else f"{max(1, minutes * 60):.0f} s"


def print_applied(applied: dict[str, Any]) -> None:
    out = make_out()
    for run in applied["runs"]:
        out.print(f"[{STYLES.get(run['status'], 'dim')}]{run['status']}[/] {escape(run['message'])}", soft_wrap=True)
    if applied["message"]:
        out.print(escape(applied["message"]), soft_wrap=True)
    out.print(f"[dim]Audit event {applied['audit_id']}[/]")


def print_advice(advised: Sequence[Advised], *, hint: bool = True) -> None:
    """What is advised and why; with a hint how to do it."""
    out = make_out()
    if not advised:
        out.print("[green]Nothing wants doing.[/]")
        return
    table = _table("What", "On", "Size", "Why")
    for item in advised:
        step = item.step
        on = step.index or step.table or "the file"
        table.add_row(actions.get(step.action).title, escape(on), size(step.size_bytes or 0), escape(item.why))
    out.print(table)
    if hint:
        out.print("[dim]All of it: lsconsole maintain advice --apply --reason TEXT; one kind: lsconsole maintain "
                  "vacuum|analyze|reindex --advised, or leftovers.[/]", soft_wrap=True)  # fmt: skip


def run_document(run: MaintenanceRunRow) -> dict[str, Any]:
    return {
        "id": run.id, "title": run.title, "by": run.by, "status": run.status, "schedule": run.schedule_id,
        "started_at": run.started_at.isoformat(), "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "steps_done": run.steps_done, "steps_total": run.steps_total, "before_bytes": run.before_bytes,
        "after_bytes": run.after_bytes, "message": run.message,
    }  # fmt: skip


def print_history(runs: Sequence[MaintenanceRunRow]) -> None:
    out = make_out()
    if not runs:
        out.print("No maintenance is on record.")
        return
    table = _table("Began (UTC)", "What", "By", "State", "Steps", "Before", "After", "Took")
    for run in runs:
        took = f"{(run.finished_at - run.started_at).total_seconds():,.0f} s" if run.finished_at else "–"
        sizes = [size(value) if value is not None else "–" for value in (run.before_bytes, run.after_bytes)]
        steps = f"{run.steps_done} of {run.steps_total}"
        table.add_row(f"{run.started_at:%Y-%m-%d %H:%M}", escape(run.title), escape(run.by),
                      f"[{STYLES.get(run.status, 'dim')}]{run.status}[/]", steps, *sizes, took)  # fmt: skip
    out.print(table)
    for run in runs[:3]:
        if run.status not in {"done", "running"} and run.message:
            out.print(f"[dim]{run.started_at:%Y-%m-%d %H:%M}[/] {escape(run.message)}", soft_wrap=True)


def schedule_document(row: ScheduleRow) -> dict[str, Any]:
    return {
        "id": row.id, "title": row.title, "action": row.action, "target": row.target, "days": row.days,
        "window": [row.window_start, row.window_end], "enabled": row.enabled, "by": row.by, "reason": row.reason,
        "next_at": row.next_at.isoformat() if row.next_at else None,
        "last_at": row.last_at.isoformat() if row.last_at else None,
    }  # fmt: skip


def print_schedules(rows: Sequence[ScheduleRow]) -> None:
    out = make_out()
    if not rows:
        out.print("No schedule yet. Add one: [bold]lsconsole maintain schedule add vacuum_analyze --advised --from 02:30 --to 05:00[/]",
                  soft_wrap=True)  # fmt: skip
        return
    table = _table("Id", "What", "When (UTC)", "Next", "Last", "By")
    for row in rows:
        coming = f"{row.next_at:%Y-%m-%d %H:%M}" if row.next_at else "paused"
        last = f"{row.last_at:%Y-%m-%d %H:%M}" if row.last_at else "never"
        table.add_row(str(row.id), escape(row.title), schedules.when(row), coming, last, escape(row.by))
    out.print(table)


def soundness_document(pages: Soundness, keys: Soundness, state: Journal) -> dict[str, Any]:
    return {
        "pages": {"problems": list(pages.problems), "complete": pages.complete},
        "foreign_keys": {"problems": list(keys.problems), "total": keys.total, "complete": keys.complete},
        "journal": {"mode": state.mode, "wal_bytes": state.wal_bytes, "pages": state.pages, "free_pages": state.free_pages,
                    "held_by": list(state.held_by)},
    }  # fmt: skip


def print_soundness(pages: Soundness, keys: Soundness, state: Journal) -> None:
    out = make_out()
    for name, found in (("Pages", pages), ("Foreign keys", keys)):
        if found.problems:
            out.print(f"[red]{name}: {counted(found.total, 'problem', 'problems')}[/]")
            for problem in found.problems[:20]:
                out.print(f"  {escape(problem)}", soft_wrap=True)
        elif found.complete:
            out.print(f"[green]{name}: sound[/] [dim]({found.seconds:.1f} s)[/]")
        else:
            out.print(f"[magenta]{name}: time ran out before the end; nothing was found until then[/]")
    wal = f", {size(state.wal_bytes)} of write-ahead log" if state.wal_bytes else ""
    out.print(
        f"Journal {state.mode}{wal}; {state.pages:,} pages, {state.free_pages:,} free ({size(state.free_bytes)})."
    )
    for holder in state.held_by:
        out.print(f"[dim]Open in {escape(holder)}[/]")
