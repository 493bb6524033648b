"""The project summary: which data keys tasks have, and which controls and labels annotations use.

Label Studio reads it before it lets anybody change the labeling configuration. Every function here belongs into the
transaction that changes the rows, after they changed: it locks the summary, moves its numbers, and makes the row when
the project has none. Numbers are moved, not recounted; `recount` is the way back when they have drifted.

Kept right where Label Studio drifts (docs/api-differences.md): several results of one control in one annotation all
count, an updated draft takes its old labels back, and work on annotations leaves the data columns alone. Imported
annotations are not counted, as Label Studio does not count them.

Source: Label Studio's `projects/models.py ProjectSummary` and the signals in `tasks/models.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from sqlalchemy import String, and_, bindparam, case, cast, exists, func, select, true

from .db import Db
from .label_config import annotation_key

Results = Iterable[Any]
"""The `result` of each annotation or draft: a list of regions, or whatever else stands in the column."""

SUMMARY = "projects_projectsummary"
_ROWS_AT_ONCE = 500


def tasks_added(db: Db, project_id: int, keys: Mapping[tuple[str, ...], int]) -> None:
    """Count the data of new tasks. `keys`: the keys of one task's data to the number of tasks that have just these."""
    if keys:
        change(db, project_id, tasks_added=keys)


def tasks_removed(db: Db, project_id: int, counts: Mapping[str, int]) -> None:
    """Take back the data keys of removed tasks: `key_counts` of them, asked before they went."""
    if counts:
        change(db, project_id, tasks_removed=counts)


def annotations_added(db: Db, project_id: int, results: Results) -> None:
    """Count the results of new annotations."""
    change(db, project_id, annotations_added=results)


def annotations_removed(db: Db, project_id: int, results: Results) -> None:
    """Take back the results of removed annotations; nothing stays counted when the project has no annotation left."""
    change(db, project_id, annotations_removed=results)


def drafts_added(db: Db, project_id: int, results: Results) -> None:
    """Count the labels of new drafts."""
    change(db, project_id, drafts_added=results)


def drafts_removed(db: Db, project_id: int, results: Results) -> None:
    """Take back the labels of removed drafts; nothing stays counted when the project has no draft left."""
    change(db, project_id, drafts_removed=results)


def change(
    db: Db, project_id: int, *, annotations_added: Results = (), annotations_removed: Results = (),
    drafts_added: Results = (), drafts_removed: Results = (),
    tasks_added: Mapping[tuple[str, ...], int] | None = None, tasks_removed: Mapping[str, int] | None = None,
) -> None:  # fmt: skip
    """Several changes at once: one statement to read, one to write, and one each to see whether removed annotations or
    drafts were the last. An updated annotation or draft is its old result removed and its new one added."""
    before = read(db, project_id, lock=True)
    after = {name: before.get(name) or fresh for name, fresh in empty().items()}
    new, gone = list(annotations_added), list(annotations_removed)
    if gone and not new and not _has_annotations(db, project_id):
        after["created_annotations"], after["created_labels"] = {}, {}
    elif new or gone:
        after["created_annotations"] = _keys_moved(after["created_annotations"], new, gone)
        after["created_labels"] = _labels_moved(after["created_labels"], list(_counted(new)), _regions(gone))
    new, gone = list(drafts_added), list(drafts_removed)
    if gone and not new and not has_drafts(db, project_id):
        after["created_labels_drafts"] = {}
    elif new or gone:
        after["created_labels_drafts"] = _labels_moved(after["created_labels_drafts"], _regions(new), _regions(gone))
    if tasks_added:
        _add_columns(after, tasks_added)
    if tasks_removed:
        _take_columns(after, tasks_removed)
    _store(db, project_id, before, after)


def read(db: Db, project_id: int, *, lock: bool = False) -> dict[str, Any]:
    """The summary's columns, or {} when the project has none."""
    table = db.table(SUMMARY)

    def build() -> Any:
        statement = select(table).where(table.c.project_id == bindparam("project_id"))
        return statement.with_for_update() if lock else statement

    row = db.first(db.once(f"summary.read {lock}", build), {"project_id": project_id})
    return dict(row._mapping) if row is not None else {}


