"""S3 import storages, each in a project of its own: one per fault, and a healthy one beside each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

from console.demo.buckets import REGION, Folder, ObjectStore
from console.demo.planted.projects import IMAGES, REVIEWS, add_project, add_tasks
from console.demo.story import Story

WAITING_SYNC_JOB = "5f0c6a52-6d0e-4a7e-9f5b-6a1d6f1f2c11"  # the healthy twin's sync, really waiting in Redis
ACCESS_DENIED = "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied"


def numbered(pattern: str, count: int) -> tuple[str, ...]:
    """Object names from a pattern with one number in it."""
    return tuple(pattern.format(number) for number in range(1, count + 1))


@dataclass(frozen=True)
class Source:
    """An import storage to insert. `fault` and `twin_of` are check codes; one of them is empty."""

    title: str
    project: str
    folder: Folder
    regex: str | None
    explanation: str
    fault: str = ""
    twin_of: str = ""
    blobs: bool = True
    like: int = IMAGES
    status: str = "completed"
    traceback: str | None = None
    loaded: bool = True
    queued_minutes: int = 0
    job: str | None = None


STREET, SHELVES, CLIPS, TEXT = "northlight-street", "northlight-shelves", "northlight-dashcam", "northlight-texts"

SOURCES = (
    Source(
        "Street photos, north", "Street objects, north", Folder(STREET, "north/", numbered("cam-a_{:04d}.jpg", 42)),
        "*.jpg", "a shell wildcard where a regular expression belongs", fault="storage.regex_invalid",
        status="failed", traceback="re.error: nothing to repeat at position 0", loaded=False,
    ),
    Source(
        "Street photos, south", "Street objects, south", Folder(STREET, "south/", numbered("cam-b_{:04d}.jpg", 36)),
        r".*\.jpg$", "the same kind of folder with a regular expression", twin_of="storage.regex_invalid",
    ),
    Source(
        "Shelf photos", "Warehouse shelves", Folder(
            SHELVES, "aisle-01/", (*numbered("shelf-{:03d}.jpg", 24), ".DS_Store", "Thumbs.db", "camera.log")
        ),
        None, "no filter: log files and thumbnails became tasks", fault="storage.regex_empty",
    ),
    Source(
        "Shelf photos, aisle 2", "Warehouse shelves, aisle 2", Folder(
            SHELVES, "aisle-02/", (*numbered("shelf-{:03d}.png", 24), ".DS_Store", "camera.log")
        ),
        r".*\.(png|jpe?g)$", "the same junk lies here, the filter keeps it out", twin_of="storage.regex_empty",
    ),
    Source(
        "Delivery scans", "Delivery notes, 2025", Folder(STREET, "scans/2025/", numbered("IMG_{:04d}.jpg", 32)),
        r"IMG_\d+\.jpg$", "the filter meets the whole key, which starts with scans/2025/",
        fault="storage.regex_no_match", loaded=False,
    ),
    Source(
        "Delivery scans", "Delivery notes, 2026", Folder(STREET, "scans/2026/", numbered("IMG_{:04d}.jpg", 28)),
        r".*IMG_\d+\.jpg$", "the same filter with room for the folder", twin_of="storage.regex_no_match",
    ),
    Source(
        "Forklift photos", "Forklifts in the yard", Folder(SHELVES, "forklifts/", numbered("yard-{:03d}.jpg", 30)),
        ".*", "photos, while the storage is set to read JSON tasks", fault="storage.blob_toggle_off", blobs=False,
        status="failed", loaded=False,
        traceback="Unsupported file format: northlight-shelves/forklifts/yard-001.jpg is not JSON",
    ),
    Source(
        "Spring reviews", "Customer reviews, spring", Folder(TEXT, "reviews-spring/", numbered("text-{:03d}.json", 40)),
        r".*\.json$", "JSON tasks, read as JSON tasks", twin_of="storage.blob_toggle_off", blobs=False, like=REVIEWS,
    ),
    Source(
        "Autumn reviews", "Customer reviews, autumn", Folder(TEXT, "reviews-autumn/", numbered("text-{:03d}.json", 38)),
        r".*\.json$", "every JSON file became one task that shows a link", fault="storage.blob_toggle_on_json",
        like=REVIEWS,
    ),
    Source(
        "Dashcam archive", "Dashcam archive", Folder(CLIPS, "2026/", numbered("frame_{:05d}.jpg", 1240)),
        r".*\.jpg$", "1,240 photos, read as photos", twin_of="storage.blob_toggle_on_json",
    ),
    Source(
        "Ticket texts", "Support tickets", Folder(TEXT, "tickets/", numbered("ticket-{:04d}.json", 25), may_read=False),
        r".*\.json$", "the key may list the folder and read nothing in it", fault="storage.list_not_get", blobs=False,
        like=REVIEWS, status="failed", traceback=ACCESS_DENIED, loaded=False,
    ),
    Source(
        "Chat messages", "Chat messages", Folder(TEXT, "chats/", numbered("chat-{:04d}.json", 25)),
        r".*\.json$", "a key of the same bucket that lists and reads", twin_of="storage.list_not_get", blobs=False,
        like=REVIEWS,
    ),
    Source(
        "Crossing photos", "Level crossings", Folder(STREET, "crossings/", numbered("crossing_{:03d}.jpg", 34)),
        r".*\.jpg$", "queued for 3 hours, and its job is gone", fault="storage.queued_forever",
        status="queued", loaded=False, queued_minutes=190,
    ),
    Source(
        "Tram stop photos", "Tram stops", Folder(STREET, "tram-stops/", numbered("stop_{:03d}.jpg", 34)),
        r".*\.jpg$", "queued for a while, and its job waits in Redis", twin_of="storage.queued_forever",
        status="queued", loaded=False, queued_minutes=38, job=WAITING_SYNC_JOB,
    ),
)  # fmt: skip

# what the restored dump's own storages point at, by table and id
RESTORED = {
    ("io_storages_s3importstorage", 1): Folder(
        "ls-demo-tasks", "tasks/", (*(f"review-{number:03d}.json" for number in range(20)), "readme.txt")
    ),
    ("io_storages_s3importstorage", 2): Folder(
        "ls-demo-images", "img/", (*(f"street-{number:03d}.png" for number in range(20)), "manifest.json")
    ),
    ("io_storages_s3exportstorage", 1): Folder("ls-demo-export", "1.23.2-pg/out/", (), may_write=True),
}


def folders() -> list[Folder]:
    """Everything the S3 server has to hold."""
    return [source.folder for source in SOURCES] + list(RESTORED.values())


def plant(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    """Insert the storages with their projects, and turn the dump's own to this S3 server."""
    for (table, storage_id), folder in RESTORED.items():
        key = store.key_of(folder)
        cursor.execute(
            f"UPDATE {table} SET s3_endpoint = %s, aws_access_key_id = %s, aws_secret_access_key = %s,"
            " aws_session_token = NULL WHERE id = %s",
            [store.endpoint, key.access_key_id, key.secret_access_key, storage_id],
        )
    for number, source in enumerate(SOURCES):
        minutes = source.queued_minutes or 400 + 2_711 * (len(SOURCES) - number)
        storage_id, _ = add(cursor, source, store, days_old=60 - number, minutes_ago=minutes)
        note = story.fault if source.fault else story.twin
        note(source.fault or source.twin_of, f"storage:s3:{storage_id}", f"{source.project}: {source.explanation}")


