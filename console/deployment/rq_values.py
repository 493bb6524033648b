"""What rq keeps in Redis, told as plain values. No pickle is ever loaded, and no value is trusted to be well-formed.

Each release of rq writes the same fields a little differently: plain or zlib-packed text, times with and without
microseconds, the traceback in the job's hash (before 1.12) or in a stream beside it.
"""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..masking import mask_text

MOST_VALUE_BYTES = 256 * 1024  # larger ones are not fetched
MOST_TEXT = 32 * 1024  # characters shown
MOST_UNPACKED_BYTES = 1024 * 1024

JOB_FIELDS = ("status", "origin", "created_at", "enqueued_at", "started_at", "ended_at", "timeout", "worker_name")
JOB_TEXTS = ("description", "exc_info", "data")
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
    """One job. `gone`: a registry names it, its hash is no more. Texts are bounded and masked."""

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

    @property
    def exception_line(self) -> str | None:
        """The last line of the traceback: what to group by."""
        lines = (self.exception or "").strip().splitlines()
        return lines[-1].strip()[:500] if lines else None


def worker_state(name: str, row: dict[str, Any] | None, now: datetime, silent_after_seconds: int) -> WorkerState:
    """`row` None: the key is no hash; empty: it does not exist."""
    told: dict[str, bytes | None] = row or dict.fromkeys(WORKER_FIELDS)
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
    """From the fields of JOB_FIELDS, the sizes `<text>_bytes`, those texts that were fetched, and `results`."""
    description = _text(told.get("description"), MOST_TEXT)
    exception = _inflated(told.get("exc_info")) or _result_exception(told.get("results"))
    large = [field for field in JOB_TEXTS if told[f"{field}_bytes"] > MOST_VALUE_BYTES]
    return JobState(
        id=job_id,
        function=function_in(told.get("description")) or _function_of(told.get("data")),
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
        problems=tuple(f"{field} has {told[f'{field}_bytes']:,} bytes and was not read" for field in large),
    )


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
    masked = mask_text(raw.decode("utf-8", "backslashreplace"))
    return masked if len(masked) <= MOST_TEXT else "…" + masked[-MOST_TEXT:]


def function_in(description: bytes | None) -> str | None:
    """The function of `io_storages.s3.models.import_sync_background(…)`, as rq itself describes a call."""
    found = re.match(rb"[A-Za-z_][\w.<>]{0,300}(?=\()", description or b"")
    return found[0].decode("ascii") if found else None


def _function_of(data: bytes | None) -> str | None:
    """The first string of the pickled call, by walking opcodes; nothing is loaded. rq's JSON serializer is read too."""
    raw = _inflated(data)
    if not raw:
        return None
    if raw.startswith(b"["):
        try:
            call = json.loads(raw)
        except (ValueError, RecursionError):
            return None
        return call[0][:300] if call and isinstance(call[0], str) else None
    in_tuple = False  # a call is a tuple of four, which starts with a mark; a bare string names a class
    try:
        for opcode, argument, _ in pickletools.genops(raw):
            if in_tuple and isinstance(argument, str) and opcode.name.endswith(("STRING", "UNICODE", "UNICODE8")):
                return argument[:300]
            if opcode.name not in ("PROTO", "FRAME", "MARK"):
                return None
            in_tuple = opcode.name == "MARK"
    except (ValueError, EOFError, OverflowError, IndexError, KeyError):
        return None
    return None


def _result_exception(results: Any) -> bytes | None:
    """rq 1.12 and later keep results in a stream; the entry of a failure carries `exc_string`."""
    if not isinstance(results, list) or not results:
        return None
    _, fields = results[0]
    pairs = dict(zip(fields[::2], fields[1::2], strict=False)) if isinstance(fields, list) else {}
    encoded = pairs.get(b"exc_string")
    if not encoded or len(encoded) > MOST_UNPACKED_BYTES:
        return None
    try:
        return _inflated(base64.b64decode(encoded))
    except (binascii.Error, ValueError):
        return None


def _inflated(value: bytes | None) -> bytes | None:
    """Unpacked when it was packed, at most a megabyte of it."""
    if not value:
        return None
    try:
        return zlib.decompressobj().decompress(value, MOST_UNPACKED_BYTES)
    except zlib.error:
        return value[:MOST_UNPACKED_BYTES]


def job_id_of(member: bytes) -> bytes:
    """rq 2 writes `<job id>:<execution id>` into the started registry, where the execution is a bare UUID."""
    job_id, _, execution = member.rpartition(b":")
    return job_id if job_id and re.fullmatch(rb"[0-9a-f]{32}", execution) else member


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