def reset(db: Db, project_id: int, *, tasks: bool = True) -> None:
    """Empty the summary; without `tasks` only what annotations and drafts left, as Label Studio does."""
    before = read(db, project_id, lock=True)
    kept = (
        {}
        if tasks
        else {name: before[name] for name in ("all_data_columns", "common_data_columns") if before.get(name)}
    )
    _store(db, project_id, before, empty() | kept)


def reset_if_idle(db: Db, project_id: int) -> None:
    """What every save of a project does: a project without tasks has nothing counted, one without annotations and
    drafts no labels."""
    tasks = db.table("task")
    if not db.value(select(exists(select(tasks.c.id).where(tasks.c.project_id == project_id)))):
        reset(db, project_id)
    elif not _has_annotations(db, project_id) and not has_drafts(db, project_id):
        reset(db, project_id, tasks=False)


def recount(db: Db, project_id: int) -> dict[str, Any]:
    """Count everything anew from the rows; the new columns. Memory stays flat, time grows with the annotations."""
    tasks = db.table("task")
    before = read(db, project_id, lock=True)
    counts = key_counts(db, tasks.c.project_id == project_id)
    total = db.value(select(func.count()).select_from(tasks).where(tasks.c.project_id == project_id))
    after = empty()
    after["all_data_columns"] = counts
    after["common_data_columns"] = sorted(key for key, number in counts.items() if number == total)
    for results in _stored_results(db, "task_completion", project_id):
        after["created_annotations"] = _keys_moved(after["created_annotations"], results, [])
        after["created_labels"] = _labels_moved(after["created_labels"], list(_counted(results)), [])
    for results in _stored_results(db, "tasks_annotationdraft", project_id):
        after["created_labels_drafts"] = _labels_moved(after["created_labels_drafts"], _regions(results), [])
    _store(db, project_id, before, after)
    return after


def key_counts(db: Db, where: Any) -> dict[str, int]:
    """How many of these tasks have each key in their data, counted by the database. `where` is a condition on `task`."""
    data = db.table("task").c.data
    if db.postgresql:
        whole = case((func.jsonb_typeof(data) == "object", data))
        keys: Any = func.jsonb_object_keys(whole).table_valued("key", name="keys").render_derived()
        key = keys.c.key
    else:
        text = db.raw(data).element
        whole = case((and_(func.json_valid(text), func.json_type(text) == "object"), text))
        keys = func.json_each(whole).table_valued("key", name="keys")
        key = cast(keys.c.key, String)
    statement = select(key, func.count()).select_from(db.table("task")).join(keys, true())
    counted: Any = db.rows(statement.where(where).group_by(key))
    return {str(name): int(number) for name, number in counted}


# --- regions of results


def _regions(results: Results) -> list[dict[str, Any]]:
    """The regions that name their control."""
    return [
        region for result in results if isinstance(result, list)
        for region in result if isinstance(region, dict) and isinstance(region.get("from_name"), str)
    ]  # fmt: skip


def _counted(results: Results) -> Iterator[dict[str, Any]]:
    return (region for region in _regions(results) if _key(region) is not None)


def _key(region: Mapping[str, Any]) -> str | None:
    kind, to_name = region.get("type"), region.get("to_name")
    if kind in ("relation", "pairwise") or not isinstance(kind, str):
        return None
    if isinstance(to_name, list) and all(isinstance(one, str) for one in to_name):
        to_name = list(to_name)
    elif not isinstance(to_name, str):
        return None
    return annotation_key(region["from_name"], to_name, kind)


def _labels(region: Mapping[str, Any]) -> list[str]:
    """A text is no label, a path of a taxonomy is one label for each step."""
    kind, value = region.get("type"), region.get("value")
    if kind == "videorectangle":  # its labels stand in a Labels tag beside it
        kind = "labels"
    found = value.get(kind) if isinstance(value, dict) and isinstance(kind, str) else None
    if not isinstance(found, list) or kind == "text":
        return []
    labels: list[str] = []
    for label in found:
        steps = label if kind == "taxonomy" and isinstance(label, list) else [label]
        labels.extend(str(step) for step in steps)
    return labels


