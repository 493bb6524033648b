"""Where jobs stand right now, read raw for writing: everything a change of them depends on, in few round trips."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .queue_keys import REGISTRIES, Keys, is_execution, job_of
from .redis_writing import Command
from .rq_values import name_text, parse_time

Ask = Callable[[Sequence[Command]], list[Any]]

FIELDS = (
    "status", "origin", "enqueued_at", "timeout", "ttl", "dependency_ids", "dependency_id", "group_id", "worker_name",
    "rate_limit_key",
)  # fmt: skip
#: A worker says something at least every 405 seconds.
WORKER_SILENT_SECONDS = 600
#: Bytes of one job that are kept for taking its change back; what is larger is not fetched.
MOST_KEPT_BYTES = 4 * 2**20
#: A field that decides what becomes of a job is a name, a time or a list of ids.
MOST_FIELD_BYTES = 64 * 1024
#: Where a job is looked for first: what a worker acts on comes before what only remembers.
_ORDER = ("started", "queued", "scheduled", "deferred", "failed", "canceled", "finished")
#: Places of a list that are read around a job that was found there.
WINDOW = 400
_ZSETS = tuple(name for name in REGISTRIES if name != "started")
_WORDS = {
    "queued": "waiting in its queue",
    "started": "running",
    "scheduled": "scheduled for later",
    "deferred": "waiting for another job",
    "failed": "among the failed jobs",
    "canceled": "canceled",
    "finished": "finished",
    "taken": "queued, but in no list: a worker is taking it right now",
    "nowhere": "in no list of its queue",
    "gone": "no longer in Redis",
}


@dataclass
class Standing:
    """One job as Redis has it. `fields` is empty when it has no hash; `wrong` is a sentence about a key of a wrong type."""

    job: bytes
    queue: bytes
    fields: dict[str, bytes] = field(default_factory=dict)
    wrong: str = ""
    scores: dict[str, bytes] = field(default_factory=dict)
    #: its place in the queue's list, 0 for the next to be taken; `near_end` when it is quicker found from behind
    waiting: int | None = None
    near_end: bool = False
    #: members of the started registry and their scores; rq 2 and later have one per execution
    running: list[tuple[bytes, bytes]] = field(default_factory=list)
    executions: list[bytes] = field(default_factory=list)
    #: the live worker that says it runs the job
    worker: str = ""
    size_bytes: int = 0

    @property
    def origin(self) -> bytes:
        return self.fields.get("origin") or self.queue

    @property
    def status(self) -> str:
        return name_text(self.fields.get("status", b""))

    @property
    def where(self) -> str:
        """The place that decides what becomes of the job; `gone`, `taken` or `nowhere` when it stands in none."""
        places = set(self.scores) | ({"started"} if self.running else set())
        places |= {"queued"} if self.waiting is not None else set()
        found = next((place for place in _ORDER if place in places), "")
        if found:
            return found
        if not self.fields:
            return "gone"
        return "taken" if self.status == "queued" else "nowhere"

    @property
    def words(self) -> str:
        return _WORDS[self.where]

    @property
    def members(self) -> list[bytes]:
        """`<job id>:<execution id>` of every execution that left a trace."""
        found = [member for member, _ in self.running if member != self.job]
        return list(dict.fromkeys([*found, *(self.job + b":" + execution for execution in self.executions)]))

    @property
    def dependencies(self) -> list[bytes]:
        """Ids of the jobs this one waits for."""
        single = self.fields.get("dependency_id")
        try:
            several = json.loads(self.fields.get("dependency_ids", b"[]"))
        except (ValueError, RecursionError):
            several = []
        several = several if isinstance(several, list) else []
        ids = [one.encode("utf-8", "surrogatepass") for one in several if isinstance(one, str)]
        return ids or ([single] if single else [])

    @property
    def is_being_run(self) -> bool:
        """A live worker runs it, or has just taken it and not said so yet."""
        if self.worker:
            return True
        fresh = any(_number(score) > datetime.now(UTC).timestamp() for _, score in self.running)
        return bool(self.running) and self.status != "started" and fresh


def look(ask: Ask, keys: Keys, jobs: Sequence[tuple[bytes, bytes]]) -> list[Standing]:
    """Where these (job, queue) stand."""
    found = [Standing(job, queue) for job, queue in jobs]
    _read_hashes(ask, keys, found)
    _read_started(ask, keys, found)
    _read_waiting(ask, keys, found)
    _check_types(ask, keys, found)
    return found


def _read_hashes(ask: Ask, keys: Keys, found: Sequence[Standing]) -> None:
    commands: list[Command] = []
    for job in found:
        commands += [("MEMORY USAGE", key, "SAMPLES", 0) for key in (keys.job(job.job), keys.results(job.job))]
        commands += [("ZSCORE", keys.place(name, job.queue), job.job) for name in _ZSETS]
    answers = iter(ask(commands))
    for job in found:
        sizes = [next(answers) for _ in range(2)]
        job.size_bytes = sum(size for size in sizes if isinstance(size, int))
        for name in _ZSETS:
            score = next(answers)
            if isinstance(score, Exception):
                job.wrong = f"The key {name_text(keys.place(name, job.queue))} is of another type than rq writes."
            elif score is not None:
                job.scores[name] = score
    _need_bounded_fields(ask, keys, [job for job in found if job.size_bytes > MOST_FIELD_BYTES])
    read = [job for job in found if not job.wrong]
    for job, values in zip(read, ask([("HMGET", keys.job(job.job), *FIELDS) for job in read]), strict=True):
        if isinstance(values, Exception):
            job.wrong = f"The key {name_text(keys.job(job.job))} is of another type than rq writes."
        else:
            job.fields = {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}


def _need_bounded_fields(ask: Ask, keys: Keys, large: Sequence[Standing]) -> None:
    """Anybody who writes to this Redis may have made a field as large as he liked: such a job is left alone."""
    sizes = iter(ask([("HSTRLEN", keys.job(job.job), name) for job in large for name in FIELDS]))
    for job in large:
        for name, size in [(name, next(sizes)) for name in FIELDS]:
            if isinstance(size, int) and size > MOST_FIELD_BYTES:
                job.wrong = f"Its field {name} has {size:,} bytes, which is nothing that rq writes."


def _read_started(ask: Ask, keys: Keys, found: Sequence[Standing]) -> None:
    """The started registry is as long as there are workers; it is read whole, since members carry execution ids."""
    queues = list({job.queue for job in found})
    members: dict[tuple[bytes, bytes], list[tuple[bytes, bytes]]] = {}
    listed = ask([("ZRANGE", keys.place("started", queue), 0, -1, "WITHSCORES") for queue in queues])
    for queue, answer in zip(queues, listed, strict=True):
        if isinstance(answer, Exception):
            continue  # named by `_check_types`
        for member, score in zip(answer[::2], answer[1::2], strict=True):
            members.setdefault((queue, job_of(member)), []).append((member, score))
    traced = ask([("ZRANGE", keys.executions(job.job), 0, -1) for job in found])
    for job, executions in zip(found, traced, strict=True):
        job.running = members.get((job.queue, job.job), [])
        job.executions = [] if isinstance(executions, Exception) else [one for one in executions if is_execution(one)]
    if any(job.running for job in found):
        busy = busy_workers(ask, keys)
        for job in found:
            job.worker = busy.get(job.job, "")


def busy_workers(ask: Ask, keys: Keys, now: datetime | None = None) -> dict[bytes, str]:
    """Job id -> name of the live worker that says it runs it.

    Until rq 2 that stands in the worker's hash; in rq 3 a worker has a set of its executions.
    """
    [names] = ask([("SMEMBERS", keys.workers)])
    lead = keys.worker(b"")
    names = [name.removeprefix(lead) for name in names] if not isinstance(names, Exception) else []
    commands: list[Command] = []
    for name in names:
        commands.append(("HMGET", keys.worker(name), "last_heartbeat", "death", "current_job"))
        commands.append(("SMEMBERS", keys.worker_executions(name)))
    answers = ask(commands)
    found: dict[bytes, str] = {}
    members: dict[bytes, str] = {}
    for name, row, executions in zip(names, answers[::2], answers[1::2], strict=True):
        if isinstance(row, Exception) or not is_alive(row[0], row[1], now):
            continue
        if row[2]:
            found[row[2]] = name_text(name)
        members |= dict.fromkeys([] if isinstance(executions, Exception) else executions, name_text(name))
    there = ask([("EXISTS", keys.execution(member)) for member in members])
    return found | {job_of(member): members[member] for member, alive in zip(members, there, strict=True) if alive}


def is_alive(heartbeat: bytes | None, death: bytes | None, now: datetime | None = None) -> bool:
    """Whether a worker's registration is that of a living one."""
    said = parse_time(heartbeat)
    silence = ((now or datetime.now(UTC)) - said).total_seconds() if said else None
    return not death and silence is not None and silence <= WORKER_SILENT_SECONDS


