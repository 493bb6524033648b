"""Targets that were given less than they say, and storages that share a place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from console.demo.buckets import REGION, Folder, ObjectStore
from console.demo.planted import storages
from console.demo.planted.projects import REVIEWS, add_project, add_tasks, annotate
from console.demo.planted.storages import SHELVES, STREET, TEXT, Source, numbered
from console.demo.story import Story

EXPORTS = Folder("northlight-exports", "signs/", (), may_write=True)
ROUND_TRIP = Folder(TEXT, "returns/", numbered("return-{:03d}.json", 12), may_write=True)
TWICE = Folder(SHELVES, "aisle-03/", numbered("shelf-{:03d}.jpg", 14))
FORGOTTEN = Folder(STREET, "viaducts/", numbered("viaduct_{:03d}.jpg", 10))
ANNOTATED, WRITTEN = 40, 28


def folders() -> list[Folder]:
    """What the S3 server has to hold for them."""
    return [EXPORTS, ROUND_TRIP, TWICE, FORGOTTEN]


def plant(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    """One project per fault; the target of the restored dump is the healthy one."""
    _plant_lag(cursor, story, store)
    _plant_shared(cursor, story, store)
    _plant_twice(cursor, story, store)
    _plant_orphans(cursor, story, store)


def _plant_lag(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    project_id = add_project(cursor, "Road signs, export")
    data = [{"image": f"https://images.example.com/signs/{number:03d}.jpg"} for number in range(ANNOTATED)]
    tasks = add_tasks(cursor, project_id, data, datetime.now(UTC) - timedelta(days=20))
    annotate(cursor, project_id, dict.fromkeys(tasks, 1))
    begun = datetime.now(UTC) - timedelta(minutes=20)
    target = _add_target(cursor, project_id, "Signs to the bucket", EXPORTS, store, begun, ANNOTATED)
    cursor.execute(
        "INSERT INTO io_storages_s3exportstoragelink (annotation_id, storage_id, object_exists, created_at, updated_at)"
        " SELECT id, %s, true, %s, %s FROM task_completion WHERE project_id = %s ORDER BY id LIMIT %s",
        [target, begun + timedelta(seconds=4), begun + timedelta(seconds=4), project_id, WRITTEN],
    )
    told = f"Road signs: the last sync counted {ANNOTATED} annotations and wrote {WRITTEN}"
    for code in ("storage.target_lag", "storage.target_silent_failures"):
        story.fault(code, f"storage:s3-export:{target}", told)
        story.twin(code, "storage:s3-export:1", "every annotation of its project has a link")


def _plant_shared(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    source = Source("Return slips", "Return slips", ROUND_TRIP, ".*", "", blobs=False, like=REVIEWS)
    storage_id, project_id = storages.add(cursor, source, store, days_old=25, minutes_ago=2_000)
    _add_target(cursor, project_id, "Return slips, annotated", ROUND_TRIP, store, datetime.now(UTC), 0)
    explanation = "the target writes into the folder that the source reads: annotations come back as tasks"
    story.fault("storage.shared_location", f"storage:s3:{storage_id}", explanation)
    story.twin("storage.shared_location", "storage:s3:1", "its project's target has a bucket of its own")


def _plant_twice(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    source = Source("Shelf photos, aisle 3", "Warehouse shelves, aisle 3", TWICE, r".*\.jpg$", "")
    first, project_id = storages.add(cursor, source, store, days_old=22, minutes_ago=30_000)
    second, other_project = storages.add(cursor, source, store, days_old=22, minutes_ago=9_000)
    for table in ("io_storages_s3importstorage", "task"):
        cursor.execute(f"UPDATE {table} SET project_id = %s WHERE project_id = %s", [project_id, other_project])
    cursor.execute("UPDATE task SET inner_id = id WHERE project_id = %s", [project_id])
    cursor.execute("DELETE FROM projects_projectsummary WHERE project_id = %s", [other_project])
    cursor.execute("DELETE FROM project WHERE id = %s", [other_project])
    story.fault(
        "storage.duplicate_sources", f"storage:s3:{second}", "made again over the same folder: every file twice"
    )
    story.twin("storage.duplicate_sources", f"storage:s3:{first}", "the older of the two is the one to keep")


def _plant_orphans(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    source = Source("Viaducts", "Viaducts", FORGOTTEN, r".*\.jpg$", "")
    storage_id, project_id = storages.add(cursor, source, store, days_old=18, minutes_ago=12_000)
    cursor.execute(
        "UPDATE task SET project_id = NULL WHERE id IN (SELECT id FROM task WHERE project_id = %s ORDER BY id LIMIT 4)",
        [project_id],
    )
    story.fault(
        "storage.orphan_links", f"storage:s3:{storage_id}", "four tasks were deleted half way: their links stayed"
    )
    story.twin("storage.orphan_links", "storage:s3:1", "every link has its task")


def _add_target(
    cursor: Cursor, project_id: int, title: str, folder: Folder, store: ObjectStore, begun: datetime, count: int
) -> int:
    """A target that completed a sync which began then; returns its id."""
    key = store.key_of(folder)
    meta = {
        "attempts": 1, "time_queued": str(begun), "time_in_progress": str(begun), "time_last_ping": str(begun),
        "time_completed": str(begun + timedelta(seconds=6)), "duration": 6.0, "total_annotations": count,
    }  # fmt: skip
    cursor.execute(
        """
        INSERT INTO io_storages_s3exportstorage (title, description, created_at, bucket, prefix, use_blob_urls,
            aws_access_key_id, aws_secret_access_key, region_name, s3_endpoint, project_id, last_sync, last_sync_count,
            meta, status, synchronizable)
        VALUES (%s, '', %s, %s, %s, false, %s, %s, %s, %s, %s, %s, %s, %s, 'completed', true)
        RETURNING id
        """,
        [
            title, begun - timedelta(days=9), folder.bucket, folder.prefix, key.access_key_id, key.secret_access_key, REGION,
            store.endpoint, project_id, begun + timedelta(seconds=6), count, Json(meta),
        ],
    )  # fmt: skip
    return int(cursor.fetchone()[0])
