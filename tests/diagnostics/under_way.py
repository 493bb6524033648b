"""Rows that are under way, and real jobs of theirs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import redis
from rq import Queue
from rq.job import Job
from sqlalchemy.orm import Session

from tests.factories import make_row

FUNCTIONS = {
    "export": ("default", "data_export.mixins.export_background"),
    "conversion": ("default", "data_export.api.async_convert"),
    "import": ("high", "data_import.functions.async_import_background"),
    "reimport": ("high", "data_import.functions.async_reimport_background"),
}


def make_snapshot(session: Session, *, hours: float = 5, project_id: int = 1, **values: Any) -> SimpleNamespace:
    """A snapshot begun so many hours ago, under way."""
    defaults = {
        "title": "All of it", "status": "in_progress", "project_id": project_id, "created_at": ago(hours), "md5": "",
        "finished_at": None, "counters": {}, "created_by_id": 1, "file": None,
    }  # fmt: skip
    return make_row(session, "data_export_export", **defaults | values)


def make_conversion(session: Session, *, hours: float = 5, export_id: int = 1, **values: Any) -> SimpleNamespace:
    """A conversion of snapshot 1 to COCO, under way."""
    defaults = {
        "status": "in_progress", "export_id": export_id, "export_type": "COCO", "created_at": ago(hours), "file": None,
        "updated_at": ago(hours), "finished_at": None, "traceback": None, "project_id": None, "organization_id": None,
        "created_by_id": None,
    }  # fmt: skip
    return make_row(session, "data_export_convertedformat", **defaults | values)


def make_import(session: Session, *, hours: float = 5, project_id: int = 1, **values: Any) -> SimpleNamespace:
    """An import of the uploaded file 1, under way."""
    defaults = {
        "status": "in_progress", "project_id": project_id, "created_at": ago(hours), "updated_at": ago(hours),
        "file_upload_ids": [1], "commit_to_project": True, "return_task_ids": False, "could_be_tasks_list": False,
        "url": None, "traceback": None, "error": None, "finished_at": None, "task_count": 0, "annotation_count": 0,
        "prediction_count": 0, "duration": 0, "found_formats": [], "data_columns": [], "tasks": None, "task_ids": [],
        "preannotated_from_fields": None,
    }  # fmt: skip
    return make_row(session, "projects_projectimport", **defaults | values)


def make_reimport(session: Session, *, project_id: int = 1, **values: Any) -> SimpleNamespace:
    """A reimport of the uploaded file 1, under way."""
    defaults = {
        "status": "created", "project_id": project_id, "file_upload_ids": [1], "files_as_tasks_list": True, "error": None,
        "traceback": None, "task_count": 0, "annotation_count": 0, "prediction_count": 0, "duration": 0,
        "found_formats": [], "data_columns": [],
    }  # fmt: skip
    return make_row(session, "projects_projectreimport", **defaults | values)


def put_job(raw: redis.Redis, about: str, row_id: int, *more: Any) -> Job:
    """The job of a row, as Label Studio puts it into its queue."""
    queue, function = FUNCTIONS[about]
    return Queue(queue, connection=raw).enqueue(function, row_id, None, *more, job_timeout=10800)


def start_job(raw: redis.Redis, job: Job, worker: Any) -> None:
    """A worker has taken the job and works on it."""
    raw.lrem(f"rq:queue:{job.origin}", 0, job.id)
    raw.zadd(f"rq:wip:{job.origin}", {f"{job.id}:{'0' * 32}": 2_000_000_000})
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    raw.hset(job.key, mapping={"status": "started", "worker_name": worker.name, "started_at": stamp})
    raw.hset(worker.key, mapping={"state": "busy", "current_job": job.id})


def ago(hours: float) -> datetime:
    """So many hours and half a minute ago: checks tell whole minutes."""
    return datetime.now(UTC) - timedelta(hours=hours, seconds=30)