def _read_waiting(ask: Ask, keys: Keys, found: Sequence[Standing]) -> None:
    """A list is searched only for jobs that say they are queued, or stand nowhere else: it may be long.

    Jobs that are changed together mostly wait side by side, and a part of a list is read far quicker than it is searched.
    """
    asked = [job for job in found if job.status == "queued" or not (job.scores or job.running)]
    ends = {id(job): job for queue in {job.queue for job in asked} for job in _ends(asked, queue)}
    _search(ask, keys, list(ends.values()))
    around = [job for job in ends.values() if job.waiting is not None]
    fronts = [max(0, (job.waiting or 0) - WINDOW) for job in around]
    parts = ask([("LRANGE", keys.queue(job.queue), front, front + 2 * WINDOW)
                 for job, front in zip(around, fronts, strict=True)])  # fmt: skip
    seen: dict[tuple[bytes, bytes], int] = {}
    for job, front, part in zip(around, fronts, parts, strict=True):
        for place, name in enumerate(part if isinstance(part, list) else [], front):
            seen.setdefault((job.queue, name), place)
    rest = [job for job in asked if id(job) not in ends]
    for job in rest:
        job.waiting = seen.get((job.queue, job.job))
    _search(ask, keys, [job for job in rest if job.waiting is None])
    lengths = ask([("LLEN", keys.queue(job.queue)) for job in asked])
    for job, length in zip(asked, lengths, strict=True):
        job.near_end = job.waiting is not None and isinstance(length, int) and job.waiting > length // 2


