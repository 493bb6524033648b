"""Label Studio's queues, workers and failed jobs, as they stand in Redis. Reading takes no job and repairs no registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user

from .. import jobs, queue_plans, sampler
from ..amounts import bytes_text
from ..app import the_console
from ..auth import requires
from ..deployment.queues import JobGroup, QueueReader, QueueState, RedisInfo, WorkerState
from ..diagnostics.job_functions import Again, known
from ..diagnostics.workers import OWN_QUEUE
from ..errors import Refused, Unknown
from ..masking import mask_text
from ..state import runs
from . import present, queue_charts, queue_jobs
from .texts import seconds

bp = Blueprint("queues", __name__, url_prefix="/queues")

#: Characters shown of an error's last line.
ERROR_CHARS = 300
#: Workers and queues that the page lists, and groups of failed jobs.
MOST_LINES, MOST_GROUPS = 200, 30
#: Queues with a tab of their own above the failed jobs.
MOST_TABS = 8
#: What the charts show: hours, and the word for it.
SPANS = {"24": "24 hours", "168": "7 days"}
#: Share of Redis's memory or connections from which the fact carries a warning.
NEARLY_FULL = 0.85
#: A part of the error's last line -> what helps. The first that fits.
_HINTS = (
    ("JobTimeoutException", "It ran past its time limit: raise the limit, or give it less to do."),
    ("Work-horse", "The process was killed while it ran, mostly for memory."),
    ("ModuleNotFoundError", "The worker runs another release than the server: restart it on the same image."),
    ("ImportError", "The worker runs another release than the server: restart it on the same image."),
    ("AttributeError", "The worker may run another release than the server: compare the two images."),
    ("DoesNotExist", "The object was deleted before the job ran: it can be left behind."),
    ("OperationalError", "The database did not answer the worker."),
    ("AccessDenied", "The storage refused its key: open the storage's page."),
    ("FileNotFoundError", "The worker does not see the server's files: both need the same volume."),
    ("ConnectionError", "The worker could not reach another server."),
)


@bp.get("/")
@requires("look")
def index() -> str:
    console = the_console()
    findings = runs.findings_of_area(console.store, console.deployment.identity, "jobs")
    span = request.args.get("hours", "24")
    span, queue = span if span in SPANS else "24", request.args.get("queue", "")[: queue_jobs.LONGEST]
    common: dict[str, Any] = {
        "findings": [present.finding_item(finding) for finding in findings], "groups": [], "failed_total": 0, "read": 0,
        "complete": True, "charts": [], "live": None, "tabs": [], "most": queue_plans.MOST_JOBS,
        "refresh": request.args.get("refresh") != "off",
        "spans": [(text, _here(hours=hours, queue=queue), hours == span) for hours, text in SPANS.items()],
        "pause_url": _here(hours=span, queue=queue, refresh="off"), "resume_url": _here(hours=span, queue=queue, refresh=None),
        "probes": [present.job_item(job) for kind in ("queue probe", "export probe") for job in jobs.running(console.store, kind)],
        "may_probe": console.settings.write_probes, "asks_label_studio": bool(console.settings.label_studio_token),
    }  # fmt: skip
    reader = console.deployment.redis
    if reader is None:
        return render_template("queues/index.html", redis=None, **common)
    redis = {"version": None, "address": _address(console.settings.redis_url or ""), "problem": None}
    try:
        live = _live(reader, redis)
        chosen = [state for state in live["states"] if state.name == queue] or live["states"]
        groups, read, complete = _failed_groups(reader, chosen)
    except Unknown as problem:
        return render_template("queues/index.html", redis=redis | {"problem": str(problem)}, **common)
    now = datetime.now(UTC)
    start = now - timedelta(hours=int(span))
    samples = sampler.queue_history(console.store, console.deployment, start)
    total = sum(state.failed for state in chosen)
    return render_template("queues/index.html", redis=redis, **common | {
        "live": live, "groups": groups, "failed_total": total, "read": read, "complete": complete,
        "charts": queue_charts.all_of(samples, start, now), "tabs": _tabs(live["states"], queue, span),
    })  # fmt: skip


def _here(**given: str | None) -> str:
    """This page, with what is asked for and is not what it shows anyway."""
    usual = {"hours": "24", "queue": "", "refresh": "on"}
    asked = {"refresh": request.args.get("refresh")} | given
    return url_for("queues.index", **{name: value for name, value in asked.items() if value and value != usual[name]})  # type: ignore[arg-type]


def _tabs(states: Sequence[QueueState], queue: str, span: str) -> list[dict[str, Any]]:
    """Failed jobs of all queues, and of each that has some."""
    failing = [state for state in states if state.failed][:MOST_TABS]
    if len(failing) < 2:
        return []
    known_queue = queue in {state.name for state in failing}
    total = sum(state.failed for state in states)
    return [present.tab("all", total, _here(hours=span) + "#failed", current=not known_queue)] + [
        present.tab(mask_text(state.name[:60]), state.failed, _here(hours=span, queue=state.name) + "#failed",
                    current=state.name == queue)
        for state in failing
    ]  # fmt: skip


@bp.get("/live")
@requires("look")
def live() -> str:
    """What moves: numbers, queues, workers. The lists one selects from are not part of it."""
    reader = the_console().deployment.redis
    redis: dict[str, Any] = {"version": None, "address": "", "problem": None}
    if reader is None:
        return render_template("queues/_live.html", redis=None, live=None)
    try:
        return render_template("queues/_live.html", redis=redis, live=_live(reader, redis))
    except Unknown as problem:
        return render_template("queues/_live.html", redis=redis | {"problem": str(problem)}, live=None)


@bp.post("/probe")
@requires("fix")
def probe() -> Any:
    """Put a harmless job on each of Label Studio's queues and see it taken."""
    console = the_console()
    if not console.settings.write_probes:
        raise Refused(
            "A probe job is written into Label Studio's Redis, which the operator has to allow: start the console with "
            "LSCONSOLE_WRITE_PROBES=true."
        )
    queue_plans.need_redis(console)
    return _started("queue probe", "Probe the queues", {})


