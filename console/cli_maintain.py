"""`lsconsole maintain`: VACUUM, ANALYZE, REINDEX, leftovers, the advisor, schedules and their history."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from . import maintenance_plans, scheduled, terminal, terminal_maintain
from .cli_options import attached, who
from .cli_storage import FORMAT, print_document
from .diagnostics import plan as plans
from .diagnostics.server_changes import Maintain
from .errors import Invalid, Refused
from .maintenance import advice as advisor
from .maintenance import leftovers as left
from .maintenance import preview, schedules, sqlite
from .maintenance.preview import Preview
from .service import Console

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@click.group()
def maintain() -> None:
    """Maintain Label Studio's database beside the running application.

    \b
    Without --apply nothing is done: the command prints the statement, whom it stops, how long it takes.
      lsconsole maintain advice                          what the database wants
      lsconsole maintain vacuum task                     look at it
      lsconsole maintain vacuum task --apply --reason T  do it, with a bar; Ctrl-C stops it within 2 s
      lsconsole maintain vacuum --advised --apply --reason nightly      from cron
    """


def _options(function: Any) -> Any:
    """What every action takes."""
    function = click.option("--advised", is_flag=True, help="Instead of names: what the advisor says.")(function)
    function = click.option("--apply", "do_apply", is_flag=True, help="Do it. Without it, only look.")(function)
    function = click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")(function)
    return FORMAT(attached(function))


@maintain.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--full", is_flag=True, help="VACUUM FULL: gives the room back, and nobody reads or writes meanwhile.")
@click.option("--no-analyze", is_flag=True, help="Leave the statistics of the planner alone.")
@click.option("--yes", is_flag=True, help="With --full: do not ask a second time.")
@_options
def vacuum(console: Console, tables: tuple[str, ...], full: bool, no_analyze: bool, yes: bool, **given: Any) -> None:
    """Make the room of dead rows usable again (VACUUM, with ANALYZE unless told otherwise)."""
    action = "vacuum_full" if full else "vacuum" if no_analyze else "vacuum_analyze"
    if full and given["advised"]:
        raise Refused("VACUUM FULL is never advised; name the tables.")
    _act(
        console,
        _steps(console, "sqlite_vacuum" if _is_file(console) else action, tables, given["advised"]),
        yes,
        **given,
    )


@maintain.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@_options
def analyze(console: Console, tables: tuple[str, ...], **given: Any) -> None:
    """Renew the statistics the planner goes by (ANALYZE)."""
    action = "sqlite_analyze" if _is_file(console) else "analyze"
    _act(console, _steps(console, action, tables, given["advised"]), True, **given)


@maintain.command()
@click.argument("names", nargs=-1, metavar="[TABLE|INDEX]...")
@_options
def reindex(console: Console, names: tuple[str, ...], **given: Any) -> None:
    """Build indexes anew beside the running application (REINDEX … CONCURRENTLY): all of a table, or one."""
    if _is_file(console):
        raise Refused("SQLite keeps its indexes without help; there is nothing to reindex.")
    steps = [] if given["advised"] else [_reindexed(console, name) for name in names]
    _act(console, steps or _steps(console, "reindex_table", names, given["advised"]), True, **given)


@maintain.command()
@click.option("--apply", "do_apply", is_flag=True, help="Remove them. Without it they are listed.")
@click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")
@FORMAT
@attached
def leftovers(console: Console, do_apply: bool, reason: str | None, form: str) -> None:
    """List or remove invalid indexes that a REINDEX left behind when it was cut off."""
    found = left.leftovers(console.deployment)
    steps = [Maintain("drop_leftover", item.table, item.index, item.schema, item.size_bytes)
             for item in found if not item.building]  # fmt: skip
    if not steps:
        if form == "json":
            print_document({"steps": [], "applied": None})
        else:
            click.echo("No REINDEX left an index behind.")
        return
    _act(console, steps, True, advised=False, do_apply=do_apply, reason=reason, form=form)


@maintain.command()
@click.option("--apply", "do_apply", is_flag=True, help="Do all of it, in this order. Without it, it is listed.")
@click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")
@FORMAT
@attached
def advice(console: Console, do_apply: bool, reason: str | None, form: str) -> None:
    """Say what the database wants, and why, in the order it is best done; with --apply, do it."""
    advised = advisor.advice(console.deployment)
    if do_apply:
        _act(console, [item.step for item in advised], True, advised=True, do_apply=True, reason=reason, form=form)
    elif form == "json":
        print_document([item.step.document() | {"why": item.why} for item in advised])
    else:
        terminal_maintain.print_advice(advised)


@maintain.command()
@click.option("--full", is_flag=True, help="Compare every index with its table too (integrity_check).")
@FORMAT
@attached
def check(console: Console, full: bool, form: str) -> None:
    """Look whether a SQLite file is sound: its pages, and rows that point nowhere. Exit 1 when it is not."""
    if not _is_file(console):
        raise Refused("This looks at SQLite files. For PostgreSQL: lsconsole check pg")
    with terminal.progress("Reading the file"):
        pages = sqlite.integrity(console.deployment, quick=not full, seconds=3600)
        keys = sqlite.foreign_keys(console.deployment, seconds=3600)
    state = sqlite.journal(console.deployment)
    if form == "json":
        print_document(terminal_maintain.soundness_document(pages, keys, state))
    else:
        terminal_maintain.print_soundness(pages, keys, state)
    if pages.problems or keys.problems:
        raise SystemExit(1)
    if not (pages.complete and keys.complete):
        raise SystemExit(3)


@maintain.command()
@click.option("--last", default=20, show_default=True, type=click.IntRange(1, 1000))
@FORMAT
@attached
def history(console: Console, last: int, form: str) -> None:
    """List what maintenance was done, by hand or by schedule, newest first."""
    runs = schedules.history(console.store, console.deployment, most=last)
    if form == "json":
        print_document([terminal_maintain.run_document(run) for run in runs])
    else:
        terminal_maintain.print_history(runs)


# --- schedules


@maintain.group(invoke_without_command=True)
@click.pass_context
def schedule(ctx: click.Context) -> None:
    """List, add, pause, resume and remove schedules: nightly, or some days of the week.

    `lsconsole serve` and `lsconsole worker` carry them out.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@schedule.command("list")
