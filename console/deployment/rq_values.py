"""What rq keeps in Redis, told as plain values. No pickle is ever loaded, and no value is trusted to be well-formed.

Each release of rq writes the same fields a little differently: plain or zlib-packed text, times with and without
microseconds, the traceback in the job's hash (before 1.12) or in a stream beside it.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import pickletools
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..masking import mask_text
from .job_arguments import About, about_description, writable

MOST_VALUE_BYTES = 256 * 1024  # larger ones are not fetched
MOST_TEXT = 32 * 1024  # characters shown
MOST_UNPACKED_BYTES = 1024 * 1024
MOST_REMEMBERED_BYTES = 16 * 1024  # of a traceback, to be masked once only

JOB_FIELDS = (
    "status", "origin", "created_at", "enqueued_at", "started_at", "ended_at", "timeout", "worker_name", "description",
    "exc_info", "retries_left", "last_heartbeat", "dependency_ids", "dependency_id", "result_ttl", "failure_ttl",
)  # fmt: skip
#: Where jobs of a state are listed: a list of ids, or a sorted set of them.
REGISTRIES = {
    "started": "wip",
    "failed": "failed",
    "deferred": "deferred",
    "scheduled": "scheduled",
    "finished": "finished",
    "canceled": "canceled",
}
STATES = ("queued", *REGISTRIES)
WORKER_FIELDS = (
    "birth", "last_heartbeat", "queues", "pid", "hostname", "version", "state", "current_job", "death", "ip_address",
    "python_version", "successful_job_count", "failed_job_count", "total_working_time",
    "shutdown_requested_date",
)  # fmt: skip


@dataclass(frozen=True)
class QueueState:
    """Counts of one queue. A key of the wrong type counts 0 and is named in `problems`."""

    name: str
    waiting: int
    oldest_enqueued_at: datetime | None
    started: int
    failed: int
    deferred: int
    scheduled: int
    finished: int
    canceled: int
    workers_alive: int
    next_scheduled_at: datetime | None
    ever_used: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkerState:
    """One registered worker; `why_dead` is a sentence when it is not alive. `current_job` is a job id.

    `jobs_done` and `jobs_failed` count since its birth; rq leaves both out until the first job. A worker with
    `stopping_since` finishes its job and ends.
    """

    name: str
    hostname: str | None
    pid: int | None
    queues: tuple[str, ...]
    state: str | None
    current_job: str | None
    birth: datetime | None
    last_heartbeat: datetime | None
    rq_version: str | None
    alive: bool
    why_dead: str | None
    ip_address: str | None = None
    python_version: str | None = None
    jobs_done: int = 0
    jobs_failed: int = 0
    working_seconds: float = 0.0
    stopping_since: datetime | None = None
    heartbeat_age_seconds: float | None = None


@dataclass(frozen=True)
class JobState:
    """One job. `gone`: a registry names it, its hash is no more. Texts are bounded and masked.

    `until` is what its registry keeps beside it: a scheduled job's hour, the moment a finished or failed one is thrown
    away, the moment a started one counts as lost unless its worker speaks; a canceled one's end. None: for good, or not
    read from a registry. `about` is what its description tells; `QueueReader.detail` tells more.
    """

    id: str
    function: str | None
    status: str | None
    origin: str | None
    created_at: datetime | None
    enqueued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    timeout_seconds: int | None
    worker_name: str | None
    description: str | None
    exception: str | None
    gone: bool = False
    problems: tuple[str, ...] = ()
    retries_left: int | None = None
    last_heartbeat: datetime | None = None
    depends_on: tuple[str, ...] = ()
    result_seconds: int | None = None
    failure_seconds: int | None = None
    about: About = About()
    until: datetime | None = None

    @property
    def exception_line(self) -> str | None:
        """The last line of the traceback: what to group by."""
        return last_line(self.exception or "")


def worker_state(name: str, row: dict[str, Any] | None, now: datetime, silent_after_seconds: int) -> WorkerState:
    """`row` None: the key is no hash; empty: it does not exist."""
    told: dict[str, Any] = row or dict.fromkeys(WORKER_FIELDS)
    heartbeat = parse_time(told["last_heartbeat"])
    why = None
    if row is None:
        why = "its key is of another type than rq writes"
    elif not row:
        why = "its registration has expired: it ended without signing off"
    elif told["death"]:
        why = "it has signed off"
    elif heartbeat is None:
        why = "it never sent a heartbeat"
    elif (silence := (now - heartbeat).total_seconds()) > silent_after_seconds:
        why = f"its last heartbeat is {silence / 60:,.0f} min old"
    return WorkerState(
        name=name,
        hostname=_text(told["hostname"]),
        pid=_number(_text(told["pid"])),
        queues=tuple(queue for queue in (_text(told["queues"], 4000) or "").split(",") if queue),
        state=_text(told["state"]),
        current_job=_text(told["current_job"]),
        birth=parse_time(told["birth"]),
        last_heartbeat=heartbeat,
        rq_version=_text(told["version"]),
        alive=why is None,
        why_dead=why,
        ip_address=_text(told["ip_address"]),
        python_version=(_text(told["python_version"]) or "").partition(" ")[0] or None,
        jobs_done=_number(_text(told["successful_job_count"])) or 0,
        jobs_failed=_number(_text(told["failed_job_count"])) or 0,
        working_seconds=parse_seconds(told["total_working_time"]) or 0.0,
        stopping_since=parse_time(told["shutdown_requested_date"]),
        heartbeat_age_seconds=(now - heartbeat).total_seconds() if heartbeat else None,
    )


def job_state(job_id: str, told: dict[str, Any]) -> JobState:
    """From the fields of JOB_FIELDS, `data` where it was fetched, the newest of `results`, and what was `too_large`."""
    raw = told.get("description")
    description = _text(raw, MOST_TEXT)
    function = function_in(raw) or function_of(told.get("data"))
    exception = inflated(told.get("exc_info")) or result_exception(told.get("results"))
    return JobState(
        id=job_id,
        function=function,
        status=_text(told["status"]),
        origin=_text(told["origin"]),
        created_at=parse_time(told["created_at"]),
        enqueued_at=parse_time(told["enqueued_at"]),
        started_at=parse_time(told["started_at"]),
        ended_at=parse_time(told["ended_at"]),
        timeout_seconds=_number(_text(told["timeout"])),
        worker_name=_text(told["worker_name"]),
        description=mask_text(description) if description else None,
        exception=_traceback(exception) if exception else None,
        problems=tuple(f"{field} has {size:,} bytes and was not read" for field, size in told["too_large"].items()),
        retries_left=_number(_text(told["retries_left"])),
        last_heartbeat=parse_time(told["last_heartbeat"]),
        depends_on=_dependencies(told),
        result_seconds=_number(_text(told["result_ttl"])),
        failure_seconds=_number(_text(told["failure_ttl"])),
        about=about_description(description, function),
    )


def _dependencies(told: dict[str, Any]) -> tuple[str, ...]:
    """rq before 1.9 knew one job to wait for, later ones keep a JSON list of their ids."""
    try:
        found = json.loads(told["dependency_ids"] or b"[]")
    except (ValueError, RecursionError):
        found = []
    if isinstance(found, list) and found:
        return tuple(writable(str(job_id)[:500]) for job_id in found[:100])
    one = _text(told["dependency_id"])
    return (one,) if one else ()


def last_line(traceback: str) -> str | None:
    lines = traceback.strip().splitlines()
    return lines[-1].strip()[:500] if lines else None


def alike(line: str) -> str:
    """The line without what differs from one object to the next: errors that read the same are one group."""
    return _NUMBERS.sub("N", line)


_NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+")


def gone_job(job_id: str, wrong_type: bool = False) -> JobState:
    """A job that a registry names and that has no hash."""
    problems = ("its key is of another type than rq writes",) if wrong_type else ()
    return JobState(
        id=job_id,
        function=None,
        status=None,
        origin=None,
        created_at=None,
        enqueued_at=None,
        started_at=None,
        ended_at=None,
        timeout_seconds=None,
        worker_name=None,
        description=None,
        exception=None,
        gone=True,
        problems=problems,
    )


def _traceback(raw: bytes) -> str:
    """Masked, and cut at the front: what went wrong stands at the end."""
    return _masked_end(raw) if len(raw) <= MOST_REMEMBERED_BYTES else _masked_end.__wrapped__(raw[-4 * MOST_TEXT :])


@functools.lru_cache(maxsize=256)
def _masked_end(raw: bytes) -> str:
    """Masking is the dearest part of a page; one that is read again finds it done."""
    masked = mask_text(raw.decode("utf-8", "backslashreplace"))
    return masked if len(masked) <= MOST_TEXT else "…" + masked[-MOST_TEXT:]


def function_in(description: bytes | None) -> str | None:
    """The function of `io_storages.s3.models.import_sync_background(…)`, as rq itself describes a call."""
    found = re.match(rb"[A-Za-z_][\w.<>]{0,300}(?=\()", description or b"")
    return found[0].decode("ascii") if found else None


def function_of(data: bytes | None) -> str | None:
    """The first string of the pickled call, by walking opcodes; nothing is loaded. rq's JSON serializer is read too."""
    raw = inflated(data)
    if not raw:
        return None
    if raw.startswith(b"["):
        try:
            call = json.loads(raw)
        except (ValueError, RecursionError):
            return None
        return writable(call[0][:300]) if call and isinstance(call[0], str) else None
    in_tuple = False  # a call is a tuple of four, which starts with a mark; a bare string names a class
    try:
        for opcode, argument, _ in pickletools.genops(raw):
            if in_tuple and isinstance(argument, str) and opcode.name.endswith(("STRING", "UNICODE", "UNICODE8")):
                return writable(argument[:300])
            if opcode.name not in ("PROTO", "FRAME", "MARK"):
                return None
            in_tuple = opcode.name == "MARK"
    except (ValueError, EOFError, OverflowError, IndexError, KeyError):
        return None
    return None