def _ends(asked: Sequence[Standing], queue: bytes) -> list[Standing]:
    """The first and the last of these on a queue."""
    theirs = [job for job in asked if job.queue == queue]
    return theirs if len(theirs) < 3 else [theirs[0], theirs[-1]]


def _search(ask: Ask, keys: Keys, asked: Sequence[Standing]) -> None:
    answers = ask([("LPOS", keys.queue(job.queue), job.job) for job in asked])
    if any("unknown command" in str(answer).lower() for answer in answers if isinstance(answer, Exception)):
        answers = _positions(ask, keys, asked)  # Redis before 6.0.6
    for job, answer in zip(asked, answers, strict=True):
        job.waiting = None if isinstance(answer, Exception) else answer


def _positions(ask: Ask, keys: Keys, asked: Sequence[Standing]) -> list[int | None]:
    queues = list({job.queue for job in asked})
    lists = dict(zip(queues, ask([("LRANGE", keys.queue(queue), 0, -1) for queue in queues]), strict=True))
    places: dict[bytes, dict[bytes, int]] = {}
    for queue, ids in lists.items():
        known = places.setdefault(queue, {})
        for index, job in enumerate(ids if isinstance(ids, list) else []):
            known.setdefault(job, index)
    return [places[job.queue].get(job.job) for job in asked]


def _check_types(ask: Ask, keys: Keys, found: Sequence[Standing]) -> None:
    """A command that fails inside a transaction undoes nothing of the rest: so every key's type is known before."""
    wanted = {keys.queues: b"set"}
    for job in found:
        for queue in (job.queue, job.origin):
            wanted |= {keys.queue(queue): b"list", keys.place("canceled", queue): b"zset"}
            wanted |= {keys.intermediate(queue): b"list"}
        wanted |= {keys.place("started", job.queue): b"zset"}
        wanted |= dict.fromkeys(_sets_of(keys, job), b"set")
    types = dict(zip(wanted, ask([("TYPE", key) for key in wanted]), strict=True))
    wrong = {key for key, kind in types.items() if kind not in (b"none", wanted[key])}
    for job in found if wrong else ():
        theirs = {keys.queues, keys.queue(job.queue), keys.queue(job.origin), keys.place("started", job.queue)}
        theirs |= {keys.place("canceled", job.queue), keys.place("canceled", job.origin), keys.intermediate(job.queue)}
        theirs |= set(_sets_of(keys, job))
        for key in sorted(wrong & theirs):
            job.wrong = f"The key {name_text(key)} is of another type than rq writes."


def _sets_of(keys: Keys, job: Standing) -> list[bytes]:
    """Sets that may hold the job, beside registries."""
    group, worker = job.fields.get("group_id"), job.fields.get("worker_name")
    found = [keys.dependents(dependency) for dependency in job.dependencies]
    found += [keys.group(group)] if group else []
    return found + ([keys.worker_executions(worker)] if worker else [])


def _number(score: bytes) -> float:
    try:
        return float(score)
    except ValueError:
        return 0.0