def add(cursor: Cursor, source: Source, store: ObjectStore, *, days_old: int, minutes_ago: float) -> tuple[int, int]:
    """A storage in a project of its own, its last sync asked for so long ago; returns both ids."""
    project_id = add_project(cursor, source.project, source.like, days_old=days_old)
    asked_at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    storage_id = _add_storage(cursor, source, project_id, store, asked_at)
    if source.loaded:
        _load(cursor, source, project_id, storage_id, asked_at)
    return storage_id, project_id


def point_at(cursor: Cursor, store: ObjectStore) -> None:
    """Turn every S3 storage of a kept deployment to the S3 server of this run."""
    for table in ("io_storages_s3importstorage", "io_storages_s3exportstorage"):
        ours = "s3_endpoint LIKE 'http://127.0.0.1:%%'"
        cursor.execute(f"UPDATE {table} SET s3_endpoint = %s WHERE {ours}", [store.endpoint])


def failing_sync(cursor: Cursor) -> tuple[int, int]:
    """Storage and project whose sync really fails with AccessDenied."""
    return _find(cursor, next(source for source in SOURCES if source.fault == "storage.list_not_get"))


def waiting_sync(cursor: Cursor) -> tuple[int, int]:
    """Storage and project whose sync waits in Redis as WAITING_SYNC_JOB."""
    return _find(cursor, next(source for source in SOURCES if source.job == WAITING_SYNC_JOB))


