"""Delete an account for good, with what Label Studio deletes beside it and what it only lets go of.

Source: the `on_delete` of every foreign key to `htx_user` in Label Studio 1.23.2. Annotations, predictions, projects
and tasks stay and forget who made them; drafts, locks, views, uploads and labels go.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from .db import Db
from .users import need_deletable

#: (table, column) of rows that go with the account; tables whose rows hang on others come first.
GO = (
    ("django_admin_log", "user_id"), ("authtoken_token", "user_id"), ("htx_user_groups", "user_id"),
    ("htx_user_user_permissions", "user_id"), ("organizations_organizationmember", "user_id"),
    ("users_userproducttour", "user_id"), ("projects_labelstreamhistory", "user_id"),
    ("projects_projectmember", "user_id"), ("task_comment_authors", "user_id"), ("tasks_tasklock", "user_id"),
    ("tasks_annotationdraft", "user_id"), ("data_manager_view", "user_id"), ("labels_manager_label", "created_by_id"),
    ("labels_manager_label", "approved_by_id"), ("data_import_fileupload", "user_id"),
)  # fmt: skip
#: (table, column) of rows that stay and name nobody any more.
STAY = (
    ("token_blacklist_outstandingtoken", "user_id"), ("fsm_taskstate", "triggered_by_id"),
    ("fsm_annotationstate", "triggered_by_id"), ("fsm_projectstate", "triggered_by_id"),
    ("organization", "created_by_id"), ("data_export_export", "created_by_id"),
    ("data_export_convertedformat", "created_by_id"), ("project", "created_by_id"), ("project", "deleted_by_id"),
    ("task", "updated_by_id"), ("task_completion", "completed_by_id"), ("task_completion", "updated_by_id"),
    ("task_completion", "last_created_by_id"), ("ml_models_modelinterface", "created_by_id"),
    ("ml_models_thirdpartymodelversion", "created_by_id"), ("ml_models_modelrun", "created_by_id"),
    ("ml_model_providers_modelproviderconnection", "created_by_id"),
)  # fmt: skip
#: rows that hang on rows that go: (table, column, table that goes, its column), gone or let go of
DEPENDING = (
    ("labels_manager_labellink", "label_id", "labels_manager_label", "created_by_id", True),
    ("labels_manager_labellink", "label_id", "labels_manager_label", "approved_by_id", True),
    ("task", "file_upload_id", "data_import_fileupload", "user_id", False),
)


def delete(db: Db, user_id: int) -> None:
    """Delete an account of the active organization. Raises NotFound, Forbidden (see `need_deletable`)."""
    need_deletable(db, user_id)
    for table, column, parent, owner, goes in DEPENDING:
        if db.has(table, column) and db.has(parent, owner):
            upper = db.table(parent)
            gone = db.table(table).c[column].in_(select(upper.c.id).where(upper.c[owner] == user_id))
            _let_go(db, table, column, gone, goes=goes)
    for table, column in STAY:
        if db.has(table, column):
            _let_go(db, table, column, db.table(table).c[column] == user_id, goes=False)
    for table, column in GO:
        if db.has(table, column):
            _let_go(db, table, column, db.table(table).c[column] == user_id, goes=True)
    db.delete("htx_user", db.table("htx_user").c.id == user_id)
    db.record("deleted an account", f"user:{user_id}")


def _let_go(db: Db, table: str, column: str, where: Any, *, goes: bool) -> None:
    """Delete the rows, or make them forget; also where the release cannot hold an empty value."""
    if goes or not db.schema.columns[table][column].nullable:
        db.delete(table, where)
    else:
        db.update(table, where, {column: None})
