"""Which task does somebody get next? The label stream, rule by rule.

1. A task the caller still holds a lock on.
2. With annotator evaluation: a task with a ground truth.
3. With more than one annotation wanted: a task that others have annotated most, so that tasks get finished.
4. By the project's sampling: in order, by chance, or where the model is least sure.
5. What the caller put off, then, in projects that ask for it, what the caller skipped.

A request that brings filters, an order or a selection (a tab of the Data Manager) gets the first task of those instead
of rules 1 to 4. The task is locked for the caller and written to the stream's history.

Source: Label Studio's `projects/functions/next_task.py get_next_task`, `projects/functions/stream_history.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import or_, select
from sqlalchemy.engine import Row

from ..errors import NotFound
from . import locks, next_task_pool, tasks, tasks_data, tasks_json
from .db import Db
from .next_task_pool import Pool
from .overlap import REQUEUE_FOR_ME, REQUEUE_FOR_OTHERS

HISTORY = "projects_labelstreamhistory"
MOST_HISTORY = 100
_SETTINGS = (
    "maximum_annotations", "skip_queue", "sampling", "model_version", "show_overlap_first", "annotator_evaluation_enabled",
    "show_ground_truth_first", "custom_task_lock_ttl", "show_collab_predictions",
)  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A task and the rules that led to it, in Label Studio's words."""

    task_id: int
    overlap: int
    queue: str
    needs_lock: bool = True


def take(db: Db, project_id: int, conditions: Sequence[Any], order: Sequence[Any], *, from_tab: bool) -> dict[str, Any]:
    """Choose the caller's next task among those that meet the conditions on `task`, lock it, and show it.

    Raises NotFound when nothing is left. Call it in a transaction that writes.
    """
    table = db.table("project")
    settings = dict(db.rows(select(*db.columns("project", *_SETTINGS)).where(table.c.id == project_id))[0]._mapping)
    chosen = choose(db, project_id, settings, conditions, order, from_tab=from_tab)
    if chosen is None:
        raise NotFound(f"There are no tasks for {db.caller.email}")
    if chosen.needs_lock:
        locks.take(db, chosen.task_id, chosen.overlap, settings.get("custom_task_lock_ttl"))
    remember(db, project_id, chosen.task_id)
    return {**_shown(db, chosen.task_id, settings), "queue": chosen.queue}


def choose(
    db: Db,
    project_id: int,
    settings: dict[str, Any],
    conditions: Sequence[Any],
    order: Sequence[Any],
    *,
    from_tab: bool,
) -> Chosen | None:
    """The next task by the rules above, nothing written yet. `settings` are columns of the project."""
    table = db.table("task")
    skip_queue = settings.get("skip_queue") or REQUEUE_FOR_OTHERS
    evaluation = bool(settings.get("annotator_evaluation_enabled", settings.get("show_ground_truth_first")))
    everything = Pool(
        db, (table.c.project_id == project_id, *conditions), tuple(order), locks.is_free(db, skip_queue, evaluation)
    )
    later = next_task_pool.not_postponed_by_caller(db)
    pool = everything.narrowed(
        next_task_pool.unannotated_by_caller(db, project_id),
        table.c.is_labeled.is_(False),
        *([later] if later is not None else []),
    )
    narrowed_by = ""
    if settings.get("show_overlap_first"):
        several = pool.narrowed(table.c.overlap > 1)
        pool = several if several.any() else pool.narrowed(table.c.overlap == 1)
        narrowed_by = "Show overlap first & "
    if from_tab:
        found = _chosen(pool.first(even_taken=True), f"{narrowed_by}Data manager queue")
    else:
        found = _by_rules(db, pool, settings, evaluation) or _by_sampling(db, pool, project_id, settings)
    return found or _put_off(db, everything.narrowed(table.c.is_labeled.is_(False)), project_id, skip_queue)


def remember(db: Db, project_id: int, task_id: int) -> None:
    """Add a task to the caller's history of the project, which keeps the last hundred."""
    if not db.has(HISTORY):
        return
    table = db.table(HISTORY)
    mine = [table.c.user_id == db.caller.id, table.c.project_id == project_id]
    row = db.first(select(table.c.id, table.c.data).where(*mine).with_for_update())
    visit = {"taskId": task_id, "annotationId": None}
    if row is None:
        db.insert(HISTORY, {"user_id": db.caller.id, "project_id": project_id, "data": [visit]})
        return
    data = list(row.data or [])
    known = {item.get("taskId") for item in data}
    if task_id not in known:
        data.append(visit)
    if len(known) + 1 > MOST_HISTORY:
        data = data[-MOST_HISTORY:]
    if data != row.data:
        db.update(HISTORY, table.c.id == row.id, {"data": data})


