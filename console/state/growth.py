"""How fast a database grows, from the samples that are taken of it each hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from .models import TableSample
from .store import Store

#: A week has days on which everybody works and days on which nobody does.
MIN_DAYS = 7


@dataclass(frozen=True)
class Growth:
    """What a database grew by."""

    since: datetime
    days: float
    from_bytes: int
    to_bytes: int
    #: of the slower half of that time: one import or one clean-up is no trend
    bytes_per_day: float


def growth(store: Store, deployment: str, since: datetime) -> Growth | None:
    """Growth of the whole database of this identity; None when the samples span less than a week."""
    asked = (
        select(TableSample.at, TableSample.total_bytes)
        .where(TableSample.deployment == deployment, TableSample.table_name == "", TableSample.at >= since,
               TableSample.total_bytes.is_not(None))
        .order_by(TableSample.at)
    )  # fmt: skip
    with store.read() as session:
        samples = [(row.at, int(row.total_bytes)) for row in session.execute(asked)]
    if not samples or samples[-1][0] - samples[0][0] < timedelta(days=MIN_DAYS):
        return None
    first, last = samples[0], samples[-1]
    half = first[0] + (last[0] - first[0]) / 2
    middle = min(samples, key=lambda sample: abs(sample[0] - half))
    rates = [(to[1] - start[1]) / _days(start[0], to[0])
             for start, to in ((first, middle), (middle, last)) if to[0] > start[0]]  # fmt: skip
    return Growth(first[0], _days(first[0], last[0]), first[1], last[1], min(rates) if len(rates) == 2 else 0.0)


def _days(start: datetime, end: datetime) -> float:
    return (end - start) / timedelta(days=1)