@bp.post("/export-probe")
@requires("fix")
def export_probe() -> Any:
    """Ask Label Studio itself for a real export, wait for it, compare it, and remove it again."""
    console = the_console()
    if not (console.settings.label_studio_url and console.settings.label_studio_token):
        raise Refused(
            "A real export is asked for through Label Studio's own API: name it in LSCONSOLE_LABEL_STUDIO_URL, and give a "
            "token of somebody who may export in LSCONSOLE_LABEL_STUDIO_TOKEN."
        )
    return _started("export probe", "Try a real export", {})


def _started(kind: str, title: str, arguments: dict[str, Any]) -> Any:
    console = the_console()
    under_way = jobs.running(console.store, kind)
    job = under_way[0] if under_way else jobs.start(console, kind, title, arguments, by=current_user.email)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


@bp.post("/workers/forget")
@requires("fix")
def forget() -> Any:
    """Plan the removal of dead workers' registrations."""
    names = request.form.getlist("worker")
    if not names:
        flash("Choose at least one worker.", "error")
        return redirect(url_for("queues.index"), 303)
    plan = queue_plans.plan_forget(the_console(), names, by=current_user.email)
    return redirect(url_for("plans.show", plan_id=plan.id), 303)


def _address(url: str) -> str:
    """Host, port and database; no user, no password."""
    try:
        parts = urlsplit(url)
        where = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        return "an address that cannot be read"
    database = parts.path.strip("/")
    return mask_text(f"{where}, database {database}" if database.isdigit() else where)


