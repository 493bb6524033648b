"""Indexes that Label Studio builds beside its migrations, and that may therefore never have come to be.

The migration is recorded at once while a job builds the index; a job that dies leaves none, or an invalid one that a
second try skips ("if not exists"). An index that a migration makes in its own transaction cannot get lost like that,
and is not listed.

Source: Label Studio's migrations of tasks, projects and io_storages that call CREATE INDEX CONCURRENTLY.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..releases import catalogue
from ..schema import UNTOLD, Schema
from .indexes import IndexStats


@dataclass(frozen=True)
class Expected:
    """One index of a release. `needs` names extensions; `gone_with` the migration that drops it again, or ""."""

    name: str
    table: str
    #: what follows CREATE INDEX CONCURRENTLY IF NOT EXISTS name ON table
    what: str
    #: "app.name" of the migration
    migration: str
    gone_with: str = ""
    needs: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """What builds it beside the running application; outside of a transaction."""
        return f"CREATE INDEX CONCURRENTLY {self.name} ON {self.table} {self.what};"


@dataclass(frozen=True)
class Missing:
    """An expected index that is not there (`found` is None), or is there and invalid."""

    expected: Expected
    found: IndexStats | None


_TRIGRAMS = "USING gin (project_id, CAST(result AS text) gin_trgm_ops)"
_LINKS = {"azureblob": "6cc15c83", "gcs": "2df715a6", "localfiles": "fc4f9825", "redis": "8547e508", "s3": "729994fe"}
EXPECTED = (
    Expected("tasks_annotations_result_idx2", "task_completion", "USING gin (CAST(result AS text) gin_trgm_ops)",
             "tasks.0017_new_index_anno_result", "tasks.0035_auto_20221221_1116", ("pg_trgm",)),
    Expected("tasks_annotations_result_proj_gin", "task_completion", _TRIGRAMS, "tasks.0035_auto_20221221_1116",
             needs=("pg_trgm", "btree_gin")),
    Expected("task_comple_project_0bc0be_idx", "task_completion", "(project_id, completed_by_id)",
             "tasks.0045_auto_20231124_1238"),
    Expected("task_comple_task_id_a6bdec_idx", "task_completion", "(task_id, id)", "tasks.0045_auto_20231124_1238"),
    *(Expected(f"io_storages_{kind}exportstoragelink_annotation_id_{mark}", f"io_storages_{kind}exportstoragelink",
               "(annotation_id)", "io_storages.0017_auto_20240731_1638") for kind, mark in _LINKS.items()),
    Expected("task_updated_at_brin_idx", "task", "USING brin (updated_at)", "tasks.0054_add_brin_index_updated_at"),
    Expected("task_proj_octlen_idx", "task", "(project_id, octet_length(data::text) DESC) INCLUDE (id)",
             "tasks.0055_task_proj_octlen_idx_async"),
    Expected("tasks_predictions_result_proj_gin", "prediction", _TRIGRAMS,
             "tasks.0056_task_prediction_result_proj_gin_idx_async", needs=("pg_trgm", "btree_gin")),
    Expected("annotation_proj_result_octlen_idx", "task_completion",
             "(project_id, octet_length(result::text) DESC) INCLUDE (id)", "tasks.0057_annotation_proj_result_octlen_idx_async"),
    Expected("project_search_vector_idx", "project", "USING gin (search_vector)", "projects.0030_project_search_vector_index"),
    Expected("project_org_deleted_idx", "project", "(organization_id, deleted_at)", "projects.0033_projects_soft_delete_indexes_async"),
    Expected("project_deleted_at_idx", "project", "(deleted_at)", "projects.0033_projects_soft_delete_indexes_async"),
    Expected("project_purge_at_idx", "project", "(purge_at)", "projects.0033_projects_soft_delete_indexes_async"),
    Expected("task_completion_id_updated_at_idx", "task_completion", "(id, updated_at)",
             "tasks.0059_task_completion_id_updated_at_idx_async"),
)  # fmt: skip


def of_release(schema: Schema) -> list[Expected] | None:
    """What the attached release should have; None when nobody may tell the release (`django_migrations` is shut)."""
    release = schema.release
    if release == UNTOLD:
        return None
    facts = catalogue()
    at = facts.releases.index(release.version)

    def applied(migration: str) -> bool:
        app, _, name = migration.partition(".")
        return facts.migrations[app, name].first <= at and migration not in release.pending

    return [
        index for index in EXPECTED
        if applied(index.migration) and not (index.gone_with and applied(index.gone_with))
        and schema.has_table(index.table)
    ]  # fmt: skip


def missing(schema: Schema, indexes: Iterable[IndexStats]) -> list[Missing] | None:
    """Expected indexes that are absent or invalid and not being built now; None when the release is not known.

    One under another name that answers the same question counts as there.
    """
    wanted = of_release(schema)
    if wanted is None:
        return None
    there = list(indexes)
    by_name = {index.name: index for index in there}
    alike = {
        (index.table, _shape(index.definition))
        for index in there
        if index.definition and (index.valid or index.building)
    }
    found = []
    for expected in wanted:
        index = by_name.get(expected.name)
        if index is not None and (index.valid or index.building):
            continue
        if (expected.table, _shape(f" ON {expected.table} {expected.what}")) not in alike:
            found.append(Missing(expected, index))
    return found


def _shape(definition: str) -> str:
    """Method and columns of a definition in one spelling, ours or PostgreSQL's, whichever way it writes casts."""
    text = definition.partition(" ON ")[2] or definition
    what = text[text.index("(") :] if " USING " not in text.upper() else text[text.upper().index(" USING ") + 7 :]
    what = what.lower().replace("cast(result as text)", "((result)::text)").replace("public.", "")
    what = what.removeprefix("btree")
    return "".join(character for character in what if character not in "() \"'")
