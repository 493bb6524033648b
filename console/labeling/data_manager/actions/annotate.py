"""Make annotations of many tasks: from their predictions, or as copies of one annotation.

The results are copied by the database itself. Source: Label Studio's `data_manager/actions/predictions_to_annotations.py`
and `propagate_annotations` of `experimental.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Text, cast, exists, func, insert, literal, literal_column, select, type_coerce
from sqlalchemy.dialects.postgresql import UUID

from ....errors import Invalid
from ... import overlap, webhooks
from ...counters import touched
from ...db import Db
from .. import columns
from . import Chosen


def predictions_to_annotations(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Each prediction that is not yet the origin of an annotation becomes one of the caller's. Raises Invalid."""
    db, project_id = chosen.db, chosen.project_id
    predictions, annotations, tasks = (db.table(name) for name in ("prediction", "task_completion", "task"))
    children = annotations.alias("children")
    where = [
        predictions.c.task_id.in_(chosen.listed),
        ~exists().where(children.c.parent_prediction_id == predictions.c.id),
    ]
    if (version := body.get("model_version")) is not None:
        where.append(predictions.c.model_version.in_(_versions(version)))
    task_ids = db.values(select(predictions.c.task_id).where(*where).distinct())
    made = _insert(
        db, project_id, predictions, where,
        {"result": predictions.c.result, "task_id": predictions.c.task_id, "parent_prediction_id": predictions.c.id},
    )  # fmt: skip
    changed = columns.listed(db, task_ids)
    db.update("task", tasks.c.id.in_(changed), touched(db))
    if made:
        webhooks.announce(db, "ANNOTATIONS_CREATED", project_id, made)
        overlap.recount(db, project_id, changed)
    db.record("created annotations", f"project:{project_id}", rows=len(made), source="predictions")
    return {"detail": f"Created {len(made)} annotations"}


def propagate_annotations(chosen: Chosen, body: Mapping[str, Any]) -> dict[str, Any]:
    """Copy one annotation of the project to the other tasks, in the caller's name. Raises Invalid."""
    db, project_id = chosen.db, chosen.project_id
    annotations, tasks = db.table("task_completion"), db.table("task")
    source_id = body.get("source_annotation_id")
    source = None
    if isinstance(source_id, int) or (isinstance(source_id, str) and source_id.isdecimal() and len(source_id) < 19):
        own = annotations.alias("source")
        wanted = (own.c.id == min(int(source_id), 2**31 - 1), own.c.task_id == tasks.c.id)
        source = db.first(select(own.c.id, own.c.task_id, own.c.result_count)
                          .where(*wanted, tasks.c.project_id == project_id))  # fmt: skip
    if source is None:
        raise Invalid(f"Source annotation {source_id} not found in the current project")
    where = [tasks.c.id.in_(chosen.listed), tasks.c.id != source.task_id]
    result = select(annotations.c.result).where(annotations.c.id == source.id).scalar_subquery()
    made = _insert(
        db, project_id, tasks, where,
        {"result": result, "task_id": tasks.c.id, "parent_annotation_id": literal(source.id),
         "result_count": literal(source.result_count)},
    )  # fmt: skip
    overlap.recount(db, project_id, chosen.listed)
    db.record("created annotations", f"project:{project_id}", rows=len(made), source=f"annotation:{source.id}")
    return {"detail": f"Created {len(made)} annotations"}


def _insert(db: Db, project_id: int, source: Any, where: Any, values: Mapping[str, Any]) -> list[int]:
    """Insert one annotation for each row of `source` that matches, by id; the new ids."""
    table = db.table("task_completion")
    same = {
        "project_id": project_id, "completed_by_id": db.caller.id, "was_cancelled": False, "ground_truth": False,
        "created_at": db.now, "updated_at": db.now, "result_count": 0, "bulk_created": False,
    }  # fmt: skip
    row: dict[str, Any] = same | {"prediction": db.document("{}"), "unique_id": _new_uuid(db)} | dict(values)
    fitted = db.fitted("task_completion", row)
    selected = [
        value if hasattr(value, "label") else literal(value, table.c[name].type) for name, value in fitted.items()
    ]
    statement = insert(table).from_select(list(fitted), select(*selected).where(*where).order_by(source.c.id))
    return list(db.session.execute(statement.returning(table.c.id)).scalars())


def _new_uuid(db: Db) -> Any:
    """A random UUID for each row, made by the database; on SQLite 32 digits, as Django stores them."""
    if db.postgresql:
        version = db.session.get_bind().dialect.server_version_info or (0,)
        if version >= (13,):
            return func.gen_random_uuid()
        return cast(func.md5(cast(func.random(), Text) + cast(func.clock_timestamp(), Text)), UUID)
    return type_coerce(
        literal_column(
            "lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || 'a' || substr(hex(randomblob(2)), 2)"
            " || hex(randomblob(6)))"
        ),
        Text,
    )


def _versions(given: Any) -> list[str]:
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(version, str | int | float) for version in listed):
        raise Invalid({"model_version": ["A model version, or a list of them, is expected."]})
    return [str(version) for version in listed]
