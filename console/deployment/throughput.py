"""How much a queue gets done, told from what rq still remembers.

A finished job is kept for `result_ttl` (500 s unless the caller says otherwise), a failed one for `failure_ttl` (Label
Studio: 30 days), and its place in the registry is its end plus that time. Where jobs of one registry are kept for
different times the count is an estimate. Workers count their jobs too (`WorkerState.jobs_done`), since their birth:
two looks at those, some minutes apart, are the better measure for a chart.

Source: `FinishedJobRegistry` and `FailedJobRegistry` of rq, 1.4 to 3.0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .job_reading import JobReader
from .rq_values import parse_score, parse_time

SAMPLE = 20
#: rq's defaults, where no job is left to learn from.
RESULT_SECONDS = 500
FAILURE_SECONDS = 365 * 24 * 3600
#: Nobody keeps jobs longer: a score beyond is no time of rq's.
MOST_SECONDS = 100 * FAILURE_SECONDS


@dataclass(frozen=True)
class Throughput:
    """Jobs that finished and failed since `since`; `finished_since` is later where rq has forgotten what was before.

    `exact` is False where jobs are kept for different times.
    """

    since: datetime
    finished: int
    finished_since: datetime
    failed: int
    exact: bool


def throughput(reader: JobReader, queue: bytes, since: datetime, now: datetime | None = None) -> Throughput:
    now = now or datetime.now(UTC)
    finished_kept, finished_alike = _kept_seconds(reader, queue, "finished", RESULT_SECONDS)
    failed_kept, failed_alike = _kept_seconds(reader, queue, "failed", FAILURE_SECONDS)
    finished_since = max(since, now - timedelta(seconds=finished_kept))
    bounds = (("finished", finished_since, finished_kept), ("failed", since, failed_kept))
    commands = [
        ("ZCOUNT", reader.listed(queue, state), moment.timestamp() + kept, "+inf") for state, moment, kept in bounds
    ]
    finished, failed = (0 if isinstance(count, Exception) else count for count in reader.redis.pipeline(commands))
    return Throughput(since, finished, finished_since, failed, finished_alike and failed_alike)


def _kept_seconds(reader: JobReader, queue: bytes, state: str, usual: int) -> tuple[int, bool]:
    """How long jobs of this state are kept, by the newest of them, and whether those agree."""
    [answer] = reader.redis.pipeline([("ZREVRANGE", reader.listed(queue, state), 0, SAMPLE - 1, "WITHSCORES")])
    if isinstance(answer, Exception) or not answer:
        return usual, True
    rows = reader.hashes([reader.key("job:", member) for member in answer[::2]], ("ended_at",))
    kept: Counter[int] = Counter()
    for row, score in zip(rows, answer[1::2], strict=True):
        ended, until = parse_time(row["ended_at"]) if row else None, parse_score(score)
        seconds = (until - ended).total_seconds() if ended and until else -1
        if 0 <= seconds <= MOST_SECONDS:
            kept[round(seconds / 5) * 5] += 1
    return (kept.most_common(1)[0][0], len(kept) == 1) if kept else (usual, True)