# --- numbers


def _keys_moved(counts: Mapping[str, int], new: Results, gone: Results) -> dict[str, int]:
    moved = dict(counts)
    for key in filter(None, map(_key, _regions(gone))):
        if key in moved:
            _take(moved, key, 1)
    for key in filter(None, map(_key, _regions(new))):
        moved[key] = moved.get(key, 0) + 1
    return moved


def _labels_moved(counts: Mapping[str, Any], new: list[dict[str, Any]], gone: list[dict[str, Any]]) -> dict[str, Any]:
    moved = {name: dict(labels) for name, labels in counts.items()}
    for region in gone:
        labels = moved.get(region["from_name"])
        if labels is None:
            continue
        for label in _labels(region):
            if label in labels:
                _take(labels, label, 1)
        if not labels:
            del moved[region["from_name"]]
    for region in new:
        labels = moved.setdefault(region["from_name"], {})
        for label in _labels(region):
            labels[label] = labels.get(label, 0) + 1
    return moved


def _add_columns(summary: dict[str, Any], keys: Mapping[tuple[str, ...], int]) -> None:
    counts = dict(summary["all_data_columns"])
    for names, number in keys.items():
        for name in names:
            counts[name] = counts.get(name, 0) + number
    common = set.intersection(*(set(names) for names in keys))
    known = summary["common_data_columns"]
    summary["all_data_columns"] = counts
    summary["common_data_columns"] = sorted(common & set(known) if known else common)


def _take_columns(summary: dict[str, Any], gone: Mapping[str, int]) -> None:
    counts = dict(summary["all_data_columns"])
    known = set(counts)
    for name, number in gone.items():
        if name in counts:
            _take(counts, name, number)
    left = known - set(counts)
    summary["all_data_columns"] = counts
    summary["common_data_columns"] = [name for name in summary["common_data_columns"] if name not in left]


def _take(counts: dict[str, int], key: str, number: int) -> None:
    counts[key] -= number
    if counts[key] <= 0:
        del counts[key]


# --- rows


def empty() -> dict[str, Any]:
    """The columns of a project in which nothing happened yet."""
    return {
        "all_data_columns": {}, "common_data_columns": [], "created_annotations": {}, "created_labels": {},
        "created_labels_drafts": {},
    }  # fmt: skip


def _store(db: Db, project_id: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    if not before:
        db.insert(SUMMARY, {"project_id": project_id, "created_at": db.now, **after})
        return
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    if changed:
        db.update(SUMMARY, db.table(SUMMARY).c.project_id == project_id, changed)


def _has_annotations(db: Db, project_id: int) -> bool:
    annotations = db.table("task_completion")
    return bool(db.value(select(exists(select(annotations.c.id).where(in_project(db, annotations, project_id))))))


def has_drafts(db: Db, project_id: int) -> bool:
    """Whether any task of the project has a draft."""
    drafts = db.table("tasks_annotationdraft")
    return bool(db.value(select(exists(select(drafts.c.id).where(in_project(db, drafts, project_id))))))


def in_project(db: Db, table: Any, project_id: int) -> Any:
    """Condition on rows of a table that tells the project itself, or its task."""
    if "project_id" in table.c:
        return table.c.project_id == project_id
    tasks = db.table("task")
    return exists(select(tasks.c.id).where(tasks.c.id == table.c.task_id, tasks.c.project_id == project_id))


def _stored_results(db: Db, name: str, project_id: int) -> Iterator[list[Any]]:
    """Every result of the project's annotations or drafts, parsed, a few hundred at a time."""
    table = db.table(name)
    statement = select(db.raw(table.c.result)).where(in_project(db, table, project_id))
    rows = db.session.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE)).scalars()
    for some in rows.partitions(_ROWS_AT_ONCE):
        yield [_parsed(text) for text in some]


def _parsed(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:  # only SQLite can hold such a row
        return None