def result_exception(results: Any) -> bytes | None:
    """rq 1.12 and later keep results in a stream; the entry of a failure carries `exc_string`."""
    if not isinstance(results, list) or not results:
        return None
    _, fields = results[0]
    pairs = dict(zip(fields[::2], fields[1::2], strict=False)) if isinstance(fields, list) else {}
    encoded = pairs.get(b"exc_string")
    if not encoded or len(encoded) > MOST_UNPACKED_BYTES:
        return None
    try:
        return inflated(base64.b64decode(encoded))
    except (binascii.Error, ValueError):
        return None


def inflated(value: bytes | None) -> bytes | None:
    """Unpacked when it was packed, at most a megabyte of it."""
    if not value:
        return None
    try:
        return zlib.decompressobj().decompress(value, MOST_UNPACKED_BYTES)
    except zlib.error:
        return value[:MOST_UNPACKED_BYTES]


def name_text(name: bytes) -> str:
    """A name as it can be shown: bytes that are no UTF-8 are written out."""
    return name.decode("utf-8", "backslashreplace")


def _text(value: bytes | None, most: int = 500) -> str | None:
    return value[:most].decode("utf-8", "backslashreplace") if value else None


def _number(value: str | bytes | None) -> int | None:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,18}", text.strip()) else None


def parse_time(value: bytes | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((value or b"")[:40].decode("ascii"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_seconds(value: bytes | None) -> float | None:
    """A duration rq adds up as a decimal number; nothing that is no plain number."""
    text = (value or b"")[:40].decode("ascii", "replace")
    return float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,25})?", text) else None


def parse_score(score: bytes | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(score), UTC) if score else None
    except (ValueError, OverflowError, OSError):
        return None
