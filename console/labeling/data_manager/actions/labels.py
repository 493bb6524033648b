"""Labels of annotations, gathered into task data or renamed.

Source: Label Studio's `data_manager/actions/cache_labels.py` and `rename_labels` of `experimental.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam, select, update

from ....errors import Invalid
from ... import label_config, overlap, summary
from ...counters import touched
from .. import columns
from ..columns import Scope
from . import Chosen, portions


def cache_labels(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Write the labels of each task's annotations or predictions into a field of its data. Raises Invalid."""
    db, project_id, tasks = chosen.db, chosen.project_id, chosen.scope.tasks
    source = _text(body, "source", "annotations").lower()
    if source not in ("annotations", "predictions"):
        raise Invalid({"source": ["Source must be annotations or predictions"]})
    control = _text(body, "custom_control_tag", "") or _text(body, "control_tag", "ALL")
    with_counters = _text(body, "with_counters", "Yes").lower() == "yes"
    field = f"{'cache' if source == 'annotations' else 'cache_predictions'}_{'all' if control == 'ALL' else control}"
    table = db.table("task_completion" if source == "annotations" else "prediction")
    paths = _taxonomies(chosen.scope)
    store = update(tasks).where(tasks.c.id == bindparam("task")).values(data=bindparam("new"))
    for start in range(0, len(chosen.ids), 500):
        some = columns.listed(db, chosen.ids[start : start + 500])
        found: dict[int, list[str]] = {}
        for row in db.rows(select(table.c.task_id, db.raw(table.c.result)).where(table.c.task_id.in_(some))):
            found.setdefault(row.task_id, []).extend(_labels(_json(row.result), control, paths))
        changed = []
        for row in db.rows(select(tasks.c.id, db.raw(tasks.c.data)).where(tasks.c.id.in_(some))):
            data = _json(row.data)
            if isinstance(data, dict):
                changed.append({"task": row.id, "new": data | {field: _joined(found.get(row.id, []), with_counters)}})
        if changed:
            db.session.connection().execute(store, changed)
    count_first_task(chosen)
    db.record("changed tasks", f"project:{project_id}", rows=len(chosen.ids), field=field)
    return {}


def rename_labels(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Rename a label of one control in every annotation of the project, whatever tasks are selected. Raises Invalid."""
    db, project_id = chosen.db, chosen.project_id
    old, new, control = (body.get(name) for name in ("old_label_name", "new_label_name", "control_tag"))
    controls = label_config.parse_stored(chosen.scope.label_config).controls
    if not isinstance(control, str) or control not in controls:
        raise Invalid(f"Wrong old label name, it is not from labeling config: {old}")
    if not isinstance(old, str) or not isinstance(new, str):
        raise Invalid({"new_label_name": ["The old and the new label name are expected as text."]})
    kind = controls[control]["type"].lower()
    annotations, tasks = db.table("task_completion"), chosen.scope.tasks
    own = annotations.c.task_id.in_(select(tasks.c.id).where(tasks.c.project_id == project_id))
    labels = changed = 0
    task_ids: set[int] = set()
    for some in portions(db, select(annotations.c.id, annotations.c.task_id, db.raw(annotations.c.result)).where(own)):
        for row in some:
            result = _json(row.result)
            number = _rename(result, control, kind, old, new)
            if number:
                labels, changed = labels + number, changed + 1
                task_ids.add(row.task_id)
                values = {"result": result, "updated_by_id": db.caller.id, "result_count": _groups(result)}
                db.update("task_completion", annotations.c.id == row.id, values)
    db.update("task", tasks.c.id.in_(columns.listed(db, sorted(task_ids))), touched(db))
    overlap.recount(db, project_id, sorted(task_ids))
    summary.recount(db, project_id)
    db.record("changed annotations", f"project:{project_id}", rows=changed, label=old, new_label=new)
    return {"detail": f"Updated {labels} labels in {changed}"}


def _rename(result: Any, control: str, kind: str, old: str, new: str) -> int:
    count = 0
    for region in result if isinstance(result, list) else []:
        value = region.get("value") if isinstance(region, dict) and region.get("from_name") == control else None
        given = value.get(kind) if isinstance(value, dict) else None
        if isinstance(given, list) and old in given:
            count += given.count(old)
            value[kind] = [new if label == old else label for label in given]  # type: ignore[index]
    return count


def _groups(result: Any) -> int:
    return len({region.get("id") for region in result if isinstance(region, dict)}) if isinstance(result, list) else 0


def _labels(result: Any, control: str, paths: Mapping[str, tuple[bool, str]]) -> Iterable[str]:
    """The labels of regions, of one control or of all: the first filled list of texts in each value."""
    for region in result if isinstance(result, list) else []:
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            continue
        name = region.get("from_name")
        if control != "ALL" and name != control:
            continue
        filled = ((key, value) for key, value in region["value"].items() if value and isinstance(value, list))
        key, values = next(filled, ("", []))
        if key == "taxonomy":
            full, separator = paths.get(str(name), (True, "/"))
            for steps in values:
                steps = [str(step) for step in steps] if isinstance(steps, list) else [str(steps)]
                yield separator.join(steps) if full else (steps or [""])[-1]
        elif values and isinstance(values[0], str):
            yield from (str(value) for value in values)


def _taxonomies(scope: Scope) -> dict[str, tuple[bool, str]]:
    """Of each control of the configuration: whether it shows full paths, and what stands between their steps."""
    return {
        given["name"]: (given.get("showFullPath", "false") != "false", given.get("pathSeparator", "/"))
        for _, given in label_config.parse_stored(scope.label_config).tags
        if "toName" in given
    }


def _joined(labels: list[str], with_counters: bool) -> str:
    counted = Counter(labels)
    return ", ".join(
        sorted(f"{label}: {count}" for label, count in counted.items()) if with_counters else sorted(counted)
    )


def count_first_task(chosen: Chosen) -> None:
    """Count the data columns of the first task once more, which is how Label Studio makes a new column known."""
    if not chosen.ids:
        return
    tasks = chosen.scope.tasks
    data = _json(chosen.db.value(select(chosen.db.raw(tasks.c.data)).where(tasks.c.id == chosen.ids[0])))
    if isinstance(data, dict):
        summary.tasks_added(chosen.db, chosen.project_id, {tuple(data): 1})


def _text(body: Mapping[str, Any], name: str, default: str) -> str:
    given = body.get(name) or default
    if not isinstance(given, str):
        raise Invalid({name: ["Not a valid string."]})
    return given


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return None
