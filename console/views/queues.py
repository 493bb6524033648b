"""Label Studio's queues, workers and failed jobs, as they stand in Redis. Reading takes no job and repairs no registry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, render_template

from ..app import the_console
from ..auth import requires
from ..deployment.queues import JobState, QueueReader, QueueState, WorkerState
from ..errors import Unknown
from ..masking import mask_text
from ..state import runs
from . import present
from .sizes import bytes_text

bp = Blueprint("queues", __name__, url_prefix="/queues")

#: Failed jobs that are read for the groups, over all queues.
FAILED_READ = 300
#: Characters shown of an error's last line.
ERROR_CHARS = 300
#: Workers and queues that the page lists.
MOST_LINES = 200
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
    reader = console.deployment.redis
    empty: dict[str, Any] = {
        "facts": [],
        "queues": [],
        "workers": [],
        "failed": [],
        "failed_total": 0,
        "failed_shown": 0,
    }
    findings = runs.findings_of_area(console.store, console.deployment.identity, "jobs")
    items = [present.finding_item(finding) for finding in findings]
    if reader is None:
        return render_template("queues/index.html", redis=None, findings=items, **empty)
    redis = {"version": None, "address": _address(console.settings.redis_url or ""), "problem": None}
    try:
        values = _values(reader, redis)
    except Unknown as problem:
        return render_template("queues/index.html", redis=redis | {"problem": str(problem)}, findings=items, **empty)
    return render_template("queues/index.html", redis=redis, findings=items, **values)


def _address(url: str) -> str:
    """Host, port and database; no user, no password."""
    try:
        parts = urlsplit(url)
        where = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        return "an address that cannot be read"
    database = parts.path.strip("/")
    return mask_text(f"{where}, database {database}" if database.isdigit() else where)


def _values(reader: QueueReader, redis: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    info = reader.info()
    redis["version"] = info.version
    queues, workers = reader.queues(now), reader.workers(now)
    stopped = reader.suspended()
    failed_total = sum(queue.failed for queue in queues)
    jobs = _failed_jobs(reader, queues)
    facts = _facts(queues, workers, failed_total)
    if info.used_memory_bytes is not None:
        limit = f"of {bytes_text(info.maxmemory_bytes)}" if info.maxmemory_bytes else "no limit set"
        facts.append(_fact("Memory", bytes_text(info.used_memory_bytes), limit))
    return {
        "facts": facts, "queues": [_queue(queue, now) for queue in queues[:MOST_LINES]],
        "workers": [_worker(worker, now, stopped) for worker in workers[:MOST_LINES]],
        "failed": _groups(jobs), "failed_total": failed_total, "failed_shown": len(jobs),
    }  # fmt: skip


def _facts(queues: Sequence[QueueState], workers: Sequence[WorkerState], failed: int) -> list[dict[str, Any]]:
    waiting, running = sum(queue.waiting for queue in queues), sum(queue.started for queue in queues)
    alive = sum(worker.alive for worker in workers)
    dead = len(workers) - alive
    oldest = min((queue.oldest_enqueued_at for queue in queues if queue.oldest_enqueued_at), default=None)
    return [
        _fact("Waiting", f"{waiting:,}", f"oldest since {oldest:%Y-%m-%d %H:%M} UTC" if oldest else "nothing waits"),
        _fact("Running", f"{running:,}", f"scheduled: {sum(queue.scheduled for queue in queues):,}"),
        _fact("Failed", f"{failed:,}", "kept in Redis", "warning" if failed else None),
        _fact(
            "Workers alive",
            f"{alive:,}",
            f"{dead:,} gone without signing off" if dead else "all answer",
            "warning" if dead or not alive else None,
        ),
    ]


def _fact(label: str, figure: str, note: str, glyph: str | None = None) -> dict[str, Any]:
    return {"label": label, "figure": figure, "unit": None, "note": note, "glyph": glyph, "spark": None, "spark_label": None}  # fmt: skip


def _queue(queue: QueueState, now: datetime) -> dict[str, Any]:
    served = queue.workers_alive > 0
    needed = queue.waiting > 0
    return {
        "name": mask_text(queue.name), "waiting": queue.waiting, "running": queue.started, "failed": queue.failed,
        "oldest_seconds": (now - queue.oldest_enqueued_at).total_seconds() if queue.oldest_enqueued_at else None,
        "workers": queue.workers_alive, "state": "pass" if served else "error" if needed else "not_applicable",
    }  # fmt: skip


def _worker(worker: WorkerState, now: datetime, stopped: bool) -> dict[str, Any]:
    state = "stale" if not worker.alive else worker.state if worker.state in {"busy", "idle", "suspended"} else "idle"
    return {
        "name": mask_text(worker.name), "host": mask_text(worker.hostname or ""), "why": worker.why_dead,
        "state": "suspended" if stopped and state == "idle" else state, "queues": [mask_text(name) for name in worker.queues[:20]],
        "job": worker.current_job, "heartbeat_seconds": (now - worker.last_heartbeat).total_seconds() if worker.last_heartbeat else None,
    }  # fmt: skip


def _failed_jobs(reader: QueueReader, queues: Sequence[QueueState]) -> list[tuple[str, JobState]]:
    """The newest failed jobs of every queue, each queue getting its share of what is read."""
    with_failures = [queue for queue in queues if queue.failed]
    found: list[tuple[str, JobState]] = []
    for place, queue in enumerate(with_failures):
        share = (FAILED_READ - len(found)) // (len(with_failures) - place)
        if share > 0:
            found += [(queue.name, job) for job in reader.failed(queue.name, limit=share)[1]]
    return found


def _groups(jobs: Sequence[tuple[str, JobState]]) -> list[dict[str, Any]]:
    """Failed jobs by queue, function and last line of the traceback (numbers in it aside), largest group first."""
    groups: dict[tuple[str, str, str], list[tuple[str, datetime | None]]] = {}
    for queue, job in jobs:
        error = "The job is gone, its entry is left" if job.gone else job.exception_line or "No traceback was kept"
        alike = re.sub(r"[0-9]+|[0-9a-f]{12,}", "#", error)  # the same error about another object
        key = (alike, job.function or "unknown function", queue)
        groups.setdefault(key, []).append((error, job.ended_at or job.created_at))
    items = []
    for (_, function, queue), failures in groups.items():
        error = failures[0][0]
        known = [moment for _, moment in failures if moment]
        others = len({text for text, _ in failures}) - 1
        items.append({
            "error": mask_text(error[:ERROR_CHARS]), "function": mask_text(function), "queue": mask_text(queue),
            "jobs": len(failures), "others": others, "first": min(known, default=None), "last": max(known, default=None),
            "hint": next((hint for word, hint in _HINTS if word in error), None),
        })  # fmt: skip
    return sorted(items, key=lambda item: -item["jobs"])
