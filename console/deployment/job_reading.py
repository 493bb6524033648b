"""Reads single jobs: bounded, sizes first, so that a value of 100 MB is named instead of fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .job_arguments import About, Argument, read_call
from .redis_reading import ReadOnlyRedis
from .rq_values import (
    JOB_FIELDS,
    MOST_VALUE_BYTES,
    REGISTRIES,
    JobState,
    function_in,
    gone_job,
    job_state,
    name_text,
    parse_score,
)

CHUNK = 100
MOST_EXECUTIONS = 100
MOST_DEPENDENTS = 100
#: A stream of results that takes more is left alone; rq writes a few kB per result and keeps ten.
MOST_STREAM_BYTES = 4 * 1024 * 1024
_WITHOUT_EXCEPTION = {b"finished", b"queued", b"deferred", b"scheduled"}


@dataclass(frozen=True)
class JobDetail:
    """Everything that is known of one job.

    `places` names where it is listed now: queued and the registries' states; none at all is a lost job. `position`
    counts from 1 for the next to be taken, None when it does not wait. `executions` are those running (rq 2 and later),
    `runs` the results that rq kept. `expires_in_seconds` None: its hash is kept for good.
    """

    job: JobState
    serializer: str | None
    arguments: tuple[Argument, ...]
    meta: tuple[Argument, ...]
    about: About
    places: tuple[str, ...]
    position: int | None
    waiting: int | None
    executions: int
    runs: int | None
    depends_on: tuple[tuple[str, str | None], ...]
    dependents: tuple[str, ...]
    until: datetime | None
    expires_in_seconds: int | None
    data_bytes: int
    problems: tuple[str, ...]


class JobReader:
    """Jobs by id, over one connection. Ids are bytes here: rq lets the caller choose them."""

    def __init__(self, redis: ReadOnlyRedis, prefix: str) -> None:
        self.redis = redis
        self._prefix = prefix

    def key(self, name: str, member: bytes = b"") -> bytes:
        return f"{self._prefix}:{name}".encode() + member

    def listed(self, queue: bytes, state: str) -> bytes:
        """The key that lists the jobs of this state."""
        return self.key("queue:", queue) if state == "queued" else self.key(f"{REGISTRIES[state]}:", queue)

    def jobs(self, job_ids: Sequence[bytes]) -> Iterator[JobState]:
        for start in range(0, len(job_ids), CHUNK):
            yield from self._chunk(job_ids[start : start + CHUNK])

    def _chunk(self, ids: Sequence[bytes]) -> list[JobState]:
        found = self.hashes([self.key("job:", job_id) for job_id in ids], JOB_FIELDS)
        told = [values or {} for values in found]
        there = [index for index, values in enumerate(told) if values]
        self._add_results(told, ids, [index for index in there if told[index]["status"] not in _WITHOUT_EXCEPTION])
        # What was called stands in the description, unless the caller wrote one of its own.
        asked = [index for index in there if not function_in(told[index]["description"])]
        rows = self.hashes([self.key("job:", ids[index]) for index in asked], ("data",))
        for index, row in zip(asked, rows, strict=True):
            told[index]["data"] = row["data"] if row else None
            told[index]["too_large"] |= row["too_large"] if row else {}
        return [
            job_state(name_text(job_id), values) if values else gone_job(name_text(job_id), wrong_type=row is None)
            for job_id, values, row in zip(ids, told, found, strict=True)
        ]

    def hashes(self, keys: Sequence[bytes], fields: Sequence[str]) -> list[dict[str, Any] | None]:
        """Fields per hash, those larger than MOST_VALUE_BYTES by size under `too_large` and None in their place.

        A hash that does not exist, or has none of the fields, is an empty dict; None stands for a key that is no hash.
        """
        sizes = self.redis.pipeline([("HSTRLEN", key, field) for key in keys for field in fields])
        rows: list[dict[str, Any] | None] = []
        wanted: list[tuple[int, tuple[str, ...]]] = []
        for index in range(len(keys)):
            told = sizes[index * len(fields) : (index + 1) * len(fields)]
            if any(isinstance(size, Exception) for size in told):
                rows.append(None)
                continue
            row: dict[str, Any] = {}
            if any(told):
                row = dict.fromkeys(fields)
                row["too_large"] = {f: size for f, size in zip(fields, told, strict=True) if size > MOST_VALUE_BYTES}
                fitting = (f for f, size in zip(fields, told, strict=True) if 0 < size <= MOST_VALUE_BYTES)
                wanted.append((index, tuple(fitting)))
            rows.append(row)
        wanted = [(index, names) for index, names in wanted if names]
        answers = self.redis.pipeline([("HMGET", keys[index], *names) for index, names in wanted])
        for (index, names), values in zip(wanted, answers, strict=True):
            row = rows[index] or {}
            if isinstance(values, list):  # else the key changed its type between two looks
                row.update(zip(names, values, strict=True))
        return rows

    def _add_results(self, told: list[dict[str, Any]], ids: Sequence[bytes], chosen: Sequence[int]) -> None:
        keys = [self.key("results:", ids[index]) for index in chosen]
        for index, result in zip(chosen, self.newest_results(keys), strict=True):
            told[index]["results"] = result
            if isinstance(result, int):
                told[index]["too_large"]["results"] = result

    def newest_results(self, keys: Sequence[bytes]) -> list[Any]:
        """The newest entry of each stream (a list of at most one), or its size where it is larger than we want."""
        sizes = self.redis.try_pipeline([("MEMORY USAGE", key, "SAMPLES", 20) for key in keys])
        fits = [not isinstance(size, int) or size <= MOST_STREAM_BYTES for size in sizes]
        asked = [key for key, fit, size in zip(keys, fits, sizes, strict=True) if fit and size is not None]
        answers = iter(self.redis.pipeline([("XREVRANGE", key, "+", "-", "COUNT", 1) for key in asked]))
        return [None if size is None else next(answers) if fit else size for fit, size in zip(fits, sizes, strict=True)]

    def detail(self, job_id: bytes) -> JobDetail | None:
        """One job with its arguments and its places, or None when its hash is no more."""
        [job] = self._chunk([job_id])
        if job.gone:
            return None
        key = self.key("job:", job_id)
        [row] = self.hashes([key], ("data", "meta"))
        row = row or {"data": None, "meta": None, "too_large": {}}
        call = read_call(row["data"], row["meta"])
        problems = [
            *job.problems,
            *(f"{name} has {size:,} bytes and was not read" for name, size in row["too_large"].items()),
        ]
        problems += [call.problem] if call.problem and "data" not in row["too_large"] else []
        places, until, position, waiting, executions = self._places(job_id, (job.origin or "").encode())
        told = self.redis.try_pipeline([
            ("TTL", key), ("HSTRLEN", key, "data"), ("XLEN", self.key("results:", job_id)),
            ("SSCAN", self.key("job:", job_id + b":dependents"), 0, "COUNT", MOST_DEPENDENTS),
        ])  # fmt: skip
        lives, data_bytes, runs, dependents = told
        return JobDetail(
            job=job,
            serializer=call.serializer,
            arguments=call.arguments,
            meta=call.meta,
            about=_merged(call.about, job.about),
            places=places,
            position=position,
            waiting=waiting,
            executions=executions,
            runs=runs if isinstance(runs, int) else None,
            depends_on=self._statuses(job.depends_on),
            dependents=tuple(_member_ids(dependents)),
            until=until,
            expires_in_seconds=lives if isinstance(lives, int) and lives >= 0 else None,
            data_bytes=data_bytes if isinstance(data_bytes, int) else 0,
            problems=tuple(dict.fromkeys(problems)),
        )

    def _places(
        self, job_id: bytes, queue: bytes
    ) -> tuple[tuple[str, ...], datetime | None, int | None, int | None, int]:
        """States whose lists name the job, the registry's moment, its place in the queue and how many wait, executions."""
        waiting_key = self.key("queue:", queue)
        commands: list[tuple[Any, ...]] = [("ZSCORE", self.listed(queue, state), job_id) for state in REGISTRIES]
        commands += [("LPOS", waiting_key, job_id), ("LLEN", waiting_key)]
        commands += [("ZRANGE", self.key("executions:", job_id), 0, MOST_EXECUTIONS - 1)]
        *scores, position, waiting, executions = self.redis.try_pipeline(commands)
        found = {state: score for state, score in zip(REGISTRIES, scores, strict=True) if isinstance(score, bytes)}
        running = [run for run in executions if isinstance(run, bytes)] if isinstance(executions, list) else []
        if running and "started" not in found:
            keys = [("ZSCORE", self.listed(queue, "started"), job_id + b":" + run) for run in running]
            scores = [score for score in self.redis.try_pipeline(keys) if isinstance(score, bytes)]
            found |= {"started": scores[0]} if scores else {}
        places = tuple(
            state for state in ("queued", *REGISTRIES) if state in found or (state == "queued" and _told(position))
        )
        moments = [moment for score in found.values() if (moment := parse_score(score))]
        place = position + 1 if isinstance(position, int) else None
        return places, next(iter(moments), None), place, waiting if isinstance(waiting, int) else None, len(running)

    def _statuses(self, job_ids: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
        """The jobs that are waited for, each with its status; None when it is gone."""
        rows = self.hashes([self.key("job:", job_id.encode()) for job_id in job_ids], ("status",))
        return tuple(
            (job_id, name_text(row["status"])[:100] if row and row["status"] else None)
            for job_id, row in zip(job_ids, rows, strict=True)
        )


def _told(answer: Any) -> bool:
    return isinstance(answer, int)


def _member_ids(answer: Any) -> list[str]:
    members = answer[1] if isinstance(answer, list) and len(answer) == 2 else []
    return sorted(name_text(member) for member in members[:MOST_DEPENDENTS])


def _merged(first: About, second: About) -> About:
    """What the arguments tell, and where they do not, the description."""
    return About(
        project_id=first.project_id or second.project_id,
        storage=first.storage or second.storage,
        organization_id=first.organization_id or second.organization_id,
        user_id=first.user_id or second.user_id,
        row=first.row or second.row,
    )
