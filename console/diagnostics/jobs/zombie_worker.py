"""Workers are registered and dead, or say they work and have no job.

A worker that ends politely signs off. One that is killed (memory, a lost node, `kill -9`) leaves its registration: rq's
and Django's pages go on counting it, so the queue seems served while nobody takes its jobs. The registration itself ends
by time after at most eight minutes, its name in the lists of workers stays until another worker of the same queues tidies
up. A worker of rq 1 or 2 that says `busy` without naming a job hangs between two jobs.

What to do: nothing is lost by forgetting a dead registration; the repair does it. See that a live worker serves the same
queues, and look why the old one was killed (`kubectl describe pod`, `dmesg | grep -i oom`). A worker that hangs needs a
restart.

Source: the sets `rq:workers`, `rq:workers:<queue>` and the hash `rq:worker:<name>` with `last_heartbeat`, `state`,
`current_job`; rq's heartbeats come at least every 405 seconds, so ten minutes of silence is a dead worker.
"""

import time
from collections.abc import Iterator
from typing import Any

from ...deployment.queues import WorkerState
from .. import Context, Finding, Severity, check
from ..queue_changes import ForgetWorker
from ..redis_server import release
from ..workers import workers


@check(
    title="Every registered worker is alive",
    severity=Severity.WARNING,
    impact="Workers are counted that take no job",
    cause="They were killed and could not sign off.",
)
def zombie_worker(ctx: Context, second_look_seconds: float = 1) -> Iterator[Finding]:
    """One finding for the deployment. Rows: worker, host, queues, state, last heartbeat, what is wrong.

    Expired names alone are a remark: a rolling restart leaves some for minutes.
    """
    registered = workers(ctx)
    dead = [worker for worker in registered if _is_dead(worker)]
    stuck = _stuck(ctx, registered, second_look_seconds)
    if not dead and not stuck:
        return
    silent = [worker for worker in dead if worker.last_heartbeat]
    alive = len(registered) - len(dead)
    told = [
        f"{len(dead):,} dead" if dead else "",
        f"{len(stuck):,} busy without a job" if stuck else "",
    ]
    rows = [_row(worker, worker.why_dead) for worker in dead] + [
        _row(worker, "it says busy and names no job") for worker in stuck
    ]
    yield Finding(
        subject="deployment:redis", name="Redis",
        severity=Severity.WARNING if silent or stuck else Severity.INFO,
        summary=f"{len(rows):,} of {len(registered):,} registered workers are not at work"
                f" ({', '.join(part for part in told if part)}); {alive:,} alive",
        cause="" if dead else "They hang between two jobs.",
        evidence=ctx.evidence("SMEMBERS rq:workers; HMGET rq:worker:<name>", rows),
        fixes=("forget",) if dead else (),
    )  # fmt: skip


def _is_dead(worker: WorkerState) -> bool:
    """Those that signed off are on their way out: rq removes them within a minute."""
    return not worker.alive and worker.why_dead != "it has signed off"


def _stuck(ctx: Context, registered: list[WorkerState], pause_seconds: float) -> list[WorkerState]:
    """Busy without a job, twice in a row: rq writes both within moments."""
    suspects = {worker.name for worker in registered if _is_stuck(worker)}
    if not suspects:
        return []
    time.sleep(pause_seconds)
    return [worker for worker in workers(ctx) if worker.name in suspects and _is_stuck(worker)]


def _is_stuck(worker: WorkerState) -> bool:
    names_its_job = () < release(worker.rq_version or "") < (2, 7)  # rq 3 does not write `current_job`
    return names_its_job and worker.alive and worker.state == "busy" and not worker.current_job


def _row(worker: WorkerState, why: str | None) -> dict[str, Any]:
    return {"worker": worker.name, "host": worker.hostname, "queues": ", ".join(worker.queues), "state": worker.state,
            "last_heartbeat": worker.last_heartbeat, "why": why}  # fmt: skip


@zombie_worker.fix(title="Forget the dead registrations", reversible=False)
def forget(ctx: Context, finding: Finding) -> Iterator[ForgetWorker]:
    """One removal per dead registration; a worker that has sent a heartbeat since is left alone."""
    named = {row["worker"] for row in finding.evidence}
    for worker in workers(ctx):
        if worker.name in named and _is_dead(worker):
            last = worker.last_heartbeat.isoformat() if worker.last_heartbeat else ""
            yield ForgetWorker(worker.name, worker.queues, last)
