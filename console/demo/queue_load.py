"""Queues as a deployment in trouble has them: real rq workers, real failures, a dead worker, a stuck job.

Two scenarios, because no Redis shows both: in `default` workers serve critical, high and default, so that `low` alone
is starved; in `no-workers` nobody serves anything.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis

from console.demo.processes import Child, DemoError, python_module
from console.demo.story import Story

MODULE = "console.demo.queue_process"
LIVE, BUSY, DEAD = "rqworker-main-7c9d5b64f-x2k4p", "rqworker-default-58f7c-9hd2m", "rqworker-default-58f7c-q7wzn"
DEAD_FOR_MINUTES = 43
STUCK_FOR_MINUTES = 161
STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass
class Workers:
    """Starts the workers of one demo and keeps those that live."""

    directory: Path
    redis_url: str
    database_url: str
    children: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = self.directory / "workers.log"
        self.redis: Redis = Redis.from_url(self.redis_url, decode_responses=True)

    def start(self, name: str, *queues: str, fill: bool = False) -> Child:
        """A worker process, which enqueues all jobs first when it is to `fill`, and runs those that belong to the past.

        It is ended without ceremony, since rq would wait for a stuck job.
        """
        role = "fill" if fill else "work"
        command = python_module(MODULE, role, self.redis_url, self.database_url, name, *queues)
        child = Child(f"worker {name}", command, self.log, polite=signal.SIGKILL)
        self.children.append(child)
        return child

    def wait_for(self, name: str, state: str, seconds: float = 30.0) -> None:
        """Returns once the worker says it is in this state."""
        give_up = time.monotonic() + seconds
        while self.redis.hget(f"rq:worker:{name}", "state") != state:
            if time.monotonic() > give_up or not all(child.running for child in self.children):
                raise DemoError(f"The demo's worker {name} is not {state}. Its log: {self.log}")
            time.sleep(0.03)

    def stop(self) -> None:
        """End every worker and what it runs."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop()
        self.redis.close()


def load(workers: Workers, story: Story, scenario: str) -> None:
    """Fill the queues, break what is to be broken, leave the rest running."""
    stuck = workers.start(BUSY, "default", fill=True)
    workers.wait_for(BUSY, "busy")
    _date_back_running_job(workers)
    if scenario == "default":
        workers.start(LIVE, "critical", "high", "default")
        workers.wait_for(LIVE, "idle")
    else:
        stuck.stop()
        _forget(workers.redis, BUSY)
    _tell(story, scenario)


def leave_dead_worker(workers: Workers) -> None:
    """Kill a worker of the still empty queues without notice.

    rq forgets it after 8 minutes; here the trace is made older and kept.
    """
    workers.wait_for(DEAD, "idle")
    workers.children.pop().stop()
    key = f"rq:worker:{DEAD}"
    dates = {"last_heartbeat": DEAD_FOR_MINUTES, "birth": DEAD_FOR_MINUTES + 400}
    workers.redis.hset(key, mapping={name: _stamp(minutes) for name, minutes in dates.items()})
    workers.redis.persist(key)


def _date_back_running_job(workers: Workers, seconds: float = 15.0) -> None:
    """The stuck export really runs; only the time it began is changed, once rq has written it."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        for execution in workers.redis.zrange("rq:wip:default", 0, -1):
            key = f"rq:job:{str(execution).partition(':')[0]}"
            if workers.redis.hget(key, "started_at"):
                workers.redis.hset(key, "started_at", _stamp(STUCK_FOR_MINUTES))
                return
        time.sleep(0.03)
    raise DemoError(f"The demo's stuck job did not begin. Its log: {workers.log}")


def _forget(redis: Redis, name: str) -> None:
    """What the worker's time to live does to a killed worker, at once."""
    key = f"rq:worker:{name}"
    redis.delete(key)
    for registry in redis.scan_iter("rq:workers*"):
        redis.srem(registry, key)


def _stamp(minutes_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).strftime(STAMP)


def _tell(story: Story, scenario: str) -> None:
    story.fault("jobs.backlog", "queue:low", "17 jobs wait, the oldest for most of an hour")
    story.twin("jobs.backlog", "queue:critical", "nothing waits")
    story.fault("jobs.failed", "queue:low", "syncs ended with AccessDenied")
    story.fault("jobs.failed", "queue:default", "exports ended with FileNotFoundError: the export directory is missing")
    story.twin("jobs.failed", "queue:high", "its jobs ended well")
    story.fault("jobs.zombie_worker", "deployment:redis", f"{DEAD} was killed and is still registered")
    story.twin("jobs.zombie_worker", f"worker:{LIVE}", "it lives, where the scenario has workers at all")
    story.fault("jobs.redis_persistence", "deployment:redis", "the demo's Redis writes nothing to disk")
    story.twin("jobs.redis_persistence", "deployment:database", "PostgreSQL does")
    if scenario == "default":
        story.fault("jobs.queue_starved", "queue:low", "live workers serve critical, high and default, none serves low")
        story.twin("jobs.queue_starved", "queue:default", "a live worker serves it, beside a dead and a stuck one")
        story.twin("jobs.no_worker", "deployment:redis", "two workers live; `scenario='no-workers'` plants this fault")
    else:
        story.fault("jobs.no_worker", "deployment:redis", "no worker is registered at all")