@FORMAT
@attached
def list_(console: Console, form: str) -> None:
    """List the schedules, the next to begin first."""
    rows = schedules.listed(console.store, console.deployment)
    if form == "json":
        print_document([terminal_maintain.schedule_document(row) for row in rows])
    else:
        terminal_maintain.print_schedules(rows)


@schedule.command()
@click.argument("action", type=click.Choice(["vacuum", "vacuum_analyze", "analyze", "reindex_table", "advice",
                                             "sqlite_analyze"]))  # fmt: skip
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--advised", is_flag=True, help="Instead of names: the tables the advisor names by then.")
@click.option("--from", "start", required=True, metavar="HH:MM", help="The window begins, in UTC.")
@click.option("--to", "end", required=True, metavar="HH:MM", help="The window ends; what still runs is cancelled.")
@click.option("--days", metavar="mon,sun", help="Days of the week; every day without it.")
@click.option("--reason", default="", help="Why; kept with every run.")
@attached
def add(console: Console, action: str, tables: tuple[str, ...], advised: bool, start: str, end: str, days: str | None,
        reason: str) -> None:  # fmt: skip
    """Add a schedule: lsconsole maintain schedule add vacuum_analyze --advised --from 02:30 --to 05:00"""
    target: dict[str, Any] = {"advice": True} if advised or action == "advice" else {"tables": list(tables)}
    try:
        row = schedules.create(
            console.store, console.deployment, action=action, target=target, days=_days(days), window_start=start,
            window_end=end, by=who(), reason=reason,
        )  # fmt: skip
    except Invalid as invalid:
        raise Refused(" ".join(" ".join(told) for told in invalid.fields.values())) from None
    click.echo(f"Schedule {row.id}: {terminal.harmless(row.title)}, {schedules.when(row)} UTC, first on "
               f"{row.next_at:%Y-%m-%d %H:%M} UTC.")  # fmt: skip


@schedule.command()
@click.argument("number", type=int)
@attached
def pause(console: Console, number: int) -> None:
    """Pause a schedule until it is resumed."""
    row = schedules.switch(console.store, console.deployment, number, enabled=False)
    click.echo(f"Schedule {row.id} is paused.")


@schedule.command()
@click.argument("number", type=int)
@attached
def resume(console: Console, number: int) -> None:
    """Let a paused schedule run again from its next window on."""
    row = schedules.switch(console.store, console.deployment, number, enabled=True)
    click.echo(f"Schedule {row.id} runs again, next on {row.next_at:%Y-%m-%d %H:%M} UTC.")


@schedule.command()
@click.argument("number", type=int)
@attached
def remove(console: Console, number: int) -> None:
    """Remove a schedule; its runs stay in the history."""
    schedules.remove(console.store, console.deployment, number)
    click.echo(f"Schedule {number} is removed.")


@schedule.command()
@click.argument("number", type=int)
@click.option("--hours", default=4.0, show_default=True, type=click.FloatRange(0.01, 48), help="Stop after so long.")
@click.option("--apply", "do_apply", is_flag=True, help="Do it. Without it, print what would be done.")
@click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")
@attached
def run(console: Console, number: int, hours: float, do_apply: bool, reason: str | None) -> None:
    """Work through a schedule now, outside of its window."""
    row = schedules.get(console.store, console.deployment, number)
    if do_apply and not (reason or "").strip():
        raise Refused("--apply needs --reason; it is kept in the audit log. A ticket number is enough.")
    if not do_apply:
        terminal_maintain.print_advice(schedules.steps(console.deployment, row), hint=False)
        click.echo("\nNothing was done. Add --apply --reason TEXT to do it.")
        return
    until = datetime.now(UTC) + timedelta(hours=hours)
    with terminal.progress("Maintaining") as progress, stoppable() as stopped:
        done = scheduled.work_through(
            console, number, until, by=who(), reason=reason or "", progress=progress, stopped=stopped
        )
    terminal_maintain.print_history([done])
    if done.status not in {"done", "stopped"}:
        raise SystemExit(1)


