"""The smallest valid objects, written as Label Studio would leave them, in any release.

Every factory commits and returns the written row, columns as attributes. Columns that the attached release lacks are
left out, columns that it demands and nobody named are filled. What is passed by keyword is written as it is, so a test
plants a fault by naming the wrong value.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from console.deployment.schema import Schema
from console.diagnostics.change import ExactJson, InsertRow
from console.diagnostics.change import apply as write_changes

#: Runs a test on both databases: `@BOTH_ENGINES def test_…(ctx, session)`.
BOTH_ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
ON_POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"])
#: The organization of the dumps with most people in it.
ORGANIZATION = 1
LABEL_CONFIG = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="sentiment" toName="text"><Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)
_number = itertools.count(1)


def make_row(session: Session, table: str, **values: Any) -> SimpleNamespace:
    """A row of any table."""
    schema: Schema = session.info["schema"]
    known = {name: value for name, value in values.items() if name in schema.columns[table]}
    [written] = write_changes(session, schema, [InsertRow(table, known, unless={})])
    session.commit()
    values = written.values.items()  # type: ignore[union-attr]
    filled = {name: value.value if isinstance(value, ExactJson) else value for name, value in values}
    return SimpleNamespace(**filled | known)


def change_row(session: Session, table: str, key: Any, **values: Any) -> None:
    """Overwrite columns of one row, whose key is `id`."""
    target = session.info["schema"].table(table)
    session.execute(update(target).where(target.c.id == key).values(values))
    session.commit()


def make_organization(session: Session, **values: Any) -> SimpleNamespace:
    """An organization without members."""
    number = next(_number)
    defaults = {
        "title": f"Lab {number}", "token": f"token-{number}", "created_by_id": None,
        "created_at": _now(), "updated_at": _now(),
    }  # fmt: skip
    return make_row(session, "organization", **defaults | values)


def make_user(session: Session, *, member_of: tuple[int, ...] = (ORGANIZATION,), **values: Any) -> SimpleNamespace:
    """An active account, member of the organizations named, working in the first of them."""
    number = next(_number)
    email = values.get("email", f"person-{number}@example.com")
    defaults = {
        "email": email, "username": str(email).partition("@")[0], "first_name": "Test", "last_name": f"Person {number}",
        "password": "!unusable", "is_active": True, "is_staff": False, "is_superuser": False, "phone": "", "avatar": "",
        "date_joined": _now(), "last_activity": _now(), "activity_at": _now(),
        "active_organization_id": member_of[0] if member_of else None, "allow_newsletters": False,
    }  # fmt: skip
    user = make_row(session, "htx_user", **defaults | values)
    for organization_id in member_of:
        make_membership(session, user=user, organization_id=organization_id)
    return user


def make_membership(session: Session, *, user: SimpleNamespace, **values: Any) -> SimpleNamespace:
    """A live membership of organization 1; `deleted_at` makes it a soft-deleted one."""
    defaults = {
        "user_id": user.id, "organization_id": ORGANIZATION, "created_at": _now(), "updated_at": _now(),
        "deleted_at": None,
    }  # fmt: skip
    return make_row(session, "organizations_organizationmember", **defaults | values)


def make_project(session: Session, **values: Any) -> SimpleNamespace:
    """An empty text classification project, with its summary row."""
    number = next(_number)
    defaults = {
        "title": f"Project {number}", "description": "", "label_config": LABEL_CONFIG, "expert_instruction": "",
        "color": "#FFFFFF", "organization_id": ORGANIZATION, "created_by_id": 1, "created_at": _now(),
        "updated_at": _now(), "maximum_annotations": 1, "min_annotations_to_start_training": 0,
        "overlap_cohort_percentage": 100, "sampling": "Sequential sampling", "skip_queue": "REQUEUE_FOR_OTHERS",
        "show_skip_button": True, "enable_empty_annotation": True, "is_published": False, "is_draft": False,
    }  # fmt: skip
    project = make_row(session, "project", **defaults | values)
    make_row(session, "projects_projectsummary", project_id=project.id, created_at=_now(), all_data_columns={},
             common_data_columns=[], created_annotations={}, created_labels={})  # fmt: skip
    return project


def make_task(session: Session, *, project: SimpleNamespace | None = None, **values: Any) -> SimpleNamespace:
    """A task of a project, its counters at zero. A new project when none is named; `project_id=None` for an orphan."""
    if "project_id" not in values:
        values["project_id"] = (project or make_project(session)).id
    return make_row(session, "task", **_task_values(session, values["project_id"]) | values)


def make_annotation(session: Session, *, task: SimpleNamespace, **values: Any) -> SimpleNamespace:
    """An annotation by alice. The task's counters and `is_labeled` stay as they are: say them with the task."""
    defaults = {
        "task_id": task.id, "project_id": task.project_id, "completed_by_id": 1, "updated_by_id": 1,
        "result": [_choice("Positive")], "result_count": 1, "was_cancelled": False, "ground_truth": False,
        "lead_time": 1.5, "unique_id": None, "created_at": _now(), "updated_at": _now(),
    }  # fmt: skip
    return make_row(session, "task_completion", **defaults | values)


def make_prediction(session: Session, *, task: SimpleNamespace, **values: Any) -> SimpleNamespace:
    """A prediction of model `v1`."""
    defaults = {
        "task_id": task.id, "project_id": task.project_id, "result": [_choice("Negative")], "score": 0.5,
        "model_version": "v1", "created_at": _now(), "updated_at": _now(),
    }  # fmt: skip
    return make_row(session, "prediction", **defaults | values)


def make_tasks(session: Session, project: SimpleNamespace, number: int, **values: Any) -> None:
    """Equal tasks, in one transaction."""
    rows = [_task_values(session, project.id) | values | {"inner_id": at} for at in range(1, number + 1)]
    schema: Schema = session.info["schema"]
    write_changes(session, schema, [InsertRow("task", row, unless={}) for row in rows])
    session.commit()


def _task_values(session: Session, project_id: int | None) -> dict[str, Any]:
    task = session.info["schema"].table("task")
    last = 0
    if "inner_id" in task.c:
        last = session.scalar(select(func.max(task.c.inner_id)).where(task.c.project_id == project_id)) or 0
    return {
        "project_id": project_id, "data": {"text": "A sentence."}, "meta": {}, "overlap": 1, "is_labeled": False,
        "inner_id": last + 1, "total_annotations": 0, "cancelled_annotations": 0, "total_predictions": 0,
        "comment_count": 0, "unresolved_comment_count": 0, "created_at": _now(), "updated_at": _now(),
    }  # fmt: skip


def _choice(value: str) -> dict[str, Any]:
    return {
        "id": f"r{next(_number)}", "from_name": "sentiment", "to_name": "text", "type": "choices",
        "value": {"choices": [value]},
    }  # fmt: skip


def _now() -> datetime:
    return datetime.now(UTC)