def _by_rules(db: Db, pool: Pool, settings: dict[str, Any], evaluation: bool) -> Chosen | None:
    held = _chosen(pool.narrowed(locks.held_by_caller(db)).first(even_taken=True), "Task lock", needs_lock=False)
    if held is not None:
        return held
    truth = locks.has_ground_truth(db)
    if evaluation:
        truths = pool.narrowed(truth)
        in_order = settings.get("sampling") == "Sequential sampling"
        if found := _chosen(truths.first() if in_order else truths.drawn(), "Onboarding ground truth queue"):
            return found
    if settings["maximum_annotations"] > 1:
        begun = (pool.narrowed(~truth) if evaluation else pool).most_annotated()
        return _chosen(begun.drawn(), "Breadth first queue")
    return None


def _by_sampling(db: Db, pool: Pool, project_id: int, settings: dict[str, Any]) -> Chosen | None:
    sampling = settings.get("sampling")
    if sampling == "Uniform sampling":
        return _chosen(pool.drawn(), "Uniform random queue")
    if sampling == "Uncertainty sampling":
        unsure = next_task_pool.predicted(db, pool, settings.get("model_version"), project_id)
        if unsure is None:
            found = pool.drawn()
        else:
            found = unsure.drawn() if _has_many_members(db, project_id) else unsure.first()
        return _chosen(found, "Active learning or random queue")
    return _chosen(pool.first(), "Sequence queue") if sampling == "Sequential sampling" else None


def _put_off(db: Db, pool: Pool, project_id: int, skip_queue: str) -> Chosen | None:
    later = next_task_pool.postponed(db, pool)
    found = _chosen(later.first(), "Postponed draft queue") if later is not None else None
    if found is None and skip_queue == REQUEUE_FOR_ME:
        found = _chosen(next_task_pool.skipped(db, pool, project_id).first(), "Skipped queue")
    return found


def _chosen(row: Row[Any] | None, queue: str, needs_lock: bool = True) -> Chosen | None:
    return None if row is None else Chosen(row.id, row.overlap, queue, needs_lock)


def _has_many_members(db: Db, project_id: int) -> bool:
    """Whether several people were made members of the project itself."""
    members = db.table("projects_projectmember")
    return len(db.values(select(members.c.user_id).where(members.c.project_id == project_id).distinct().limit(2))) > 1


def _shown(db: Db, task_id: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The task as the label stream is answered: own drafts, predictions to begin with, no annotations."""
    table, projects = db.table("task"), db.table("project")
    drafts, predictions = db.table("tasks_annotationdraft"), db.table("prediction")
    columns = [*tasks.plain_columns(db), *tasks_data.links(db, table.c.id), tasks_data.is_protected(db)]
    joined = table.join(projects, projects.c.id == table.c.project_id)
    [row] = db.rows(select(*columns).select_from(joined).where(table.c.id == task_id))
    found = dict(zip(tasks_json.fields_of(db, "task", tasks_json.TASK), row, strict=False))
    own = drafts.c.user_id == db.caller.id
    return found | {
        "data": _data(db, row),
        "meta": db.fragment(found["meta"]),
        "updated_by": [{"user_id": found["updated_by"]}] if found.get("updated_by") else [],
        "comment_authors": tasks_json.ids(row.comment_authors),
        "annotations": [],
        "drafts": tasks_json.read_drafts(db, drafts.c.task_id == task_id, own),
        "predictions": _to_begin_with(db, predictions, task_id, settings),
        "unique_lock_id": locks.unique_id(db, task_id),
    }


def _data(db: Db, row: Row[Any]) -> Any:
    """The task's data with links into buckets made reachable."""
    if not tasks_data.needs_reading(row.data, resolve=True, protected=row.protected):
        return db.fragment(row.data)
    sources = [] if row.protected else tasks_data.sources(db, row.project_id)
    proxied, link = row.project_id if row.protected else None, tasks_data.link_of(row)[1]
    try:
        return tasks_data.shown(row.data, row.label_config, row.id, sources, link, host=db.host, proxied=proxied)
    except orjson.JSONDecodeError:  # only SQLite can hold such a row
        return db.fragment(row.data)


def _to_begin_with(db: Db, predictions: Any, task_id: int, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Predictions of the version that the project shows; for a backend's title, those of the version it has now."""
    version = settings.get("model_version")
    if version is None or not settings.get("show_collab_predictions", True):
        return []
    shown = predictions.c.model_version == version
    if version and db.has("ml_mlbackend", "title"):
        backends = db.table("ml_mlbackend")
        current = select(backends.c.model_version).where(backends.c.title == version)
        shown = or_(shown, predictions.c.model_version.in_(current))
    return tasks_json.read_predictions(db, predictions.c.task_id == task_id, shown)
