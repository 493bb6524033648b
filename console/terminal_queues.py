"""How queues, workers and jobs look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table

from .deployment.queues import JobDetail, JobGroup, JobState, QueueState, RedisInfo, WorkerState
from .diagnostics.job_functions import known
from .diagnostics.spans import span
from .doctor.exports import Told
from .masking import mask_text
from .terminal import counted, escape, make_out

TEXT_CHARS = 100
#: An id of rq's own making stands on one line.
ID_CHARS = 36
_STATES = {"waits": "cyan", "runs": "cyan", "lost": "red", "unknown": "magenta", "failed": "red", "done": "green"}


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _ago(moment: datetime | None, now: datetime) -> str:
    return span(now - moment) if moment else "–"


def print_queues(
    info: RedisInfo, states: Sequence[QueueState], workers: Sequence[WorkerState], suspended: bool, now: datetime
) -> None:
    """Queues and workers, what is wrong with them in colour."""
    out = make_out()
    memory = f", {info.used_memory_bytes / 2**20:,.0f} MB" if info.used_memory_bytes is not None else ""
    out.print(f"[bold]Redis {escape(info.version)}[/]{memory}, policy {escape(info.maxmemory_policy or 'unknown')}\n")
    if suspended:
        out.print("[yellow]All workers were told to take no new job (rq suspend).[/]\n")
    table = _table("Queue", "Waiting", "Oldest", "Running", "Failed", "Scheduled", "Deferred", "Workers")
    for state in states:
        starved = bool(state.waiting and not state.workers_alive)
        workers_text = f"[red]{state.workers_alive}[/]" if starved else str(state.workers_alive)
        table.add_row(
            escape(state.name), f"{state.waiting:,}", _ago(state.oldest_enqueued_at, now), f"{state.started:,}",
            f"[yellow]{state.failed:,}[/]" if state.failed else "0", f"{state.scheduled:,}", f"{state.deferred:,}", workers_text,
        )  # fmt: skip
    out.print(table)
    out.print()
    if not workers:
        out.print("[red]No worker is registered:[/] nothing in the background happens until one starts.")
        return
    table = _table("Worker", "Host", "State", "Listens to", "Job", "Done", "Heartbeat")
    for worker in workers:
        dead = f"[yellow]dead: {escape(worker.why_dead or '')}[/]"
        does = escape(worker.state or "unknown") if worker.alive else dead
        table.add_row(escape(worker.name), escape(worker.hostname or "–"), does, escape(", ".join(worker.queues)),
                      escape(worker.current_job or "–"), f"{worker.jobs_done:,}", _ago(worker.last_heartbeat, now))  # fmt: skip
    out.print(table)


def print_errors(found: Sequence[tuple[str, JobGroup]]) -> None:
    out = make_out()
    if not found:
        out.print("[green]No failed job is kept in Redis.[/]")
        return
    now = datetime.now(UTC)
    table = _table("Jobs", "24 h", "Queue", "Function", "Error", "Last", "An example")
    for queue, group in found:
        error = "its data is gone, the entry is left" if group.gone else group.example_error or "no traceback was kept"
        table.add_row(f"{group.jobs:,}", f"{group.recent:,}", escape(queue), escape(_name(group.function)),
                      escape(error[: 2 * TEXT_CHARS]), _ago(group.newest_at, now), escape(group.example_id))  # fmt: skip
    out.print(table)


def _name(function: str | None) -> str:
    """The function's last name: modules are long."""
    return (function or "cannot be told").rpartition(".")[2]


def print_jobs(queue: str, state: str, total: int, jobs: Sequence[JobState]) -> None:
    out = make_out()
    out.print(f"[bold]{counted(total, 'job', 'jobs')}[/] of {escape(queue)}: {state}\n")
    if not jobs:
        return
    now = datetime.now(UTC)
    table = _table("Job", "Function", "Belongs to", "Since", "Error" if state in {"failed", "canceled"} else "Worker")
    table.columns[0].min_width = min(max(len(job.id) for job in jobs), ID_CHARS)  # an id is there to be pasted
    for job in jobs:
        about = " ".join(
            part
            for part in (f"project {job.about.project_id}" if job.about.project_id else "", job.about.storage or "")
            if part
        )
        since = job.ended_at or job.started_at or job.enqueued_at or job.created_at
        last = job.exception_line if state in {"failed", "canceled"} else job.worker_name
        table.add_row(escape(job.id), "[dim]gone[/]" if job.gone else escape(_name(job.function)), escape(about), _ago(since, now),
                      escape((last or "–")[:TEXT_CHARS]))  # fmt: skip
    out.print(table)
    if total > len(jobs):
        out.print(f"[dim]{len(jobs):,} of {total:,} shown; --limit shows more.[/]")


