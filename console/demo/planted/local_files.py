"""Storages of local files: real directories and files of the demo, served under Label Studio's addresses."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from console.demo.planted.projects import add_project, add_tasks
from console.demo.story import Story

PICTURE = Path(__file__).parents[1] / "data" / "street.jpg"
DUMPED = "/tmp/ls-files"  # noqa: S108 - where the dump's own two storages lay
PARTS = 16


def plant(cursor: Cursor, story: Story, root: Path) -> None:
    """Fill the document root anew: the dump's two directories, and three halls of photos with a project each."""
    shutil.rmtree(root, ignore_errors=True)
    _move_the_dumps(cursor, root)
    taken = datetime.now(UTC) - timedelta(days=18)
    for hall in ("hall-1", "hall-2", "hall-3"):
        (root / hall).mkdir(parents=True)
        for number in range(1, PARTS + 1):
            shutil.copyfile(PICTURE, root / hall / f"part-{number:03d}.jpg")

    healthy = add_project(cursor, "Assembly line, hall 1", days_old=20)
    storage_id = _add_storage(cursor, healthy, "Parts, hall 1", root / "hall-1", taken)
    _load(cursor, healthy, storage_id, root, "hall-1", taken)
    for code in ("local.url_form", "local.no_covering_storage"):
        told = "the tasks name files as Label Studio serves them, and a storage of the project covers the folder"
        story.twin(code, f"project:{healthy}", told)

    by_hand = add_project(cursor, "Assembly line, hall 2", days_old=20)
    _add_storage(cursor, by_hand, "Parts, hall 2", root / "hall-2", None)
    foreign = [{"image": f"file:///mnt/camera/hall-2/part-{number:03d}.jpg"} for number in range(1, PARTS + 1)]
    add_tasks(cursor, by_hand, foreign, taken)
    told = "the tasks name files by their path on the machine of the camera, which no browser opens"
    story.fault("local.url_form", f"project:{by_hand}", told)

    uncovered = add_project(cursor, "Assembly line, hall 3", days_old=20)
    add_tasks(cursor, uncovered, [_task("hall-3", number) for number in range(1, PARTS + 1)], taken)
    story.fault("local.no_covering_storage", f"project:{uncovered}", "the files are there, and no storage covers them")


def _task(hall: str, number: int) -> dict[str, str]:
    return {"image": f"/data/local-files/?d={hall}/part-{number:03d}.jpg"}


def _move_the_dumps(cursor: Cursor, root: Path) -> None:
    """The dump's source and target below this root, with the files that its rows tell of."""
    cursor.execute("UPDATE io_storages_localfilesmixin SET path = replace(path, %s, %s)", [DUMPED, str(root)])
    cursor.execute("UPDATE io_storages_localfilesimportstoragelink SET key = replace(key, %s, %s)", [DUMPED, str(root)])
    cursor.execute("SELECT path FROM io_storages_localfilesmixin")
    for (path,) in cursor.fetchall():
        Path(path).mkdir(parents=True)
    cursor.execute("SELECT key, data FROM io_storages_localfilesimportstoragelink JOIN task ON task.id = task_id")
    for key, data in cursor.fetchall():
        Path(key).write_text(json.dumps(data))
    cursor.execute(
        "SELECT path, annotation_id FROM io_storages_localfilesexportstoragelink l"
        " JOIN io_storages_localfilesmixin m ON m.id = l.storage_id"
    )
    for path, annotation_id in cursor.fetchall():
        Path(path, str(annotation_id)).write_text(json.dumps({"id": annotation_id, "result": []}))


def _add_storage(cursor: Cursor, project_id: int, title: str, folder: Path, synced: datetime | None) -> int:
    """A source of photos; one that was not synced is there for its files to be served."""
    cursor.execute(
        "INSERT INTO io_storages_localfilesmixin (path, regex_filter, use_blob_urls) VALUES (%s, %s, true) RETURNING id",
        [str(folder), r".*\.jpg$"],
    )
    storage_id = int(cursor.fetchone()[0])
    cursor.execute(
        """
        INSERT INTO io_storages_localfilesimportstorage (localfilesmixin_ptr_id, title, description, created_at,
            last_sync, last_sync_count, project_id, meta, status, synchronizable, recursive_scan)
        VALUES (%s, %s, '', %s, %s, %s, %s, '{}', %s, %s, false)
        """,
        [
            storage_id, title, datetime.now(UTC) - timedelta(days=19), synced, PARTS if synced else None, project_id,
            "completed" if synced else "initialized", synced is not None,
        ],
    )  # fmt: skip
    return storage_id


def _load(cursor: Cursor, project_id: int, storage_id: int, root: Path, hall: str, synced: datetime) -> None:
    """Tasks and links as the sync of a hall's storage left them."""
    task_ids = add_tasks(cursor, project_id, [_task(hall, number) for number in range(1, PARTS + 1)], synced)
    links = [
        (str(root / hall / f"part-{number:03d}.jpg"), synced, storage_id, task_id)
        for number, task_id in enumerate(task_ids, 1)
    ]
    execute_values(
        cursor,
        "INSERT INTO io_storages_localfilesimportstoragelink (key, object_exists, created_at, storage_id, task_id)"
        " VALUES %s",
        links,
        template="(%s, true, %s, %s, %s)",
    )
