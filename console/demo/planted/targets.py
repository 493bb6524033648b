"""Targets that were given less than they say or may not be written to, and storages that share a place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor

from console.demo.buckets import Folder, ObjectStore
from console.demo.planted.projects import REVIEWS, add_project, add_tasks, annotate
from console.demo.planted.s3_rows import add_source, add_target, names
from console.demo.story import Story

EXPORTS = Folder("northlight-exports", "signs/", (), may_write=True)
ROUND_TRIP = Folder("northlight-slips", "returns/", names("return-{:03d}.json", 12), may_write=True)
TWICE = Folder("northlight-racks", "aisle-03/", names("shelf-{:03d}.jpg", 14))
FORGOTTEN = Folder("northlight-roads", "viaducts/", names("viaduct_{:03d}.jpg", 10))
LOOK_ONLY = Folder("northlight-exports", "chats/", ())
WRITABLE = Folder("northlight-exports", "reviews-spring/", (), may_write=True)
ANNOTATED, WRITTEN = 40, 28


def folders() -> list[Folder]:
    """What the S3 server has to hold for them."""
    return [EXPORTS, ROUND_TRIP, TWICE, FORGOTTEN, LOOK_ONLY, WRITABLE]


def plant(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    """One project per fault; the target of the restored dump is the healthy one."""
    _plant_lag(cursor, story, store)
    _plant_shared(cursor, story, store)
    _plant_twice(cursor, story, store)
    _plant_orphans(cursor, story, store)
    _plant_look_only(cursor, story, store)


def _plant_lag(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    project_id = add_project(cursor, "Road signs, export")
    data = [{"image": f"https://images.example.com/signs/{number:03d}.jpg"} for number in range(ANNOTATED)]
    tasks = add_tasks(cursor, project_id, data, datetime.now(UTC) - timedelta(days=20))
    annotate(cursor, project_id, dict.fromkeys(tasks, 1))
    begun = datetime.now(UTC) - timedelta(minutes=20)
    target = add_target(cursor, store, EXPORTS, project_id, "Signs to the bucket", begun, ANNOTATED)
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
    project_id = add_project(cursor, "Return slips", REVIEWS, days_old=25)
    storage_id = add_source(
        cursor, store, ROUND_TRIP, project_id, "Return slips", minutes_ago=2_000, regex=".*", blobs=False
    )
    add_target(cursor, store, ROUND_TRIP, project_id, "Return slips, annotated", datetime.now(UTC), 0)
    explanation = "the target writes into the folder that the source reads: annotations come back as tasks"
    story.fault("storage.shared_location", f"storage:s3:{storage_id}", explanation)
    story.twin("storage.shared_location", "storage:s3:1", "its project's target has a bucket of its own")


def _plant_twice(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    project_id = add_project(cursor, "Warehouse shelves, aisle 3", days_old=24)
    first, second = (
        add_source(cursor, store, TWICE, project_id, "Shelf photos, aisle 3", minutes_ago=minutes)
        for minutes in (30_000, 9_000)
    )
    cursor.execute("UPDATE task SET inner_id = id WHERE project_id = %s", [project_id])
    story.fault(
        "storage.duplicate_sources", f"storage:s3:{second}", "made again over the same folder: every file twice"
    )
    story.twin("storage.duplicate_sources", f"storage:s3:{first}", "the older of the two is the one to keep")


def _plant_orphans(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    project_id = add_project(cursor, "Viaducts", days_old=18)
    storage_id = add_source(cursor, store, FORGOTTEN, project_id, "Viaducts", minutes_ago=12_000)
    cursor.execute(
        "UPDATE task SET project_id = NULL WHERE id IN (SELECT id FROM task WHERE project_id = %s ORDER BY id LIMIT 4)",
        [project_id],
    )
    story.fault(
        "storage.orphan_links", f"storage:s3:{storage_id}", "four tasks were deleted half way: their links stayed"
    )
    story.twin("storage.orphan_links", "storage:s3:1", "every link has its task")


def _plant_look_only(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    cursor.execute("SELECT title, id FROM project WHERE title IN ('Chat messages', 'Customer reviews, spring')")
    projects = dict(cursor.fetchall())
    begun = datetime.now(UTC) - timedelta(days=3)
    target = add_target(cursor, store, LOOK_ONLY, projects["Chat messages"], "Chat messages, labeled", begun, 0)
    told = "the key may look into the folder and not write there; the connection test is green"
    story.fault("storage.target_no_put", f"storage:s3-export:{target}", told)
    spring = projects["Customer reviews, spring"]
    target = add_target(cursor, store, WRITABLE, spring, "Spring reviews, labeled", begun, 0)
    story.twin("storage.target_no_put", f"storage:s3-export:{target}", "a key of the same bucket that may write")