def _find(cursor: Cursor, source: Source) -> tuple[int, int]:
    cursor.execute("SELECT id, project_id FROM io_storages_s3importstorage WHERE prefix = %s", [source.folder.prefix])
    storage_id, project_id = cursor.fetchone()
    return storage_id, project_id


def _progress(source: Source, asked_at: datetime) -> dict[str, object]:
    """The storage's `meta`, as Label Studio fills it while a sync goes on."""
    begun, ended = asked_at + timedelta(seconds=2), asked_at + timedelta(seconds=9.2)
    meta: dict[str, object] = {"attempts": 1, "time_queued": str(asked_at)}
    if source.status != "queued":
        meta |= {"time_in_progress": str(begun), "time_last_ping": str(ended), "tasks_existed": 0}
    if source.status == "completed":
        meta |= {"time_completed": str(ended), "duration": 7.2}
    if source.status == "failed":
        meta |= {"time_failure": str(ended)}
    return meta


def _add_storage(cursor: Cursor, source: Source, project_id: int, store: ObjectStore, asked_at: datetime) -> int:
    """Insert the storage, its last sync asked for at `asked_at`; returns its id."""
    key = store.key_of(source.folder)
    synced = source.status == "completed"
    created = len(_synced_keys(source)) if source.loaded else 0
    cursor.execute(
        """
        INSERT INTO io_storages_s3importstorage (title, description, created_at, bucket, prefix, regex_filter,
            use_blob_urls, aws_access_key_id, aws_secret_access_key, region_name, s3_endpoint, presign, presign_ttl,
            project_id, last_sync, last_sync_count, recursive_scan, last_sync_job, meta, status, traceback,
            synchronizable)
        VALUES (%s, '', %s, %s, %s, %s, %s, %s, %s, %s, %s, true, 60, %s, %s, %s, false, %s, %s, %s, %s, true)
        RETURNING id
        """,
        [
            source.title, asked_at - timedelta(hours=3), source.folder.bucket, source.folder.prefix, source.regex,
            source.blobs, key.access_key_id, key.secret_access_key, REGION, store.endpoint, project_id,
            asked_at + timedelta(seconds=9.2) if synced else None, created if synced else None, source.job,
            Json(_progress(source, asked_at)), source.status, source.traceback,
        ],
    )  # fmt: skip
    return int(cursor.fetchone()[0])


def _synced_keys(source: Source) -> list[str]:
    """The keys a sync of this storage made tasks of."""
    if source.twin_of == "storage.regex_empty":
        return [key for key in source.folder.keys if key.endswith(".png")]
    return source.folder.keys


def _load(cursor: Cursor, source: Source, project_id: int, storage_id: int, synced_at: datetime) -> None:
    """Tasks and links as the last sync left them."""
    keys = _synced_keys(source)
    if source.blobs:
        data = [{"$undefined$": f"s3://{source.folder.bucket}/{key}"} for key in keys]
    else:
        data = [{"text": f"{number}: the parcel is late again.", "source": key} for number, key in enumerate(keys, 1)]
    task_ids = add_tasks(cursor, project_id, data, synced_at)
    execute_values(
        cursor,
        "INSERT INTO io_storages_s3importstoragelink (key, object_exists, created_at, storage_id, task_id) VALUES %s",
        [(key, synced_at, storage_id, task_id) for key, task_id in zip(keys, task_ids, strict=True)],
        template="(%s, true, %s, %s, %s)",
        page_size=2000,
    )
