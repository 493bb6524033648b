"""Projects as the API shows them: one, or a page of the organization's, with their numbers.

The numbers of a whole page come from one statement. Projects that were deleted softly do not exist here.

Source: Label Studio's `projects/api.py`, `projects/serializers.py ProjectSerializer`, `projects/functions/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select, union_all
from sqlalchemy.engine import Row

from ..errors import Forbidden, NotFound
from . import users
from .db import Db
from .label_config import parse_stored, suitable_for_bulk
from .overlap import REQUEUE_FOR_ME
from .tasks import is_former_member

NO_PROJECT = "No Project matches the given query."
NOT_PERMITTED = "You do not have permission to perform this action."

#: Field -> column, in the order Label Studio sends them; computed ones have no column.
FIELDS = {
    "id": "id", "title": "title", "description": "description", "label_config": "label_config",
    "expert_instruction": "expert_instruction", "show_instruction": "show_instruction",
    "show_skip_button": "show_skip_button", "enable_empty_annotation": "enable_empty_annotation",
    "show_annotation_history": "show_annotation_history", "organization": "organization_id", "color": "color",
    "maximum_annotations": "maximum_annotations", "is_published": "is_published", "model_version": "model_version",
    "is_draft": "is_draft", "created_by": "", "created_at": "created_at",
    "min_annotations_to_start_training": "min_annotations_to_start_training",
    "start_training_on_annotation_update": "", "show_collab_predictions": "show_collab_predictions",
    "num_tasks_with_annotations": "", "task_number": "", "useful_annotation_number": "", "ground_truth_number": "",
    "skipped_annotations_number": "", "total_annotations_number": "", "total_predictions_number": "",
    "sampling": "sampling", "show_ground_truth_first": "show_ground_truth_first",
    "annotator_evaluation_enabled": "annotator_evaluation_enabled", "show_overlap_first": "show_overlap_first",
    "overlap_cohort_percentage": "overlap_cohort_percentage", "task_data_login": "task_data_login",
    "task_data_password": "task_data_password", "control_weights": "control_weights", "parsed_label_config": "",
    "evaluate_predictions_automatically": "evaluate_predictions_automatically", "config_has_control_tags": "",
    "skip_queue": "skip_queue", "reveal_preannotations_interactively": "reveal_preannotations_interactively",
    "pinned_at": "pinned_at", "finished_task_number": "", "queue_total": "", "queue_done": "",
    "config_suitable_for_bulk_annotation": "", "state": "",
}  # fmt: skip
COUNTERS = (
    "task_number", "finished_task_number", "total_predictions_number", "total_annotations_number",
    "num_tasks_with_annotations", "useful_annotation_number", "ground_truth_number", "skipped_annotations_number",
)  # fmt: skip
_QUEUE = ("queue_total", "queue_done")
#: What `?ordering=` may name: every field that Label Studio reads from one place.
_SORTABLE = frozenset(name for name, column in FIELDS.items() if column) | {
    *COUNTERS,
    "created_by",
    "parsed_label_config",
}
Numbers = dict[int, dict[str, int]]


@dataclass(frozen=True)
class Wanted:
    """Which projects to list. `pinned`: only those (True), none of those (False), or either."""

    ids: Sequence[int] | None = None
    title: str = ""
    pinned: bool | None = None
    ordering: Sequence[str] = ()
    """Fields, `-` before one for the other direction; unknown ones are passed over."""


def own(db: Db, project_id: int, *columns: Any, lock: bool = False, missing: str = NO_PROJECT) -> Row[Any]:
    """Columns of a project of the caller's organization. Raises NotFound, or Forbidden for a former member.

    `lock` keeps others from changing it until the transaction ends; `missing` is what NotFound says.
    """
    projects = db.table("project")
    former = is_former_member(db, projects.c.organization_id).label("former")
    statement = select(projects.c.id, former, *columns).where(projects.c.id == project_id, reachable(db))
    row = db.first(statement.with_for_update(of=projects) if lock and db.postgresql else statement)
    if row is None:
        raise NotFound(missing)
    if row.former:
        raise Forbidden(NOT_PERMITTED)
    return row


def reachable(db: Db) -> Any:
    """Condition on `project`: of the active organization, and not deleted softly."""
    projects = db.table("project")
    conditions = [projects.c.organization_id == db.caller.organization_id]
    if "deleted_at" in projects.c:
        conditions.append(projects.c.deleted_at.is_(None))
    return and_(*conditions)


def one(db: Db, project_id: int, counted: Collection[str] = COUNTERS) -> dict[str, Any]:
    """A project with every field; counters that are not asked for are None. Raises NotFound, Forbidden."""
    row = own(db, project_id, *_columns(db))
    [found] = _shown(db, [row], counted, set(FIELDS))
    return found


def page(
    db: Db, wanted: Wanted, *, limit: int, offset: int, counted: Collection[str] = COUNTERS,
    fields: Collection[str] = FIELDS,
) -> list[dict[str, Any]]:  # fmt: skip
    """A page of the organization's projects: pinned ones first, then the newest, unless ordered otherwise.

    `fields` spares the work for what is not shown; what comes back may have more.
    """
    projects = db.table("project")
    statement = _narrowed(db, wanted, select(projects.c.id, *_columns(db)))
    ordered = statement.order_by(*_order(db, wanted.ordering), projects.c.id).limit(limit).offset(offset)
    return _shown(db, db.rows(ordered), counted, set(fields))


def count(db: Db, wanted: Wanted) -> int:
    """How many projects are wanted in all."""
    return int(db.value(_narrowed(db, wanted, select(func.count()).select_from(db.table("project")))))


def _narrowed(db: Db, wanted: Wanted, statement: Select[Any]) -> Select[Any]:
    projects = db.table("project")
    statement = statement.where(reachable(db), ~is_former_member(db, db.caller.organization_id))
    if wanted.ids is not None:
        statement = statement.where(projects.c.id.in_(wanted.ids))
    if wanted.title:
        statement = statement.where(projects.c.title.icontains(wanted.title, autoescape=True))
    if wanted.pinned is not None and "pinned_at" in projects.c:
        is_pinned = projects.c.pinned_at.is_not(None)
        statement = statement.where(is_pinned if wanted.pinned else ~is_pinned)
    return statement


def _order(db: Db, ordering: Sequence[str]) -> list[Any]:
    projects = db.table("project")
    terms = []
    for name in ordering:
        field = name.removeprefix("-")
        if field not in _SORTABLE or (value := _sortable(db, field)) is None:
            continue
        terms.append(value.desc() if name.startswith("-") else value.asc())
    if terms:
        return terms
    pinned = [projects.c.pinned_at.desc().nulls_last()] if "pinned_at" in projects.c else []
    return [*pinned, projects.c.created_at.desc()]


def _sortable(db: Db, field: str) -> Any:
    projects = db.table("project")
    if field in COUNTERS:
        part = next(part for part in _parts(db, None) if field in part.selected_columns).subquery()
        return func.coalesce(select(part.c[field]).where(part.c.project_id == projects.c.id).scalar_subquery(), 0)
    column = {"created_by": "created_by_id", "parsed_label_config": field}.get(field) or FIELDS[field]
    return projects.c.get(column)


# --- numbers


def numbers(db: Db, ids: Sequence[int], wanted: Collection[str]) -> Numbers:
    """Counters and queue lengths of these projects, in one statement; a project without rows has zeros."""
    found: Numbers = {project_id: dict.fromkeys(wanted, 0) for project_id in ids}
    parts = [part for part in _parts(db, ids) if set(part.selected_columns.keys()) & set(_asked(wanted))]
    if not parts or not ids:
        return found
    names = [*COUNTERS, "unlabeled", "labeled_by_caller", "queue_done"]
    filled = [
        select(part.c.project_id, *(part.c[name] if name in part.c else literal(0).label(name) for name in names))
        for part in (part.subquery() for part in parts)
    ]
    together = union_all(*filled).subquery()
    sums = [func.sum(together.c[name]).label(name) for name in names]
    for row in db.rows(select(together.c.project_id, *sums).group_by(together.c.project_id)):
        values = {name: int(value or 0) for name, value in row._mapping.items()}
        values["queue_total"] = values["unlabeled"] + values["labeled_by_caller"]
        found[row.project_id].update((name, values[name]) for name in wanted)
    return found


def _asked(wanted: Collection[str]) -> set[str]:
    return {*wanted, *(("unlabeled", "labeled_by_caller") if "queue_total" in wanted else ())}


def _parts(db: Db, ids: Sequence[int] | None) -> list[Select[Any]]:
    """One grouped query for each table that is counted; of all projects when no ids are given."""
    tasks, annotations = db.table("task"), db.table("task_completion")
    annotated, own_task = tasks.alias("annotated"), annotations.alias("own")
    kept, gold = annotations.c.was_cancelled.is_(False), annotations.c.ground_truth.is_(True)
    useful = and_(kept, ~gold, annotations.c.result.is_not(None))
    predictions, prediction_project = _predictions(db)
    mine_counts = or_(
        func.coalesce(db.table("project").c.skip_queue, "") != REQUEUE_FOR_ME, own_task.c.was_cancelled.is_(False)
    )
    projects = db.table("project")
    parts = [
        (
            tasks.c.project_id,
            select(
                tasks.c.project_id,
                func.count().label("task_number"),
                _when(tasks.c.is_labeled.is_(True)).label("finished_task_number"),
                _when(tasks.c.is_labeled.is_(False)).label("unlabeled"),
            ),
        ),
        (
            annotations.c.project_id,
            select(
                annotations.c.project_id,
                _when(kept).label("total_annotations_number"),
                func.count(case((useful, annotations.c.task_id)).distinct()).label("num_tasks_with_annotations"),
                _when(useful).label("useful_annotation_number"),
                _when(gold).label("ground_truth_number"),
                _when(~kept).label("skipped_annotations_number"),
            ),
        ),
        (
            prediction_project,
            select(prediction_project, func.count().label("total_predictions_number")).select_from(predictions),
        ),
        (
            annotated.c.project_id,
            select(
                annotated.c.project_id,
                func.count(case((annotated.c.is_labeled.is_(True), annotated.c.id)).distinct()).label(
                    "labeled_by_caller"
                ),
                func.count(case((mine_counts, annotated.c.id)).distinct()).label("queue_done"),
            )
            .join(own_task, own_task.c.task_id == annotated.c.id)
            .join(projects, projects.c.id == annotated.c.project_id)
            .where(own_task.c.completed_by_id == db.caller.id),
        ),
    ]
    return [(statement if ids is None else statement.where(key.in_(ids))).group_by(key) for key, statement in parts]


def _predictions(db: Db) -> tuple[Any, Any]:
    """Predictions, and the column that tells their project; releases before 1.9 know it by the task alone."""
    predictions = db.table("prediction")
    if "project_id" in predictions.c:
        return predictions, predictions.c.project_id
    tasks = db.table("task").alias("predicted")
    return predictions.join(tasks, tasks.c.id == predictions.c.task_id), tasks.c.project_id


def _when(condition: Any) -> Any:
    return func.count(case((condition, 1)))


# --- shown


def _columns(db: Db) -> list[Any]:
    """Everything the fields need that stands in the row itself; JSON as text."""
    projects = db.table("project")
    names = [name for name in FIELDS.values() if name and name not in ("id", "control_weights")]
    documents = [db.raw(column) for column in db.columns("project", "control_weights", "parsed_label_config")]
    return [*db.columns("project", *names), *documents, projects.c.created_by_id]


def _shown(db: Db, rows: Sequence[Row[Any]], counted: Collection[str], fields: Collection[str]) -> list[dict[str, Any]]:
    wanted = {name for name in (*counted, *_QUEUE) if name in fields}
    found = numbers(db, [row.id for row in rows], wanted) if rows else {}
    people = people_of(db, {row.created_by_id for row in rows if row.created_by_id}) if "created_by" in fields else {}
    return [_project(db, row, found[row.id], people.get(row.created_by_id), fields) for row in rows]


def _project(
    db: Db, row: Row[Any], counted: Mapping[str, int], founder: Any, fields: Collection[str]
) -> dict[str, Any]:
    values = row._mapping
    config = parse_stored(row.label_config)
    parsed = values.get("parsed_label_config")
    computed = {
        "created_by": founder,
        "start_training_on_annotation_update": bool(values.get("min_annotations_to_start_training")),
        "parsed_label_config": config.controls if parsed in (None, "null") else db.fragment(parsed),
        "config_has_control_tags": config.has_control_tags,
        "config_suitable_for_bulk_annotation": suitable_for_bulk(config),
        "control_weights": db.fragment(values.get("control_weights")),
        "state": None,
    }
    found: dict[str, Any] = {}
    for field, column in FIELDS.items():
        if field not in fields:
            continue
        if field in computed:
            found[field] = computed[field]
        elif not column:
            found[field] = counted.get(field)
        elif column in values:
            found[field] = values[column]
    return found


def people_of(db: Db, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Accounts in short, as the caller sees them; `avatar` is the stored path. Former members carry a user name too."""
    if not ids:
        return {}
    names = ("id", "first_name", "last_name", "email", "avatar")
    found = {}
    for user in users.shown(db, db.table("htx_user").c.id.in_(ids)):
        gone = {"username": user["username"]} if user.get("email") == "Deleted" else {}
        found[user["id"]] = {name: user[name] for name in names if name in user} | gone
    return found
