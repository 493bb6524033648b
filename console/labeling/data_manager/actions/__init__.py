"""What can be done to many tasks at once. Each action takes the tasks a query found and the request's body.

Source: Label Studio's `data_manager/actions`. Everything happens in one transaction, by statements whose number does not
grow with the tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from ...db import Db
from .. import columns, listing, ordering
from ..columns import Scope
from ..query import Query

#: JSON results read at a time where something has to look into them.
ROWS_AT_ONCE = 1000


@dataclass
class Chosen:
    """The tasks an action is for, in the order of the query; ids are read once, before anything changes."""

    scope: Scope
    ids: Sequence[int]
    #: whether these are all tasks of the project
    all: bool = False

    @property
    def db(self) -> Db:
        return self.scope.db

    @property
    def project_id(self) -> int:
        return self.scope.project_id

    @property
    def listed(self) -> Any:
        """A SELECT of the ids."""
        tasks = self.scope.tasks
        if self.all:
            return select(tasks.c.id).where(tasks.c.project_id == self.project_id)
        return columns.listed(self.db, self.ids)


Perform = Callable[[Chosen, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Action:
    """One entry of the list of actions. `permission` is one name or several; `form` makes the fields to ask for."""

    id: str
    title: str
    order: int
    permission: str | list[str]
    perform: Perform
    about: str = ""
    form: Callable[[Scope], list[dict[str, Any]]] | None = None
    hidden: bool = False
    #: further keys of the entry, in its order: `experimental`, `reload`
    extra: Mapping[str, Any] = field(default_factory=dict)
    dialog_title: str = ""

    def shown(self) -> dict[str, Any]:
        """The entry as clients see it."""
        dialog: dict[str, Any] = {"title": self.dialog_title} if self.dialog_title else {}
        dialog |= {"text": self.about, "type": "confirm"}
        if self.form is not None:
            dialog["form"] = None
        entry = {"id": self.id, "title": self.title, "order": self.order, "permission": self.permission}
        return entry | dict(self.extra) | {"dialog": dialog}


def choose(scope: Scope, query: Query) -> Chosen:
    """The tasks of a query. Nothing ticked (`all` false, `included` empty) is no task. Raises Invalid."""
    db, tasks = scope.db, scope.tasks
    ticked = query.selection
    if ticked is not None and not ticked.all and not ticked.included:
        return Chosen(scope, [])
    keys = ordering.keys(scope, query)
    conditions = listing.where(scope, query)
    own = tasks.c.project_id == scope.project_id
    ids = db.values(select(tasks.c.id).where(own, *conditions).order_by(*(key.by() for key in keys)))
    every = not conditions or len(ids) == db.value(select(func.count()).select_from(tasks).where(own))
    return Chosen(scope, ids, all=every)


def portions(db: Db, statement: Any) -> Iterator[list[Any]]:
    """Rows of a statement, some at a time."""
    rows = db.session.execute(statement.execution_options(yield_per=ROWS_AT_ONCE))
    for some in rows.partitions(ROWS_AT_ONCE):
        yield list(some)
