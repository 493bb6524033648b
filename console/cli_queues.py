"""`lsconsole queues`: workers, queues and jobs as Redis holds them; requeue, cancel, delete, stop; probes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from click.core import ParameterSource

from . import queue_plans, subjects, terminal, terminal_queues
from .cli_maintain import stoppable
from .cli_options import attached, who
from .cli_storage import FORMAT, print_document
from .deployment.queues import STATES, Filter, QueueReader
from .diagnostics.report import readable
from .diagnostics.workers import OWN_QUEUE
from .doctor import export_probe, exports, queue_probe
from .errors import NotFound, Refused
from .queue_plans import Chosen
from .service import Console
from .state.models import PlanRow


@click.group(invoke_without_command=True)
@click.pass_context
def queues(ctx: click.Context, **given: Any) -> None:
    """Look into Label Studio's queues, workers and jobs, and act on jobs.

    \b
      lsconsole queues                                   queues and workers
      lsconsole queues errors                            failed jobs, grouped by error
      lsconsole queues why --project 12                  why its export or import does not end
      lsconsole queues jobs low --state queued           the jobs themselves
      lsconsole queues requeue default --function export_background            what would be done
      lsconsole queues requeue default --function export_background --apply --reason T-1
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, **given)
        return
    early = [name for name in given if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if early:
        raise click.UsageError(f"Write options behind {ctx.invoked_subcommand}, not before it.")


@queues.command()
@FORMAT
@attached
def show(console: Console, form: str) -> None:
    """Show every queue and every worker (what `lsconsole queues` does)."""
    reader, now = queue_plans.need_redis(console), datetime.now(UTC)
    info = reader.info()
    states = [state for state in reader.queues(now) if state.name != OWN_QUEUE]
    workers = [worker for worker in reader.workers(now) if set(worker.queues) != {OWN_QUEUE}]
    if form == "json":
        print_document({
            "redis": readable(asdict(info)), "suspended": reader.suspended(),
            "queues": [readable(asdict(state)) for state in states],
            "workers": [readable(asdict(worker)) for worker in workers],
        })  # fmt: skip
        return
    terminal_queues.print_queues(info, states, workers, reader.suspended(), now)


# The same options without a subcommand.
queues.params += show.params


def _need_queue(reader: QueueReader, name: str) -> None:
    """Raise NotFound for a queue that was never used and is not Label Studio's."""
    names = [state.name for state in reader.queues()]
    if name not in names:
        raise NotFound(f"There is no queue {name[:100]}. There is: {', '.join(names[:20])}.")


@queues.command()
@click.option("--queue", help="Only this queue.")
@FORMAT
@attached
def errors(console: Console, queue: str | None, form: str) -> None:
    """List failed jobs grouped by error and function, the largest group first."""
    reader = queue_plans.need_redis(console)
    since = datetime.now(UTC) - timedelta(hours=24)
    found = []
    with terminal.progress("Reading failed jobs") as progress:
        for state in reader.queues():
            if state.failed and queue in (None, state.name):
                progress(0, 0, state.name)
                found += [(state.name, group) for group in reader.groups(state.name, "failed", since, None).groups]
    found.sort(key=lambda item: -item[1].jobs)
    if form == "json":
        print_document([{"queue": name} | readable(asdict(group)) for name, group in found])
    else:
        terminal_queues.print_errors(found)


def _filters(function: Any) -> Any:
    """Options that choose jobs."""
    function = click.option("--state", type=click.Choice(STATES), help="Where the jobs stand.")(function)
    function = click.option("--function", default="", help="Part of the function's name.")(function)
    function = click.option("--text", default="", help="Part of id, arguments or the last line of the error.")(function)
    function = click.option("--project", type=int, help="Only jobs of this project.")(function)
    return click.option("--storage", default="", metavar="s3:N", help="Only jobs of this storage.")(function)


def _filter(function: str, text: str, project: int | None, storage: str) -> Filter:
    return Filter(function=function, text=text, project_id=project, storage=storage)


@queues.command()
@click.argument("queue")
@_filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@FORMAT
@attached
def jobs(console: Console, queue: str, state: str | None, function: str, text: str, project: int | None, storage: str,
         limit: int, form: str) -> None:  # fmt: skip
    """List the jobs of a queue that are in one state (failed, unless told otherwise)."""
    reader, wanted, chosen = (
        queue_plans.need_redis(console),
        _filter(function, text, project, storage),
        state or "failed",
    )
    _need_queue(reader, queue)
    if wanted.empty:
        page = reader.page(queue, chosen, 0, limit)
        total, listed = page.total, page.jobs
    else:
        with terminal.progress("Reading jobs"):
            found = reader.search(queue, chosen, wanted, 0, limit, budget_seconds=None)
        total, listed = found.matched, found.jobs
    if form == "json":
        print_document(
            {"queue": queue, "state": chosen, "total": total, "jobs": [readable(asdict(job)) for job in listed]}
        )
    else:
        terminal_queues.print_jobs(queue, chosen, total, listed)


@queues.command()
@click.argument("job_id")
@FORMAT
@attached
def job(console: Console, job_id: str, form: str) -> None:
    """Show one job: function, arguments (never unpickled), what it belongs to, times, exception."""
    detail = queue_plans.need_redis(console).detail(job_id)
    if detail is None:
        raise Refused(f"There is no job {job_id[:100]} in Redis (any more): finished ones vanish after minutes.")
    if form == "json":
        print_document(readable(asdict(detail)))
    else:
        terminal_queues.print_job(detail)


@queues.command()
@click.option(
    "--project", required=True, metavar="N|TITLE", help="Its number, or its title or a part that no other has."
)
@FORMAT
@attached
def why(console: Console, project: str, form: str) -> None:
    """Tell why a project's exports and imports do not end. Exit 1 when one needs somebody."""
    number = subjects.one_project(console, project)
    lines = exports.why(console.deployment, number, console.store)
    if form == "json":
        print_document([line.document() for line in lines])
    else:
        terminal_queues.print_why(number, lines)
    if any(line.is_wrong for line in lines):
        raise SystemExit(1)


@queues.command()
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(0.5, 600), help="Wait so long.")
@FORMAT
@attached
def probe(console: Console, names: tuple[str, ...], seconds: float, form: str) -> None:
    """Put a harmless job on each queue and see it taken; needs LSCONSOLE_WRITE_PROBES=true.

    The job does nothing and is removed again. Exit 1 when a queue did not take it in time.
    """
    queue_probe.need_leave(console.deployment)
    for name in names:
        _need_queue(queue_plans.need_redis(console), name)
    with terminal.progress("Probing") as progress, stoppable() as stopped:
        result = queue_probe.run(
            console.deployment, console.store, {"queues": list(names), "seconds": seconds}, by=who(), progress=progress,
            stopped=stopped,
        )  # fmt: skip
    if form == "json":
        print_document(result["probes"])
    else:
        terminal_queues.print_probes(result["probes"])
    if result["taken"] < len(result["probes"]):
        raise SystemExit(1)


