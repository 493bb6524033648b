"""Task locks: who is at a task now, so that a label stream does not give it to more people than its overlap.

Source: Label Studio's `tasks/models.py` (`Task.has_lock`, `set_lock`, `release_lock`, `get_lock_exclude_query`).
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, false, func, or_, select

from .db import Db
from .overlap import IGNORE_SKIPPED, REQUEUE_FOR_ME

LOCKS = "tasks_tasklock"
TTL_SECONDS = 86_400
"""Label Studio's `TASK_LOCK_TTL` without a setting."""


def is_free(db: Db, skip_queue: str | None, ground_truth_is_free: bool) -> ColumnElement[bool]:
    """Condition on `task`: live locks of other people and counting annotations leave room for the caller.

    Ground truths never count; with `ground_truth_is_free` (annotator evaluation) a task that has one has always room.
    """
    tasks, annotations, locks = db.table("task"), db.table("task_completion"), db.table(LOCKS)
    taken = _number(
        select(func.count()).where(
            locks.c.task_id == tasks.c.id, locks.c.expire_at > db.now, locks.c.user_id != db.caller.id
        ),
        tasks,
    )
    ignored = or_(annotations.c.ground_truth.is_(True), _requeued(db, skip_queue))
    made = _number(select(func.count()).where(annotations.c.task_id == tasks.c.id, ~ignored), tasks)
    room = taken + made < tasks.c.overlap
    return or_(room, has_ground_truth(db)) if ground_truth_is_free else room


def has_ground_truth(db: Db) -> ColumnElement[bool]:
    """Condition on `task`: one of its annotations is a ground truth."""
    tasks, annotations = db.table("task"), db.table("task_completion")
    return exists(
        select(annotations.c.id).where(annotations.c.task_id == tasks.c.id, annotations.c.ground_truth.is_(True))
    ).correlate(tasks)


def held_by_caller(db: Db) -> ColumnElement[bool]:
    """Condition on `task`: the caller holds a live lock on it."""
    tasks, locks = db.table("task"), db.table(LOCKS)
    return exists(
        select(locks.c.id).where(
            locks.c.task_id == tasks.c.id, locks.c.user_id == db.caller.id, locks.c.expire_at > db.now
        )
    ).correlate(tasks)


def take(db: Db, task_id: int, overlap: int, ttl_seconds: int | None = None) -> None:
    """Lock a task for the caller, or lengthen the lock; expired locks of the task go. Nothing when others fill it."""
    locks = db.table(LOCKS)
    here = locks.c.task_id == task_id
    rows = db.rows(select(locks.c.user_id, locks.c.expire_at).where(here))
    alive = [row.user_id for row in rows if row.expire_at is not None and row.expire_at > db.now]
    until = db.now + timedelta(seconds=ttl_seconds or TTL_SECONDS)
    if len(alive) < overlap:
        if any(row.user_id == db.caller.id for row in rows):
            db.update(LOCKS, and_(here, locks.c.user_id == db.caller.id), {"expire_at": until})
        else:
            db.insert(
                LOCKS,
                {
                    "task_id": task_id, "user_id": db.caller.id, "expire_at": until, "unique_id": new_unique_id(db),
                    "created_at": db.now,
                },
            )  # fmt: skip
    if len(alive) < len(rows):
        db.delete(LOCKS, and_(here, locks.c.expire_at < db.now))


def release(db: Db, task_id: int) -> None:
    """End the caller's lock on a task; expired locks of others go along."""
    locks = db.table(LOCKS)

    def build() -> Any:
        mine_or_dead = or_(locks.c.user_id == bindparam("caller_id"), locks.c.expire_at < bindparam("now"))
        return delete(locks).where(locks.c.task_id == bindparam("released"), mine_or_dead)

    values = {"caller_id": db.caller.id, "now": db.now, "released": task_id}
    db.connection.execute(db.once("locks.release", build), values)


def unique_id(db: Db, task_id: int) -> str | None:
    """The caller's lock on a task, as text with hyphens."""
    locks = db.table(LOCKS)
    if "unique_id" not in locks.c:
        return None
    found = db.value(select(locks.c.unique_id).where(locks.c.task_id == task_id, locks.c.user_id == db.caller.id))
    return str(uuid.UUID(str(found))) if found else None


def new_unique_id(db: Db) -> str:
    """A fresh UUID as the database stores it: SQLite keeps 32 hexadecimal digits."""
    fresh = uuid.uuid4()
    return str(fresh) if db.postgresql else fresh.hex


def _requeued(db: Db, skip_queue: str | None) -> ColumnElement[bool]:
    """Condition on annotations: skipped, and the project gives the task on in spite of it."""
    annotations = db.table("task_completion")
    mine = func.coalesce(annotations.c.completed_by_id, 0) == db.caller.id
    skipped = annotations.c.was_cancelled.is_(True)
    if skip_queue == IGNORE_SKIPPED:
        return false()
    return and_(skipped, mine) if skip_queue == REQUEUE_FOR_ME else and_(skipped, ~mine)


def _number(statement: Any, tasks: Any) -> Any:
    return statement.correlate(tasks).scalar_subquery()
