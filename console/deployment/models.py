"""Label Studio's tables as mapped classes: a map of somebody else's land.

The map is of the newest release; `schema.Schema` knows which of its tables and columns the attached database
really has. Queries select columns, never whole entities, so that one query text serves every release.
Where Label Studio's table is called otherwise (`task_completion` holds annotations) this module translates once.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, Integer, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import DeclarativeBase, MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, always timezone-aware UTC in Python.

    On SQLite Django stores text without zone and leaves microseconds out when they are 0; we write the same text,
    so that undo restores a row to the byte.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        from sqlalchemy import DateTime

        if dialect.name == "sqlite":
            return dialect.type_descriptor(String())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        if isinstance(value, str):
            return value
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return as_utc(value)


class Json(TypeDecorator[Any]):
    """A JSON document; on SQLite text that may be broken, which is returned as the text it is."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if isinstance(value, str) and dialect.name == "sqlite":
            try:
                return json.loads(value)
            except ValueError:
                return value
        return value


def as_utc(value: Any) -> datetime | None:
    """A database value as aware UTC, or None when it is empty or no time at all."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class LabelStudio(DeclarativeBase):
    """Base of every mapped table of Label Studio."""


def key(name: str = "id") -> MappedColumn[Any]:
    return mapped_column(name, Integer, primary_key=True)


def number() -> MappedColumn[Any]:
    return mapped_column(Integer)


def text() -> MappedColumn[Any]:
    return mapped_column(Text)


def flag() -> MappedColumn[Any]:
    return mapped_column(Boolean)


def moment() -> MappedColumn[Any]:
    return mapped_column(UtcDateTime)


def document() -> MappedColumn[Any]:
    return mapped_column(Json)


class User(LabelStudio):
    __tablename__ = "htx_user"
    id = key()
    email, username, first_name, last_name, phone = text(), text(), text(), text(), text()
    password = text()
    is_active, is_staff, is_superuser = flag(), flag(), flag()
    last_login, date_joined, last_activity = moment(), moment(), moment()
    active_organization_id = number()


class Organization(LabelStudio):
    __tablename__ = "organization"
    id = key()
    title, token, contact_info = text(), text(), text()
    created_by_id = number()
    created_at, updated_at = moment(), moment()


class OrganizationMember(LabelStudio):
    __tablename__ = "organizations_organizationmember"
    id = key()
    organization_id, user_id = number(), number()
    created_at, updated_at, deleted_at = moment(), moment(), moment()


class Project(LabelStudio):
    __tablename__ = "project"
    id = key()
    title, description, label_config, expert_instruction, color, skip_queue, sampling, model_version = (
        text(), text(), text(), text(), text(), text(), text(), text(),
    )  # fmt: skip
    organization_id, created_by_id, maximum_annotations, overlap_cohort_percentage = (
        number(),
        number(),
        number(),
        number(),
    )
    is_published, is_draft, show_skip_button, enable_empty_annotation, show_collab_predictions = (
        flag(), flag(), flag(), flag(), flag(),
    )  # fmt: skip
    created_at, updated_at, pinned_at, deleted_at = moment(), moment(), moment(), moment()


class ProjectSummary(LabelStudio):
    __tablename__ = "projects_projectsummary"
    project_id = key("project_id")
    created_at = moment()
    all_data_columns, common_data_columns, created_annotations, created_labels = (
        document(),
        document(),
        document(),
        document(),
    )


class Task(LabelStudio):
    __tablename__ = "task"
    id = key()
    data, meta = document(), document()
    project_id, file_upload_id, updated_by_id, overlap = number(), number(), number(), number()
    inner_id = mapped_column(BigInteger)
    is_labeled = flag()
    total_annotations, cancelled_annotations, total_predictions = number(), number(), number()
    comment_count, unresolved_comment_count = number(), number()
    created_at, updated_at = moment(), moment()


class Annotation(LabelStudio):
    """`task_completion`: Label Studio's annotations kept the name they had in 2019."""

    __tablename__ = "task_completion"
    id = key()
    task_id, project_id, completed_by_id, updated_by_id, result_count = number(), number(), number(), number(), number()
    parent_annotation_id, parent_prediction_id = number(), number()
    result, prediction = document(), document()
    was_cancelled, ground_truth = flag(), flag()
    lead_time = mapped_column(Float)
    unique_id = text()
    created_at, updated_at, draft_created_at = moment(), moment(), moment()


class Prediction(LabelStudio):
    __tablename__ = "prediction"
    id = key()
    task_id, project_id = number(), number()
    result = document()
    score = mapped_column(Float)
    model_version = text()
    created_at, updated_at = moment(), moment()


class Draft(LabelStudio):
    __tablename__ = "tasks_annotationdraft"
    id = key()
    task_id, annotation_id, user_id = number(), number(), number()
    result = document()
    created_at, updated_at = moment(), moment()


class Token(LabelStudio):
    __tablename__ = "authtoken_token"
    key = mapped_column(Text, primary_key=True)
    user_id = number()
    created = moment()


class Migration(LabelStudio):
    __tablename__ = "django_migrations"
    id = key()
    app, name = text(), text()
    applied = moment()


class AsyncMigration(LabelStudio):
    """Label Studio's migrations that run beside the server; statuses STARTED, IN PROGRESS, FINISHED, ERROR, SCHEDULED."""

    __tablename__ = "core_asyncmigrationstatus"
    id = key()
    name, status = text(), text()
    meta = document()
    project_id = number()
    created_at, updated_at = moment(), moment()


class ExportSnapshot(LabelStudio):
    __tablename__ = "data_export_export"
    id = key()
    title, status, md5 = text(), text(), text()
    project_id, created_by_id = number(), number()
    created_at, finished_at = moment(), moment()
