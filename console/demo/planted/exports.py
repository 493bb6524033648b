"""Exports and imports: one that really runs, one whose job is gone, failed ones, one without its file; an import that hangs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from console.demo.planted.projects import add_project, add_tasks, annotate
from console.demo.story import Story

#: Snapshots that jobs of the queues are about: see `queue_process`.
FAILED, RUNNING = (11, 12, 14), 13
RUNS_FOR = timedelta(minutes=162)
#: A snapshot whose job is gone, one whose file is, and one in order.
LOST, MISSING, WHOLE = 21, 9, 20
COUNTERS = {"task_number": 24}


def plant(cursor: Cursor, story: Story, data_dir: Path) -> None:
    """Rows, and the files of finished snapshots below `data_dir`/media."""
    now = datetime.now(UTC)
    _whole_files(cursor, data_dir)
    busy = _project(cursor, "Culverts, spring inspection", "culverts")
    for export_id in FAILED:
        _snapshot(cursor, export_id, busy, "failed", now - timedelta(hours=5))
    _snapshot(cursor, RUNNING, busy, "in_progress", now - RUNS_FOR)
    story.fault("export.failed", f"project:{busy}", "three snapshots failed: the export directory is not there")

    lost = _project(cursor, "Tunnels, spring inspection", "tunnels")
    _snapshot(cursor, LOST, lost, "in_progress", now - timedelta(hours=26))
    story.fault("export.snapshot_stuck", f"project:{lost}", "in progress since yesterday, and its job is not in Redis")
    story.twin("export.snapshot_stuck", f"project:{busy}", "its snapshot is slow, and a worker is at it")
    _snapshot(cursor, WHOLE, lost, "completed", now - timedelta(hours=30), _written(data_dir, lost, WHOLE))
    _snapshot(cursor, MISSING, busy, "completed", now - timedelta(hours=40), f"export/{busy}/{MISSING}-at-2026.json")
    story.fault("export.file_missing", f"project:{busy}", "the row of snapshot 9 is there, its file is not")
    story.twin("export.file_missing", f"project:{lost}", "its finished snapshot has its file")
    story.twin("export.failed", f"project:{lost}", "it has no failed snapshot")
    cursor.execute("SELECT setval(pg_get_serial_sequence('data_export_export', 'id'), 40)")

    halfway = _project(cursor, "Retaining walls", "walls")
    _import(cursor, halfway, now - timedelta(hours=20))
    story.fault("import.stuck", f"project:{halfway}", "in progress since last night, and no job is about it")
    story.twin("import.stuck", f"project:{lost}", "nothing is imported there")


def _project(cursor: Cursor, title: str, folder: str) -> int:
    project_id = add_project(cursor, title)
    data = [{"image": f"https://images.example.com/{folder}/{number:04d}.jpg"} for number in range(1, 25)]
    task_ids = add_tasks(cursor, project_id, data, datetime.now(UTC) - timedelta(days=12))
    annotate(cursor, project_id, dict.fromkeys(task_ids, 1))
    return project_id


def _snapshot(cursor: Cursor, export_id: int, project_id: int, status: str, begun: datetime, file: str = "") -> None:
    ended = begun + timedelta(seconds=40) if status != "in_progress" else None
    cursor.execute(
        "INSERT INTO data_export_export (id, created_at, finished_at, status, file, md5, counters, created_by_id,"
        " project_id, title) VALUES (%s, %s, %s, %s, %s, %s, %s, 1, %s, %s)",
        [export_id, begun, ended, status, file, hashlib.md5(file.encode(), usedforsecurity=False).hexdigest(),
         Json(COUNTERS), project_id, f"Snapshot of {begun:%d %b}"],
    )  # fmt: skip


def _import(cursor: Cursor, project_id: int, begun: datetime) -> None:
    cursor.execute(
        "INSERT INTO projects_projectimport (project_id, status, created_at, updated_at, commit_to_project,"
        " return_task_ids, task_count, annotation_count, prediction_count, duration, file_upload_ids,"
        " could_be_tasks_list, found_formats, data_columns, task_ids)"
        " VALUES (%s, 'in_progress', %s, %s, true, false, 0, 0, 0, 0, '[]', false, '{}', '[]', '[]')",
        [project_id, begun, begun],
    )


def _written(data_dir: Path, project_id: int, export_id: int) -> str:
    """A file of an export, and the name its row knows it by."""
    name = f"export/{project_id}/{export_id}-at-2026.json"
    path = data_dir / "media" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[]")
    return name


def _whole_files(cursor: Cursor, data_dir: Path) -> None:
    """The files of snapshots that were in the dump: their disk did not come with it."""
    cursor.execute("SELECT file FROM data_export_export WHERE status = 'completed' AND file <> ''")
    for (name,) in cursor.fetchall():
        path = data_dir / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]")
