"""How a failed job ended, told from the text rq keeps of it.

rq has one registry for every kind of failure. What to do differs: a job that ran into its time limit, one whose
pickle this worker cannot read, one that was killed from outside, and one that raised an exception of its own.

Source: the exceptions and sentences of rq 1.10 to 3.0 in its `worker`, `registry`, `timeouts`, `job` and `utils`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..deployment.queues import JobState
from .check import Context
from .workers import queues

#: Newest failed jobs of a queue that are read.
READ_JOBS = 500
#: Calls and errors that differ in ids, sizes and times alone are one group.
NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+")

_KILLED = re.compile(r"Work-horse (was )?terminated unexpectedly")
_FRAME = re.compile(r'^\s*File "(.*)", line \d+, in (\S+)', re.MULTILINE)
_CAUSE = re.compile(r"^(\w+(?:\.\w+)*(?:Error|Exception): .+)$", re.MULTILINE)


class Ending(enum.StrEnum):
    """The ways a job comes to stand among the failed."""

    ERROR = "error"
    TIMEOUT = "timeout"
    UNREADABLE = "unreadable"
    #: the process that ran it was killed, mostly for its memory
    KILLED = "killed"
    #: its worker vanished with it
    LOST = "lost"
    STOPPED = "stopped"


@dataclass(frozen=True)
class FailedJobs:
    """The newest failed jobs of one queue, and how many there are in all."""

    queue: str
    total: int
    jobs: list[JobState]

    @property
    def read(self) -> str:
        """The end of a sentence that says that not all were read; mostly empty."""
        return f"; the newest {len(self.jobs):,} were read" if self.total > len(self.jobs) else ""


def failed_jobs(ctx: Context) -> Iterator[FailedJobs]:
    """Every queue that has failed jobs."""
    for queue in queues(ctx):
        if queue.failed:
            yield FailedJobs(queue.name, *ctx.redis.failed(queue.name, READ_JOBS))


def ending_of(job: JobState) -> Ending:
    """How the job ended; ERROR when its own code raised, or when nothing is recorded."""
    text, last = job.exception or "", job.exception_line or ""
    if "JobTimeoutException" in last:
        return Ending.TIMEOUT
    if last.startswith("rq.exceptions.DeserializationError") or _failed_import(text):
        return Ending.UNREADABLE
    if _KILLED.match(last):
        return Ending.KILLED
    if last.startswith("Moved to FailedJobRegistry"):
        return Ending.LOST
    return Ending.STOPPED if last.startswith("Job stopped by user") else Ending.ERROR


def _failed_import(text: str) -> bool:
    """rq did not find the function: the innermost frame is its own import."""
    frames = _FRAME.findall(text)
    return (
        bool(frames)
        and frames[-1][1] == "import_attribute"
        and re.search(r"[/\\]rq[/\\]utils\.py$", frames[-1][0]) is not None
    )


def reason_of(job: JobState) -> str:
    """The line that says why; for a pickle that cannot be read the error below rq's own."""
    last = job.exception_line or "none recorded"
    if last.startswith("rq.exceptions.DeserializationError"):
        causes = _CAUSE.findall(job.exception or "")
        return causes[0][:500] if causes else last
    return last


def function_of(job: JobState) -> str:
    """The function as rows show it."""
    if job.gone:
        return "a job whose data has expired"
    return job.function or "a job that cannot be told"


def ended_at(job: JobState) -> datetime | None:
    return job.ended_at or job.started_at or job.enqueued_at


def within(ctx: Context, job: JobState, days: float) -> bool:
    """Whether it failed so lately. rq keeps failures for weeks, long after their cause was mended."""
    ended = ended_at(job)
    return ended is not None and ctx.now - ended <= timedelta(days=days)
