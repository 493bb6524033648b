"""Which tasks of a project are exported, as windows of ids.

Ids are looked up a window at a time and tasks are then read by id: no transaction stays open while a slow client
reads, and a million ids are never held at once. Rows that come or go meanwhile may or may not be in the export, as in
Label Studio.

Source: `data_export/api.py ExportAPI.get` (direct export) and `data_export/mixins.py ExportMixin._get_filtered_tasks`
(snapshots). Conditions of a snapshot add up.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, exists, func, select

from ..db import Db
from .documents import within

#: Opens a short transaction of its own each time it is called.
Opened = Callable[[], AbstractContextManager[Db]]
OnlyOrExclude = Literal["only", "exclude"] | None
WINDOW = 50_000


@dataclass(frozen=True)
class Selection:
    """Conditions on tasks. `annotated_at_all` wants any annotation, skipped or not; `annotated` one that is not skipped.

    `tab` gives the conditions of a tab of the Data Manager.
    """

    project_id: int
    ids: tuple[int, ...] | None = None
    annotated_at_all: bool = False
    skipped: OnlyOrExclude = None
    finished: OnlyOrExclude = None
    annotated: OnlyOrExclude = None
    tab: Callable[[Db], Sequence[Any]] | None = None

    def windows(self, opened: Opened) -> Iterator[Sequence[int]]:
        """Ids in ascending order, some ten thousand at a time."""
        last = -1
        while True:
            with opened() as db:
                window = array("q", db.values(self.statement(db, last)))
            if window:
                yield window
            if len(window) < WINDOW:
                return
            last = window[-1]

    def count(self, db: Db) -> int:
        """How many tasks there are now, for showing progress."""
        return db.value(select(func.count()).select_from(self._all(db).subquery())) or 0

    def statement(self, db: Db, after: int) -> Any:
        tasks = db.table("task").c
        return self._all(db).where(tasks.id > after).order_by(tasks.id).limit(WINDOW)

    def _all(self, db: Db) -> Any:
        tasks = db.table("task").c
        statement = select(tasks.id).where(tasks.project_id == self.project_id, *self._conditions(db))
        if self.ids is not None:
            statement = statement.where(within(db, tasks.id, self.ids))
        return statement

    def _conditions(self, db: Db) -> Iterator[ColumnElement[bool]]:
        tasks, annotations = db.table("task").c, db.table("task_completion").c
        mine = annotations.task_id == tasks.id
        if self.annotated_at_all:
            yield exists().where(mine)
        if self.tab is not None:
            yield from self.tab(db)
        if self.finished:
            yield tasks.is_labeled.is_(self.finished == "only")
        for wanted, cancelled in ((self.skipped, True), (self.annotated, False)):
            found = exists().where(mine, annotations.was_cancelled.is_(cancelled))
            if wanted:
                yield found if wanted == "only" else ~found
