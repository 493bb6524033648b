"""What a schedule may say: its window, its days, and work that fits the database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..deployment import Deployment
from ..errors import Invalid
from . import actions

#: Steps of one window at most.
MOST_STEPS = 200


def need_valid(
    deployment: Deployment, action: str, target: Mapping[str, Any], days: Sequence[int], start: str, end: str
) -> None:
    wrong: dict[str, Any] = {}
    for name, moment in (("window_start", start), ("window_end", end)):
        if not isinstance(moment, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", moment):
            wrong[name] = ["Write a time of the day in UTC as 02:30."]
    if not wrong and start == end:
        wrong["window_end"] = ["The window ends when it begins; choose another end."]
    if any(type(day) is not int or not 0 <= day <= 6 for day in days):
        wrong["days"] = ["Days of the week are numbers from 0, Monday, to 6, Sunday."]
    wrong |= _wrong_work(deployment, action, target)
    if wrong:
        raise Invalid(wrong)


def _wrong_work(deployment: Deployment, action: str, target: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong with the action and what it is to work on."""
    known = actions.ACTIONS.get(action)
    if known is None and action != "advice":
        return {"action": [f"There is no maintenance {action!r}."]}
    if known and known.heavy:
        return {"action": [f"{known.title} stops Label Studio and is asked for twice; it cannot be put on a schedule."]}
    if known and (known.engine == "sqlite") != (deployment.kind == "sqlite"):
        return {"action": [f"{known.title} is not for this kind of database."]}
    if target.get("advice") is True:
        return {}
    if action == "advice" or (known and known.on == "index"):
        return {"target": ["This works by what the advisor says; it takes no tables."]}
    names = target.get("tables")
    if deployment.kind == "sqlite":
        return {}
    if not isinstance(names, list) or not names or len(names) > MOST_STEPS:
        return {"target": [f"Choose from 1 to {MOST_STEPS} tables, or what the advisor says."]}
    missing = [str(name) for name in names if not isinstance(name, str) or not deployment.schema.has_table(name)]
    return {"target": [f"There is no table {', '.join(missing[:5])}."]} if missing else {}
