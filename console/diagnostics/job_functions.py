"""The functions Label Studio hands to its workers: where they run, how long they may, and what a second run does.

This is the one place that knows them. A name is looked up by its last part, because rq writes a plain function with its
module (`io_storages.base_models.import_sync_background`) and a method of a project without one
(`_rearrange_overlap_cohort`). What is not listed here (jobs of the enterprise edition, of other software) is never
repeated by us.

Source: every `start_job_async_or_sync` of Label Studio 1.4 to 1.23, and what the functions do first. A sync wants a
storage that is `queued`, an import, a reimport and a conversion a row that is `created`; after a failure the row says
`failed`, so Label Studio itself refuses the second run. Methods of a project work with the project as it was pickled.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

#: What rq allows a job that brings no limit of its own: `DEFAULT_TIMEOUT` of every queue.
DEFAULT_TIMEOUT_SECONDS = 180
LONG_TIMEOUT_SECONDS = 36_000  # RQ_LONG_JOB_TIMEOUT

_HOUR = 3600


class Again(enum.StrEnum):
    """What happens when a job that has run is run once more."""

    HARMLESS = "harmless"
    #: Label Studio looks at the row first and does nothing, or fails: start it anew from its pages.
    REFUSED = "refused"
    #: something would be sent twice, deleted later than meant, or overwritten with what was true then
    UNSAFE = "unsafe"


@dataclass(frozen=True)
class JobFunction:
    """One function. `about` is the row behind it: storage, export, conversion, import, reimport, migration or "".

    `missing` completes the sentence "As long as it has not run, …".
    """

    name: str
    title: str
    queue: str
    again: Again
    missing: str
    about: str = ""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    #: why it is not run again; empty for a harmless one
    why: str = ""


_STORAGE_ROW = "its storage says failed by then, and a sync begins only with one that says queued: click Sync again"
_CREATED_ROW = "it begins only with a row that says created, and that row has moved on: start it again in Label Studio"
_OLD_PROJECT = (
    "it carries the settings the project had when it was put into the queue; the checks tasks.counters_drift and"
    " tasks.is_labeled_drift repair what it left"
)
_SENT_TWICE = "the receiver may have got it already, and it would tell of things as they were then"
_DELETES = "it deletes tasks, and is better asked for again by somebody who sees which"


def _sync(name: str, title: str, missing: str) -> JobFunction:
    return JobFunction(
        name, title, "low", Again.REFUSED, missing, "storage", LONG_TIMEOUT_SECONDS, _STORAGE_ROW
    )  # fmt: skip


def _saved(provider: str, name: str) -> JobFunction:
    missing = "the annotation is not in the target storage"
    return JobFunction(
        f"async_export_annotation_to_{provider}_storages", f"Writing of an annotation to {name}", "default",
        Again.HARMLESS, missing,
    )  # fmt: skip


def _upgrade(name: str) -> JobFunction:
    why = "it changes tables; see the check pg.async_migration for what is left to do"
    return JobFunction(
        name, "Part of an upgrade", "default", Again.UNSAFE, "an index, a column or its contents are missing",
        "migration", why=why,
    )  # fmt: skip


#: What migrations hand to workers; `execute_sql_job` is the way of newer releases.
_UPGRADES = (
    "execute_sql_job", "forward_migration", "reverse_migration", "backward_migration", "forward_migration_job",
    "reverse_migration_job", "async_index_creation", "_fill_label_config_hash", "_fill_annotations_project",
    "_fill_predictions_project", "_fill_annotations_updated_by", "_fill_model_version_model_provider_connection",
    "cleanup_inconsistent_filtergroup",
)  # fmt: skip

_FUNCTIONS = (
    _sync("import_sync_background", "Sync of a source", "new files of the bucket do not become tasks"),
    _sync("sync_background", "Sync of a source", "new files of the bucket do not become tasks"),
    _sync("export_sync_background", "Sync of a target", "annotations are not written to the bucket"),
    _sync("export_sync_only_new_background", "Sync of a target", "new annotations are not written to the bucket"),
    _saved("s3", "S3"), _saved("gcs", "Google Cloud Storage"), _saved("azure", "Azure"),
    JobFunction("export_background", "Export snapshot", "default", Again.HARMLESS,
                "the snapshot stays in progress and cannot be downloaded", "export", 3 * _HOUR),
    JobFunction("async_convert", "Conversion of a snapshot", "default", Again.REFUSED,
                "the snapshot cannot be downloaded in this format", "conversion", why=_CREATED_ROW),
    JobFunction("async_import_background", "Import", "high", Again.REFUSED,
                "the imported tasks do not appear", "import", why=_CREATED_ROW),
    JobFunction("async_reimport_background", "Reimport of files", "high", Again.REFUSED,
                "the files are not read again", "reimport", why=_CREATED_ROW),
    JobFunction("update_tasks_counters", "Counters of tasks", "default", Again.HARMLESS,
                "the Data Manager shows old numbers of annotations and predictions"),
    JobFunction("_update_tasks_counters_and_is_labeled", "Counters of tasks", "default", Again.UNSAFE,
                "the Data Manager shows old numbers, and tasks count as unfinished", why=_OLD_PROJECT),
    JobFunction("redis_job_for_calculation", "Counters of a whole organization", "critical", Again.HARMLESS,
                "counters of old tasks are not filled", timeout_seconds=24 * _HOUR),
    JobFunction("_update_tasks_counters_and_task_states", "Counters and overlap of tasks", "default", Again.UNSAFE,
                "counters and the overlap of tasks are old", why=_OLD_PROJECT),
    JobFunction("_update_tasks_states", "Overlap of tasks", "default", Again.UNSAFE,
                "a changed overlap is not in force", why=_OLD_PROJECT),
    JobFunction("_rearrange_overlap_cohort", "Overlap of tasks", "default", Again.UNSAFE,
                "a changed overlap is not in force", why=_OLD_PROJECT),
    JobFunction("recalculate_created_annotations_and_labels_from_scratch", "Summary of a project", "default",
                Again.HARMLESS, "the project refuses changes of its labels, or allows too many"),
    JobFunction("bulk_update", "Finished state of tasks", "default", Again.UNSAFE, "tasks count as unfinished",
                why="it writes the values the tasks had when it was put into the queue"),
    JobFunction("delete_tasks_without_signals_from_task_ids", "Deletion of tasks", "low", Again.UNSAFE,
                "deleted tasks are hidden but still take space", why=_DELETES),
    JobFunction("async_project_summary_recalculation", "Deletion of tasks", "default", Again.UNSAFE,
                "deleted tasks are hidden but still take space", why=_DELETES),
    JobFunction("remove_duplicates_job", "Removal of duplicates", "high", Again.UNSAFE,
                "duplicated tasks stay", why=_DELETES),
    JobFunction("cache_labels_job", "Labels as a column of tasks", "default", Again.UNSAFE,
                "the column of labels is not filled", timeout_seconds=5 * _HOUR,
                why="it writes the data the tasks had when it was put into the queue"),
    JobFunction("run_webhook_sync", "Webhook", "high", Again.UNSAFE, "the receiver is not told", why=_SENT_TWICE),
    JobFunction("emit_webhooks_sync", "Webhook", "low", Again.UNSAFE, "the receiver is not told", why=_SENT_TWICE),
    JobFunction("emit_webhooks_for_instance_sync", "Webhook", "low", Again.UNSAFE, "the receiver is not told",
                why=_SENT_TWICE),
    JobFunction("sync_user_activities_to_db", "Last activity of users", "low", Again.HARMLESS,
                "the list of members shows old times of activity"),
    *(_upgrade(name) for name in _UPGRADES),
)  # fmt: skip

FUNCTIONS = {function.name: function for function in _FUNCTIONS}


def known(function: str | None) -> JobFunction | None:
    """The entry of a function as rq writes it (`tasks.models.Task.delete…`), or None when it is not Label Studio's."""
    return FUNCTIONS.get((function or "").rpartition(".")[2])


def harmless_again(function: str | None) -> bool:
    """Whether this job may be put into its queue once more without anybody asking what it did so far."""
    entry = known(function)
    return entry is not None and entry.again is Again.HARMLESS


def why_not_again(function: str | None) -> str:
    """Why a job is not run again, as the end of a sentence; empty for a harmless one."""
    entry = known(function)
    return entry.why if entry else "nobody knows what a second run of it does"


def missing_work(function: str | None) -> str:
    """What users miss while this job has not run; empty when nobody knows."""
    entry = known(function)
    return entry.missing if entry else ""


def usual_queue(function: str | None) -> str | None:
    """The queue Label Studio puts this function into."""
    entry = known(function)
    return entry.queue if entry else None
