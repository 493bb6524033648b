"""What became of imports that ran as jobs of Label Studio's: its Enterprise edition leaves a row for each.

Source: Label Studio's `projects/models.py ProjectImport, ProjectReimport` and their serializers.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from ...errors import NotFound
from ..db import Db
from ..tasks import is_former_member, reached

IMPORT = (
    "preannotated_from_fields", "commit_to_project", "return_task_ids", "status", "url", "error", "created_at",
    "updated_at", "finished_at", "task_count", "annotation_count", "prediction_count", "duration", "file_upload_ids",
    "could_be_tasks_list", "found_formats", "data_columns", "tasks", "task_ids",
)  # fmt: skip
REIMPORT = (
    "status", "error", "task_count", "annotation_count", "prediction_count", "duration", "file_upload_ids",
    "files_as_tasks_list", "found_formats", "data_columns",
)  # fmt: skip
_KINDS = {
    "import": ("projects_projectimport", "No ProjectImport matches the given query.", IMPORT),
    "reimport": ("projects_projectreimport", "No ProjectReimport matches the given query.", REIMPORT),
}


def status(db: Db, kind: str, project_id: int, number: int) -> dict[str, Any]:
    """The row of one `import` or `reimport` of a project. Raises NotFound, Forbidden."""
    name, missing, fields = _KINDS[kind]
    if not db.has(name):
        raise NotFound(missing)
    table, projects = db.table(name), db.table("project")
    row = reached(
        db.first(
            select(table.c.id, table.c.project_id.label("project"), *db.columns(name, *fields),
                   is_former_member(db, projects.c.organization_id).label("former"))
            .select_from(table.join(projects, projects.c.id == table.c.project_id))
            .where(table.c.id == number, table.c.project_id == project_id,
                   projects.c.organization_id == db.caller.organization_id)
        ),
        missing,
    )  # fmt: skip
    found = row._mapping
    return {name: found.get(name) for name in ("id", "project", *fields)}