@queues.command("try-export")
@click.option("--project", type=int, metavar="N", help="Of this project; the smallest with tasks otherwise.")
@click.option("--seconds", default=300.0, show_default=True, type=click.FloatRange(1, 7200), help="Wait so long.")
@FORMAT
@attached
def try_export(console: Console, project: int | None, seconds: float, form: str) -> None:
    """Ask Label Studio itself for an export, wait, download, compare, remove it again.

    Needs LSCONSOLE_LABEL_STUDIO_URL and LSCONSOLE_LABEL_STUDIO_TOKEN. Exit 1 when a step fails.
    """
    arguments = {"project_id": project, "seconds": seconds}
    with terminal.progress("Exporting") as progress, stoppable() as stopped:
        result = export_probe.run(
            console.deployment, console.store, arguments, by=who(), progress=progress, stopped=stopped
        )
    if form == "json":
        print_document(result)
    else:
        terminal_queues.print_export(result)
    if any(step["state"] != "ok" for step in result["steps"]):
        raise SystemExit(1)


# --- acting


def _action(name: str, state: str, doc: str) -> None:
    """One command for each action."""

    @queues.command(name, help=doc)
    @click.argument("queue")
    @click.argument("ids", nargs=-1, metavar="[ID]...")
    @_filters
    @click.option("--all", "every", is_flag=True, help="Every job in that state; needed when nothing else chooses.")
    @click.option("--apply", "do_apply", is_flag=True, help="Do it. Without it the plan is printed.")
    @click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")
    @FORMAT
    @attached
    def act(console: Console, queue: str, ids: tuple[str, ...], function: str, text: str, project: int | None,
            storage: str, every: bool, do_apply: bool, reason: str | None, form: str, **given: Any) -> None:  # fmt: skip
        wanted = _filter(function, text, project, storage)
        if do_apply and not (reason or "").strip():
            raise Refused("--apply needs --reason; it is kept in the audit log. A ticket number is enough.")
        if not ids and wanted.empty and not every:
            raise Refused("Name jobs by id, give a filter, or --all.")
        if ids and (every or not wanted.empty):
            raise Refused("Name jobs by id, or give a filter; not both.")
        _need_queue(queue_plans.need_redis(console), queue)
        chosen = Chosen(queue, given["state"] or state, ids, wanted)
        plan = queue_plans.plan_jobs(console, name, chosen, by=who())
        _carry_out(console, plan, reason if do_apply else None, form)


