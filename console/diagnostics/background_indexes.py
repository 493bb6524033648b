"""The indexes that Label Studio builds in the background after an upgrade, by the migration that starts the job."""

from __future__ import annotations

from dataclasses import dataclass

from ..deployment.postgres.naming import quoted


@dataclass(frozen=True)
class BackgroundIndex:
    """An index that has to be there once the migration is applied; `definition` as PostgreSQL tells it after USING."""

    app: str
    migration: str
    name: str
    table: str
    definition: str
    #: what is slow without it
    serves: str

    @property
    def statement(self) -> str:
        """The statement that builds it beside the running application."""
        return f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {quoted(self.name)} ON {quoted(self.table)} USING {self.definition};"


def _links() -> list[BackgroundIndex]:
    suffixes = {"azureblob": "6cc15c83", "gcs": "2df715a6", "localfiles": "fc4f9825", "redis": "8547e508", "s3": "729994fe"}
    return [
        BackgroundIndex(
            "io_storages", "0017_auto_20240731_1638", f"io_storages_{kind}exportstoragelink_annotation_id_{suffix}",
            f"io_storages_{kind}exportstoragelink", "btree (annotation_id)", "deleting annotations and tasks",
        )
        for kind, suffix in suffixes.items()
    ]  # fmt: skip


#: Source: the migrations of Label Studio's tasks, projects and io_storages apps, and the indexes of databases that
#: 1.8.2 to 1.23.2 made.
BACKGROUND_INDEXES = (
    BackgroundIndex("tasks", "0045_auto_20231124_1238", "task_comple_project_0bc0be_idx", "task_completion",
                    "btree (project_id, completed_by_id)", "member statistics and filters by annotator"),
    BackgroundIndex("tasks", "0045_auto_20231124_1238", "task_comple_task_id_a6bdec_idx", "task_completion",
                    "btree (task_id, id)", "opening a task with its annotations"),
    BackgroundIndex("tasks", "0054_add_brin_index_updated_at", "task_updated_at_brin_idx", "task",
                    "brin (updated_at)", "sorting and filtering by the last change"),
    BackgroundIndex("tasks", "0055_task_proj_octlen_idx_async", "task_proj_octlen_idx", "task",
                    "btree (project_id, octet_length((data)::text) DESC) INCLUDE (id)", "exports of large projects"),
    BackgroundIndex("tasks", "0056_task_prediction_result_proj_gin_idx_async", "tasks_predictions_result_proj_gin",
                    "prediction", "gin (project_id, ((result)::text) gin_trgm_ops)", "filters on prediction results"),
    BackgroundIndex("tasks", "0057_annotation_proj_result_octlen_idx_async", "annotation_proj_result_octlen_idx",
                    "task_completion", "btree (project_id, octet_length((result)::text) DESC) INCLUDE (id)",
                    "exports of large projects"),
    BackgroundIndex("tasks", "0059_task_completion_id_updated_at_idx_async", "task_completion_id_updated_at_idx",
                    "task_completion", "btree (id, updated_at)", "storage syncs to a target"),
    BackgroundIndex("projects", "0030_project_search_vector_index", "project_search_vector_idx", "project",
                    "gin (search_vector)", "the search over projects"),
    BackgroundIndex("projects", "0033_projects_soft_delete_indexes_async", "project_org_deleted_idx", "project",
                    "btree (organization_id, deleted_at)", "the list of projects"),
    BackgroundIndex("projects", "0033_projects_soft_delete_indexes_async", "project_deleted_at_idx", "project",
                    "btree (deleted_at)", "the list of projects"),
    BackgroundIndex("projects", "0033_projects_soft_delete_indexes_async", "project_purge_at_idx", "project",
                    "btree (purge_at)", "purging deleted projects"),
    *_links(),
)  # fmt: skip