def _live(reader: QueueReader, redis: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    info = reader.info()
    redis["version"] = info.version
    states = [state for state in reader.queues(now) if state.name != OWN_QUEUE]
    workers = [worker for worker in reader.workers(now) if set(worker.queues) != {OWN_QUEUE}]
    stopped = reader.suspended()
    running = reader.jobs([worker.current_job for worker in workers[:MOST_LINES] if worker.current_job])
    titles = {job.id: _job_title(job.function) for job in running}
    return {
        "states": states, "facts": _facts(states, workers, info), "suspended": stopped, "at": now,
        "queues": [_queue(state, now) for state in states[:MOST_LINES]],
        "workers": [_worker(worker, now, stopped, titles) for worker in workers[:MOST_LINES]],
        "workers_total": len(workers),
        "dead": [worker.name for worker in workers if not worker.alive][:MOST_LINES],
    }  # fmt: skip


def _facts(states: Sequence[QueueState], workers: Sequence[WorkerState], info: RedisInfo) -> list[dict[str, Any]]:
    waiting, running = sum(state.waiting for state in states), sum(state.started for state in states)
    failed = sum(state.failed for state in states)
    alive = sum(worker.alive for worker in workers)
    dead = len(workers) - alive
    note = f"{dead:,} dead" if dead else "all answer" if alive else "none is registered"
    oldest = min((state.oldest_enqueued_at for state in states if state.oldest_enqueued_at), default=None)
    facts = [
        present.fact("Waiting", waiting, note=f"oldest since {oldest:%Y-%m-%d %H:%M} UTC" if oldest else "nothing waits"),
        present.fact("Running", running, note=f"scheduled: {sum(state.scheduled for state in states):,}"),
        present.fact("Failed", failed, note="kept in Redis", glyph="warning" if failed else None),
        present.fact("Workers alive", alive, note=note,
                     glyph="warning" if dead or not alive else None),
    ]  # fmt: skip
    if info.used_memory_bytes is not None:
        figure, _, unit = bytes_text(info.used_memory_bytes).partition(" ")
        limit = info.maxmemory_bytes
        full = bool(limit and info.used_memory_bytes > NEARLY_FULL * limit)
        note = f"of {bytes_text(limit)}, {info.maxmemory_policy or 'policy unknown'}" if limit else "no limit set"
        facts.append(present.fact("Memory", figure, unit=unit, note=note, glyph="warning" if full else None))
    if info.connected_clients is not None:
        full = bool(info.maxclients and info.connected_clients > NEARLY_FULL * info.maxclients)
        facts.append(present.fact("Connections", info.connected_clients, glyph="warning" if full else None,
                                  note=f"of {info.maxclients:,}" if info.maxclients else "limit not told"))  # fmt: skip
    return facts


def _queue(state: QueueState, now: datetime) -> dict[str, Any]:
    served, needed = state.workers_alive > 0, state.waiting > 0
    counts = {
        name: getattr(state, name) for name in ("started", "failed", "deferred", "scheduled", "finished", "canceled")
    }
    return {
        "name": state.name, "label": mask_text(state.name), "waiting": state.waiting, "counts": counts,
        "oldest": seconds((now - state.oldest_enqueued_at).total_seconds()) if state.oldest_enqueued_at else None,
        "workers": state.workers_alive, "state": "pass" if served else "error" if needed else "not_applicable",
        "problems": state.problems,
    }  # fmt: skip


def _job_title(function: str | None) -> str:
    entry = known(function)
    return entry.title if entry else mask_text((function or "a job").rpartition(".")[2][:60])


def _worker(worker: WorkerState, now: datetime, stopped: bool, titles: Mapping[str, str]) -> dict[str, Any]:
    state = "dead" if not worker.alive else worker.state if worker.state in {"busy", "idle", "suspended"} else "idle"
    return {
        "name": worker.name, "label": mask_text(worker.name), "host": mask_text(worker.hostname or ""), "pid": worker.pid,
        "why": worker.why_dead if not worker.last_heartbeat else None, "alive": worker.alive,
        "state": "suspended" if stopped and state == "idle" else state,
        "queues": [mask_text(name) for name in worker.queues[:20]], "job": worker.current_job,
        "job_title": titles.get(worker.current_job or ""),
        "rq": worker.rq_version, "done": worker.jobs_done, "failed": worker.jobs_failed,
        "heartbeat_seconds": (now - worker.last_heartbeat).total_seconds() if worker.last_heartbeat else None,
    }  # fmt: skip


def _failed_groups(reader: QueueReader, states: Sequence[QueueState]) -> tuple[list[dict[str, Any]], int, bool]:
    """Groups over all queues, the largest first; how many jobs they were told from, and whether that is all."""
    found, read, complete = [], 0, True
    since = datetime.now(UTC) - timedelta(hours=24)
    for state in states:
        if not state.failed:
            continue
        groups = reader.groups(state.name, "failed", since)
        read, complete = read + groups.looked_at, complete and groups.complete
        found += [_group(state.name, group) for group in groups.groups]
    return sorted(found, key=lambda group: -group["jobs"])[:MOST_GROUPS], read, complete


def _group(queue: str, group: JobGroup) -> dict[str, Any]:
    error = "The job is gone, its entry is left" if group.gone else group.example_error or "No traceback was kept"
    function = known(group.function)
    again = {
        Again.HARMLESS: "may run again",
        Again.REFUSED: "start it anew in Label Studio",
        Again.UNSAFE: "not safe to run again",
    }
    return {
        "error": mask_text(error[:ERROR_CHARS]), "function": mask_text(group.function or "unknown function"),
        "title": function.title if function else None, "queue": queue, "label": mask_text(queue), "jobs": group.jobs,
        "recent": group.recent, "first": group.oldest_at, "last": group.newest_at,
        "hint": next((hint for word, hint in _HINTS if word in error), None), "again": again[function.again] if function else None,
        "url": url_for("queue_jobs.index", queue=queue, state="failed", function=group.function or None,
                       error=group.exception or ""),
        "value": queue_jobs.group_value(queue, group.function, group.exception),
    }  # fmt: skip
