"""Tasks with the same data: keep one, move the annotations of the others to it, and delete them.

Source: Label Studio's `data_manager/actions/remove_duplicates.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Integer, Text, case, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from ....deployment.storages import KINDS
from ....errors import Conflict
from ... import overlap
from ...db import Db
from ...tasks_data import LINKED
from .. import columns
from . import Chosen, portions
from .delete import remove_tasks


@dataclass
class Twin:
    """One task of a group with equal data, and how many annotations it has."""

    id: int
    annotations: int


def remove_duplicates(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the first task of each group that has annotations, or its first task. Raises Conflict."""
    db, project_id = chosen.db, chosen.project_id
    groups = _groups(chosen)
    _share_links(db, groups)
    moved = _move_annotations(db, groups)
    if moved:
        db.record("moved annotations", f"project:{project_id}", rows=moved)
    leaving = [twin.id for group in groups for twin in _leaving(group)]
    annotations = db.table("task_completion")
    if leaving and db.value(
        select(annotations.c.id).where(annotations.c.task_id.in_(columns.listed(db, leaving))).limit(1)
    ):
        raise Conflict("A task that was about to be removed as a duplicate has annotations. Run the action again.")
    remove_tasks(Chosen(chosen.scope, leaving))
    overlap.recount_counters(db, project_id)
    overlap.settings_changed(db, overlap.rules(db, project_id), maximum=True, cohort=True)
    return {}


def _groups(chosen: Chosen) -> list[list[Twin]]:
    """Groups of more than one task with equal data, in the order of the tasks."""
    place = {task_id: number for number, task_id in enumerate(chosen.ids)}
    found: dict[Any, list[Twin]] = {}
    for key, twin in _keys(chosen):
        found.setdefault(key, []).append(twin)
    groups = [sorted(group, key=lambda twin: place[twin.id]) for group in found.values() if len(group) > 1]
    return sorted((group for group in groups), key=lambda group: place[group[0].id])


def _keys(chosen: Chosen) -> Iterator[tuple[Any, Twin]]:
    """Each task with what its data says, as short as can be."""
    db, tasks = chosen.db, chosen.scope.tasks
    first = next(iter(chosen.scope.data_types), None)
    data = tasks.c.data
    numbers = (tasks.c.id, *db.columns("task", "total_annotations", "cancelled_annotations"))
    if db.postgresql:
        named: Any = data
        if first is not None:
            undefined = literal(columns.UNDEFINED, Text)
            value_of = func.jsonb_build_object(literal(first, Text), data.op("->", return_type=JSONB())(undefined))
            renamed = data.op("-", return_type=JSONB())(undefined).op("||", return_type=JSONB())(value_of)
            named = case((data.op("?", is_comparison=True)(undefined), renamed), else_=data)
        value = func.md5(cast(named, Text)).label("key")
    else:
        value = db.raw(data).label("key")
    statement = select(value, *numbers).where(tasks.c.id.in_(chosen.listed))
    for some in portions(db, statement):
        for row in some:
            key = row.key if db.postgresql else _digest(row.key, first)
            yield key, Twin(row.id, sum(row[2:]))


def _digest(text: str | None, first: str | None) -> bytes:
    try:
        data = orjson.loads(text or "null")
    except orjson.JSONDecodeError:
        return (text or "").encode()
    if isinstance(data, dict) and columns.UNDEFINED in data and first is not None:
        data[first] = data.pop(columns.UNDEFINED)
    return hashlib.sha256(orjson.dumps(data)).digest()


def _share_links(db: Db, groups: Sequence[Sequence[Twin]]) -> None:
    """Tasks without an import link get a copy of the first one in their group."""
    ids = columns.listed(db, [twin.id for group in groups for twin in group])
    links: dict[int, tuple[str, Any]] = {}
    for provider in reversed(LINKED):
        if db.has(KINDS[provider].link_name):
            link = db.table(KINDS[provider].link_name)
            names = db.columns(link.name, "task_id", "key", "row_index", "row_group", "storage_id")
            for row in db.rows(select(*names).where(link.c.task_id.in_(ids))):
                links[row.task_id] = (link.name, dict(row._mapping))
    new: dict[str, list[dict[str, Any]]] = {}
    for group in groups:
        source = next((links[twin.id] for twin in group if twin.id in links), None)
        if source is not None:
            table, row = source
            copies = ({**row, "task_id": twin.id, "created_at": db.now, "object_exists": True} for twin in group
                      if twin.id not in links)  # fmt: skip
            new.setdefault(table, []).extend(copies)
    for table, rows in new.items():
        if rows:
            db.session.execute(insert(db.table(table)), [db.fitted(table, row) for row in rows])


def _move_annotations(db: Db, groups: Sequence[Sequence[Twin]]) -> int:
    """Annotations of each group go to its first task that has some; how many went."""
    annotations = db.table("task_completion")
    moves: dict[int, int] = {}
    for group in groups:
        holder = next((twin for twin in group if twin.annotations), None)
        for twin in group:
            if holder is not None and twin is not holder and twin.annotations:
                moves[twin.id] = holder.id
                twin.annotations = 0
    if not moves:
        return 0
    mapping = literal(orjson.dumps(moves, option=orjson.OPT_NON_STR_KEYS).decode(), Text)
    if db.postgresql:
        target: Any = cast(cast(mapping, JSONB).op("->>")(cast(annotations.c.task_id, Text)), Integer)
    else:
        target = func.json_extract(
            mapping, literal('$."', Text) + cast(annotations.c.task_id, Text) + literal('"', Text)
        )
    return db.update("task_completion", annotations.c.task_id.in_(columns.listed(db, list(moves))), {"task_id": target})


def _leaving(group: Sequence[Twin]) -> list[Twin]:
    """What is removed of a group: everything without annotations, but for the first when none has any."""
    idle = [twin for twin in group if not twin.annotations]
    return idle if len(idle) < len(group) else idle[1:]
