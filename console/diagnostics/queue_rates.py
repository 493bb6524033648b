"""How fast a queue fills and empties, told from one look.

What ends is counted in the registries of finished and failed jobs. What comes in follows from the order: a queue is
first in, first out, so everything that came since the oldest waiting job still waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..deployment.queues import QueueState
from .check import Context
from .spans import span


@dataclass(frozen=True)
class Rates:
    """Jobs per minute. `watched` is the time in which ends were counted; `ended` how many there were."""

    coming: float
    ending: float
    ended: int
    watched: timedelta

    def left(self, waiting: int) -> timedelta | None:
        """How long it takes until those that wait now are done; None when nothing ends."""
        return timedelta(minutes=waiting / self.ending) if self.ending > 0 else None

    @property
    def grows(self) -> bool:
        return self.coming > self.ending


def rates(ctx: Context, queue: QueueState, window_minutes: float) -> Rates:
    """Rates of a queue in which something waits."""
    told = ctx.redis.throughput(queue.name, ctx.now - timedelta(minutes=window_minutes))
    # rq forgets finished jobs after minutes, failed ones after weeks: both are counted over the shorter time.
    watched = max(ctx.now - told.finished_since, timedelta(minutes=1))
    share = min(1.0, watched / max(ctx.now - told.since, timedelta(minutes=1)))
    ended = told.finished + round(told.failed * share)
    age = ctx.now - queue.oldest_enqueued_at if queue.oldest_enqueued_at else timedelta()
    coming = queue.waiting / (max(age, timedelta(minutes=1)) / timedelta(minutes=1))
    return Rates(coming, ended / (watched / timedelta(minutes=1)), ended, watched)


def told(queue: QueueState, seen: Rates) -> str:
    """The rest of a sentence: how long it will take, or that nothing moves."""
    left = seen.left(queue.waiting)
    if left is None:
        return f"none ended in the last {span(seen.watched)}"
    grows = " and more come in than end" if seen.grows else ""
    return f"at {per_minute(seen.ending)} they take {span(left)}{grows}"


def per_minute(rate: float) -> str:
    """`12 a minute`, `0.4 a minute`, `7 a day`."""
    if rate >= 0.1:
        return f"{rate:,.0f} a minute" if rate >= 10 else f"{rate:.1f} a minute"
    return f"{rate * 60:.1f} an hour" if rate * 60 >= 0.1 else f"{rate * 1440:.1f} a day"
