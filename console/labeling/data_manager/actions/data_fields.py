"""Give many tasks a data field: one value for all, or one that an expression makes for each.

Source: Label Studio's `add_data_field` in `data_manager/actions/experimental.py`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import bindparam, select, update

from ....errors import Invalid
from .. import columns
from . import Chosen
from .labels import count_first_task

EXAMPLES = (
    "range(2) or sample() or random(<min_int>, <max_int>) or "
    'choices(["<value1>", "<value2>", ...], [<weight1>, <weight2>, ...]) or replace("old-string", "new-string")'
)
_CALL = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.DOTALL)
#: A value for the task at this place, from its data; `...` leaves the task as it is.
Make = Callable[[int, Mapping[str, Any]], Any]


def add_data_field(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Set one field in the data of every chosen task. Raises Invalid."""
    name, kind = body.get("value_name"), body.get("value_type")
    if not isinstance(name, str) or not name:
        raise Invalid({"value_name": ["The name of the data field is expected."]})
    make = _maker(kind, body.get("value"), name, len(chosen.ids))
    db, tasks = chosen.db, chosen.scope.tasks
    store = update(tasks).where(tasks.c.id == bindparam("task")).values(data=bindparam("new"))
    for start in range(0, len(chosen.ids), 500):
        some = chosen.ids[start : start + 500]
        found = dict(map(tuple, db.rows(select(tasks.c.id, db.raw(tasks.c.data))
                                        .where(tasks.c.id.in_(columns.listed(db, some))))))  # fmt: skip
        changed = []
        for place, task_id in enumerate(some, start):
            data = json.loads(found.get(task_id) or "null")
            if isinstance(data, dict) and (value := make(place, data)) is not ...:
                changed.append({"task": task_id, "new": data | {name: value}})
        if changed:
            db.session.connection().execute(store, changed)
    count_first_task(chosen)
    db.record("changed tasks", f"project:{chosen.project_id}", rows=len(chosen.ids), field=name)
    return {"detail": f"Updated {len(chosen.ids)} tasks"}


def _maker(kind: Any, value: Any, name: str, size: int) -> Make:
    if kind == "String":
        return lambda place, data: str(value)
    if kind == "Number":
        try:
            number = float(value)
        except (ValueError, TypeError, OverflowError):
            raise Invalid({"value": ["A valid number is required."]}) from None
        if number != number or number in (float("inf"), float("-inf")):
            raise Invalid({"value": ["A valid number is required."]})
        return lambda place, data: number
    if kind == "Expression":
        try:
            return _expression(str(value), name, size)
        except (ValueError, TypeError, IndexError):
            raise Invalid(f"Undefined expression, you can use: {EXAMPLES}") from None
    raise Invalid({"value_type": ["One of String, Number and Expression is expected."]})


def _expression(text: str, name: str, size: int) -> Make:
    """What an expression makes. Raises ValueError, TypeError or IndexError for what is none."""
    call = _CALL.fullmatch(text)
    if call is None:
        raise ValueError(text)
    command, arguments = call[1], _arguments(call[2])
    if command == "range":
        [start] = arguments
        return lambda place, data: int(start) + place
    if command == "sample" and not arguments:
        order = random.sample(range(size), size)
        return lambda place, data: order[place]
    if command == "random":
        low, high = (int(one) for one in arguments)
        if low > high:
            raise ValueError(text)
        return lambda place, data: random.randint(low, high)  # noqa: S311
    if command == "choices":
        population, weights = (*arguments, None)[:2]
        if not isinstance(population, list) or len(arguments) > 2:
            raise ValueError(text)
        picked = random.choices(population, weights=weights, k=size) if size else []  # noqa: S311
        return lambda place, data: picked[place]
    if command == "replace":
        old, new = arguments
        if not isinstance(old, str) or not isinstance(new, str):
            raise ValueError(text)
        return lambda place, data: data[name].replace(old, new) if isinstance(data.get(name), str) else ...
    raise ValueError(text)


def _arguments(text: str) -> list[Any]:
    return json.loads(f"[{text.replace(chr(39), chr(34))}]")
