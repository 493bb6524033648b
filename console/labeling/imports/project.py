"""The project that an import goes into, and the people whose annotations it may bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text

from ...errors import Invalid
from .. import label_config, overlap, predictions
from ..db import Db
from ..tasks import is_former_member, reached
from .checks import Wrong

#: An import waits this long for another one into the same project.
PATIENCE_SECONDS = 60
NO_PROJECT = "No Project matches the given query."


@dataclass(frozen=True)
class Project:
    """What an import has to know of its project."""

    id: int
    organization_id: int
    title: str
    is_draft: bool
    model_version: str | None
    config: label_config.ParsedConfig
    controls: Mapping[str, Mapping[str, Any]]
    rules: overlap.Rules


def project(db: Db, project_id: int, *, lock: bool = False) -> Project:
    """A project of the caller's organization. Raises NotFound, or Forbidden for a former member.

    `lock` lets no other import number its tasks until the transaction ends; annotations can be saved meanwhile.
    """
    table = db.table("project")
    wanted = db.columns(
        "project", "id", "organization_id", "title", "is_draft", "model_version", "label_config",
        "maximum_annotations", "overlap_cohort_percentage", "skip_queue",
    )  # fmt: skip
    statement = select(*wanted, is_former_member(db, table.c.organization_id).label("former")).where(
        table.c.id == project_id, table.c.organization_id == db.caller.organization_id
    )
    if lock and db.postgresql:
        db.session.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'"))
        statement = statement.with_for_update(of=table, key_share=True)
    row = reached(db.first(statement), NO_PROJECT)
    found = row._mapping
    rules = overlap.Rules(
        row.id, row.maximum_annotations, found.get("overlap_cohort_percentage", 100), found.get("skip_queue")
    )
    config = label_config.parse_stored(row.label_config)
    controls = predictions.controls(db, project_id)
    return Project(row.id, row.organization_id, row.title or "", bool(found.get("is_draft")),
                   found.get("model_version"), config, controls, rules)  # fmt: skip


def need_project(db: Db, project_id: int) -> None:
    """Raise NotFound or Forbidden as `project` does, before a body is received for nothing."""
    table = db.table("project")
    statement = select(table.c.id, is_former_member(db, table.c.organization_id).label("former"))
    own = (table.c.id == project_id) & (table.c.organization_id == db.caller.organization_id)
    reached(db.first(statement.where(own)), NO_PROJECT)


class People:
    """Who may have made an annotation: every member of the organization, former ones too, as in Label Studio."""

    def __init__(self, db: Db, organization_id: int, *, unknown_become_importer: bool) -> None:
        self._importer, self._lenient = db.caller.id, unknown_become_importer
        members, users = db.table("organizations_organizationmember"), db.table("htx_user")
        rows = db.rows(
            select(users.c.email, users.c.id)
            .select_from(members.join(users, users.c.id == members.c.user_id))
            .where(members.c.organization_id == organization_id)
        )
        self._by_email = {row.email: row.id for row in rows}
        self._ids = set(self._by_email.values())

    def author(self, completed_by: Any) -> int:
        """The user id of an annotation's `completed_by`: nobody is the importer. Raises Wrong for strangers."""
        if completed_by is None:
            return self._importer
        if isinstance(completed_by, dict):
            if "email" not in completed_by:
                raise Wrong("It's expected to have 'email' field in 'completed_by' data in annotations")
            email = completed_by["email"]
            found = self._by_email.get(email) if isinstance(email, str) else None
            if found is None and not self._lenient:
                raise Wrong(f"Unknown annotator's email {email}")
            return self._importer if found is None else found
        if isinstance(completed_by, int) and not isinstance(completed_by, bool) and completed_by in self._ids:
            return completed_by
        raise Wrong(f"Import data contains completed_by={completed_by} which is not a valid annotator's email or ID")


def own_uploads(db: Db, project_id: int, upload_ids: set[int]) -> None:
    """Raise Invalid when a task names an uploaded file that is not this project's."""
    uploads = db.table("data_import_fileupload")
    found = set(db.values(select(uploads.c.id).where(uploads.c.project_id == project_id, uploads.c.id.in_(upload_ids))))
    if unknown := sorted(upload_ids - found):
        raise Invalid(f"Task[file_upload_id] names a file that project {project_id} does not have: {unknown[0]}")