_action("requeue", "failed", "Put jobs into their queue again (failed ones, unless --state says otherwise).")
_action("cancel", "queued", "Take waiting jobs out of their queue; they stand among the canceled.")
_action(
    "delete", "failed", "Remove jobs from Redis (failed ones, unless --state says otherwise). Undo brings them back."
)
_action("stop", "started", "Stop running jobs: their worker ends the work and marks them failed. No undo.")


@queues.command()
@click.argument("workers", nargs=-1, required=True, metavar="WORKER...")
@click.option("--apply", "do_apply", is_flag=True, help="Do it. Without it the plan is printed.")
@click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")
@FORMAT
@attached
def forget(console: Console, workers: tuple[str, ...], do_apply: bool, reason: str | None, form: str) -> None:
    """Remove the registration that a dead worker left behind."""
    if do_apply and not (reason or "").strip():
        raise Refused("--apply needs --reason; it is kept in the audit log. A ticket number is enough.")
    plan = queue_plans.plan_forget(console, workers, by=who())
    _carry_out(console, plan, reason if do_apply else None, form)


def _carry_out(console: Console, plan: PlanRow, reason: str | None, form: str) -> None:
    """Print the plan; with a reason apply it."""
    from .cli_fix import plan_document

    if form == "text":
        terminal.print_plan(plan)
        for warning in queue_plans.warnings(plan, console.deployment.redis):
            click.echo(f"Mind: {terminal.harmless(warning)}")
    applied: dict[str, Any] = {}
    if reason is not None:
        with terminal.progress(plan.title) as progress, stoppable() as stopped:
            outcome = console.apply(
                plan.id,
                by=who(),
                reason=reason,
                seen=plan.fingerprint,
                progress=progress,
                stopped=stopped,
                verify=False,
            )
        applied = {
            "status": outcome.status,
            "done": outcome.rows,
            "message": outcome.message,
            "audit_id": outcome.audit_seq,
        }
    if form == "json":
        print_document(
            plan_document(plan) | {"warnings": queue_plans.warnings(plan, console.deployment.redis)} | applied
        )
    elif not applied:
        click.echo("\nNothing was done. Add --apply --reason TEXT to do it.")
    else:
        undo = f" Undo with: lsconsole undo {applied['audit_id']}" if plan.reversible else ""
        click.echo(
            f"\nDone: {applied['done']:,} of {plan.total:,}. {terminal.harmless(applied['message'])}".rstrip() + undo
        )
    if applied and applied["done"] < plan.total:
        raise SystemExit(1)