def print_job(detail: JobDetail) -> None:
    """Everything that is known of one job."""
    out, job = make_out(), detail.job
    function = known(job.function)
    out.print(f"[bold]{escape(function.title if function else job.function or 'A job')}[/]  {escape(job.id)}")
    places = ", ".join(detail.places) or "in no queue and no registry: no worker will take it"
    out.print(
        f"{escape(job.function or 'function cannot be told')} on {escape(job.origin or 'no queue')}: {escape(places)}",
        soft_wrap=True,
    )
    if detail.position:
        out.print(f"{detail.position:,} of {detail.waiting:,} in its queue")
    for label, value in _about(detail):
        out.print(f"[dim]{label:14}[/] {escape(value)}", soft_wrap=True)
    for number, argument in enumerate(detail.arguments, 1):
        out.print(f"[dim]{escape(argument.name) or number:>14}[/] {escape(argument.text)}", soft_wrap=True)
    for problem in detail.problems:
        out.print(f"[yellow]{escape(problem)}[/]", soft_wrap=True)
    if job.exception:
        out.print(f"\n{escape(job.exception)}", soft_wrap=True)


def _about(detail: JobDetail) -> list[tuple[str, str]]:
    job, about = detail.job, detail.about
    told: list[tuple[str, Any]] = [
        ("Project", about.project_id), ("Storage", about.storage), ("Row", " ".join(about.row) if about.row else None),
        ("Asked for by", f"user {about.user_id}" if about.user_id else None), ("Worker", job.worker_name),
    ]  # fmt: skip
    times = (
        ("Created", job.created_at),
        ("Enqueued", job.enqueued_at),
        ("Started", job.started_at),
        ("Ended", job.ended_at),
    )
    told += [(name, f"{moment:%Y-%m-%d %H:%M:%S} UTC") for name, moment in times if moment]
    told.append(("Time limit", f"{job.timeout_seconds:,} s" if job.timeout_seconds else None))
    return [(name, mask_text(str(value))) for name, value in told if value]


def print_why(project: int, lines: Sequence[Told]) -> None:
    out = make_out()
    if not lines:
        out.print(f"Project {project} has no export snapshot and no import by file on record.")
        return
    for line in lines:
        out.print(
            f"[{_STATES[line.state]}]{line.state:8}[/] [bold]{escape(line.title)}[/] ({line.kind} {line.id}, {escape(line.status)})",
            soft_wrap=True,
        )
        out.print(f"         {escape(line.verdict)}", soft_wrap=True)
        if line.fix:
            out.print(f"         [bold]lsconsole fix {line.check}[/]", soft_wrap=True)
        elif line.check:
            out.print(f"         [dim]lsconsole check {line.check}[/]", soft_wrap=True)


_PROBED = {"taken": "green", "failed": "red", "waiting": "red", "refused": "yellow", "ok": "green", "skipped": "dim"}


def print_probes(probes: Sequence[dict[str, Any]]) -> None:
    """One line for each queue."""
    out = make_out()
    for probe in probes:
        out.print(f"[{_PROBED[probe['outcome']]}]{probe['outcome']:8}[/] [bold]{escape(probe['queue'])}[/]  {escape(probe['summary'])}",
                  soft_wrap=True)  # fmt: skip


def print_export(result: dict[str, Any]) -> None:
    """One line for each step."""
    out = make_out()
    for step in result["steps"]:
        out.print(f"[{_PROBED[step['state']]}]{step['state']:8}[/] [bold]{escape(step['name'])}[/]  {escape(step['message'])} "
                  f"[dim]{step['seconds']:.1f} s[/]", soft_wrap=True)  # fmt: skip