def _days(text: str | None) -> list[int]:
    names = [name.strip().lower()[:3] for name in (text or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in DAYS]
    if unknown:
        raise Refused(f"{', '.join(unknown)} is no day; write {','.join(DAYS)}.")
    return [DAYS.index(name) for name in names]


# --- doing it


def _is_file(console: Console) -> bool:
    return console.deployment.kind == "sqlite"


def _steps(console: Console, action: str, tables: Sequence[str], advised: bool) -> list[Maintain]:
    if advised and tables:
        raise Refused("Give names, or --advised; not both.")
    if advised:
        return [item.step for item in advisor.steps_of(advisor.advice(console.deployment), action)]
    if _is_file(console):
        if tables:
            raise Refused("A SQLite file is maintained as a whole; leave the table out.")
        return [Maintain(action, "")]
    if not tables:
        raise Refused("Name a table, or --advised. `lsconsole database` lists the tables.")
    return [Maintain(action, name, schema="") for name in tables]


def _reindexed(console: Console, name: str) -> Maintain:
    """A table of this name, else the index."""
    if console.deployment.schema.has_table(name):
        return Maintain("reindex_table", name, schema="")
    return Maintain("reindex_index", "", name, schema="")


def _act(
    console: Console,
    steps: Sequence[Maintain],
    sure: bool,
    *,
    advised: bool,
    do_apply: bool,
    reason: str | None,
    form: str,
) -> None:
    """Show what would be done; with --apply do it. Raises Refused when something forbids it."""
    if do_apply and not (reason or "").strip():
        raise Refused("--apply needs --reason; it is kept in the audit log. A ticket number is enough.")
    if not steps:
        click.echo("[]" if form == "json" else "The advisor names nothing of this kind.")
        return
    seen = [preview.preview(console.deployment, step.action, step.table, step.index, step.schema) for step in steps]
    steps = [Maintain(step.action, found.table, step.index, found.schema, found.size_bytes)
             for step, found in zip(steps, seen, strict=True)]  # fmt: skip
    if form == "text":
        terminal_maintain.print_previews(seen)
    applied: dict[str, Any] | None = None
    refused = [found for found in seen if not found.allowed]
    if do_apply and refused:
        raise Refused(f"{refused[0].subject}: {refused[0].refusals[0]}")
    if do_apply:
        _be_sure(seen, sure)
        applied = _apply(console, steps, reason or "")
    if form == "json":
        print_document({"steps": [terminal_maintain.preview_document(found) for found in seen], "applied": applied})
    elif applied:
        terminal_maintain.print_applied(applied)
    elif not refused:
        click.echo("\nNothing was done. Add --apply --reason TEXT to do it.")
    if applied and applied["done"] < len(steps):
        raise SystemExit(1)


def _be_sure(seen: Sequence[Preview], sure: bool) -> None:
    """VACUUM FULL is asked for twice."""
    heavy = next((found for found in seen if found.action.heavy), None)
    if heavy is None or sure:
        return
    phrase = f"{heavy.action.title} {heavy.table}".strip()
    click.echo(f"{heavy.lock}", err=True)
    try:
        typed = click.prompt(f"Type “{phrase}” to go on", default="", show_default=False, err=True)
    except click.Abort:  # nobody is there to type
        typed = ""
    if typed.strip() != phrase:
        raise Refused("Not confirmed; nothing was done. In a script, add --yes.")


def _apply(console: Console, steps: Sequence[Maintain], reason: str) -> dict[str, Any]:
    plan = console.plan_steps(
        steps, code="sqlite" if _is_file(console) else "pg", fix_id="maintain", by=who(),
        title=maintenance_plans.title(steps),
    )  # fmt: skip
    with terminal.progress("Maintaining") as progress, stoppable() as stopped:
        outcome = console.apply(
            plan.id, by=who(), reason=reason, seen=plan.fingerprint, progress=progress, stopped=stopped, verify=False
        )
    runs = [
        run for run in schedules.history(console.store, console.deployment, most=len(steps)) if run.plan_id == plan.id
    ]
    return {"status": plans.get(console.store, plan.id).status, "done": outcome.rows, "message": outcome.message,
            "audit_id": outcome.audit_seq, "runs": [terminal_maintain.run_document(run) for run in reversed(runs)]}  # fmt: skip


@contextmanager
def stoppable() -> Iterator[Any]:
    """The first Ctrl-C asks the work to stop, which it does within two seconds; the second ends the command."""
    asked = [False]

    def ask(_signal: int, _frame: Any) -> None:
        if asked[0]:
            raise KeyboardInterrupt
        asked[0] = True
        click.echo("Stopping…", err=True)

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked[0]
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
