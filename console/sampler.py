"""A light look at the queues each minute and at the tables each hour, kept in our own store for the charts.

One look costs a handful of read commands, or four statements. What finished or failed since the look before is told by
the scores of rq's registries (`QueueReader.throughput`). Old samples are thinned out: they are charts, not history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select

from .deployment import Deployment, upkeep
from .diagnostics.workers import OWN_QUEUE
from .state import Store
from .state.models import QueueSample, TableSample

#: Looks at queues are this far apart; a gap is longer, and the chart shows it as one.
QUEUE_SECONDS = 60
TABLE_SECONDS = 3600
KEPT_QUEUES = timedelta(days=8)
KEPT_TABLES = timedelta(days=120)
#: Queues and tables that are sampled, the busiest and largest first.
MOST_QUEUES = 50
MOST_TABLES = 30


def sample(store: Store, deployment: Deployment, now: datetime | None = None) -> None:
    """Whatever is due. Raises Unknown when Redis or the database does not answer."""
    now = now or datetime.now(UTC)
    if _due(store, deployment, TableSample, now, TABLE_SECONDS):
        tables(store, deployment, now)
    if deployment.redis is not None and _due(store, deployment, QueueSample, now, QUEUE_SECONDS):
        queues(store, deployment, now)


def _due(
    store: Store, deployment: Deployment, kind: type[QueueSample] | type[TableSample], now: datetime, seconds: int
) -> bool:
    newest = select(func.max(kind.at)).where(kind.deployment == deployment.identity)
    with store.read() as session:
        last = session.scalar(newest)
    return last is None or now - last >= timedelta(seconds=seconds - 5)


def queues(store: Store, deployment: Deployment, now: datetime) -> int:
    """One sample of each queue, our own left out; returns how many."""
    reader = deployment.redis
    if reader is None:
        return 0
    found = [queue for queue in reader.queues(now) if queue.name != OWN_QUEUE][:MOST_QUEUES]
    newest = select(func.max(QueueSample.at)).where(QueueSample.deployment == deployment.identity)
    with store.read() as session:
        last = session.scalar(newest)
    ended = {queue.name: reader.throughput(queue.name, last) for queue in found} if last else {}
    rows = [
        {
            "deployment": deployment.identity, "at": now, "queue": queue.name[:200], "waiting": queue.waiting,
            "started": queue.started, "failed": queue.failed,
            "finished": ended[queue.name].finished if queue.name in ended else None,
            "failed_new": ended[queue.name].failed if queue.name in ended else None,
            "workers": queue.workers_alive,
            "oldest_seconds": (now - queue.oldest_enqueued_at).total_seconds() if queue.oldest_enqueued_at else None,
        }
        for queue in found
    ]  # fmt: skip
    with store.session() as session:
        if rows:
            session.execute(insert(QueueSample), rows)
        session.execute(
            delete(QueueSample)
            .where(QueueSample.deployment == deployment.identity, QueueSample.at < now - KEPT_QUEUES)
        )  # fmt: skip
    return len(rows)


def tables(store: Store, deployment: Deployment, now: datetime) -> int:
    """One sample of the largest tables and one, with an empty name, of the whole database; returns how many."""
    seen = upkeep.read(deployment)
    whole = {"table_name": "", "total_bytes": seen.size_bytes, "index_bytes": None, "live_rows": None,
             "dead_rows": None, "connections": seen.connections}  # fmt: skip
    rows = [whole] + [
        {"table_name": table.name[:200], "total_bytes": table.size_bytes, "index_bytes": None, "live_rows": table.rows,
         "dead_rows": table.dead, "connections": None}
        for table in seen.tables[:MOST_TABLES]
    ]  # fmt: skip
    with store.session() as session:
        session.execute(insert(TableSample), [row | {"deployment": deployment.identity, "at": now} for row in rows])
        session.execute(
            delete(TableSample)
            .where(TableSample.deployment == deployment.identity, TableSample.at < now - KEPT_TABLES)
        )  # fmt: skip
    return len(rows)


def queue_history(store: Store, deployment: Deployment, since: datetime) -> Sequence[Any]:
    """Samples of all queues since then, oldest first: at, queue, waiting, finished, failed_new, oldest_seconds."""
    columns = (QueueSample.at, QueueSample.queue, QueueSample.waiting, QueueSample.finished, QueueSample.failed,
               QueueSample.failed_new, QueueSample.workers, QueueSample.oldest_seconds)  # fmt: skip
    with store.read() as session:
        return session.execute(
            select(*columns).where(QueueSample.deployment == deployment.identity, QueueSample.at >= since)
            .order_by(QueueSample.at, QueueSample.queue)
        ).all()  # fmt: skip


def table_history(store: Store, deployment: Deployment, since: datetime, table: str = "") -> Sequence[TableSample]:
    """Samples of one table since then, oldest first; of the whole database for an empty name."""
    with store.read() as session:
        return session.scalars(
            select(TableSample)
            .where(TableSample.deployment == deployment.identity, TableSample.table_name == table, TableSample.at >= since)
            .order_by(TableSample.at)
        ).all()  # fmt: skip
