"""S3 source storages with their projects; the dump's own storages are turned to this S3 server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

from console.demo.buckets import REGION, Folder, ObjectStore
from console.demo.planted.projects import add_project, add_tasks
from console.demo.planted.sources import RESTORED, SOURCES, WAITING_SYNC_JOB, Source
from console.demo.story import Story

# The dump's storages of clouds that the demo has no server for; they brought no task.
CLOUDS = {"gcs": "gcsstoragemixin", "azureblob": "azureblobstoragemixin"}


def folders() -> list[Folder]:
    """What the S3 server has to hold for them."""
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
    for provider, parent in CLOUDS.items():
        cursor.execute(f"DELETE FROM io_storages_{provider}importstorage")
        cursor.execute(f"DELETE FROM io_storages_{parent}")
    for number, source in enumerate(SOURCES):
        minutes = source.queued_minutes or 400 + 2_711 * (len(SOURCES) - number)
        storage_id, _ = add(cursor, source, store, days_old=60 - number, minutes_ago=minutes)
        told = f"{source.project}: {source.explanation}"
        if source.fault:
            story.fault(source.fault, f"storage:s3:{storage_id}", told)
        for code in source.twin_of:
            story.twin(code, f"storage:s3:{storage_id}", told)


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
            use_blob_urls, aws_access_key_id, aws_secret_access_key, aws_session_token, region_name, s3_endpoint,
            presign, presign_ttl, project_id, last_sync, last_sync_count, recursive_scan, last_sync_job, meta, status,
            traceback, synchronizable)
        VALUES (%s, '', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true, %s, %s, %s, %s, %s, %s, %s, %s, %s, true)
        RETURNING id
        """,
        [
            source.title, asked_at - timedelta(hours=3), source.folder.bucket, source.folder.prefix, source.regex, source.blobs,
            key.access_key_id, key.secret_access_key, key.session_token, REGION, store.endpoint, source.link_minutes,
            project_id, asked_at + timedelta(seconds=9.2) if synced else None, created if synced else None,
            source.recursive, source.job, Json(_progress(source, asked_at)), source.status, source.traceback,
        ],
    )  # fmt: skip
    return int(cursor.fetchone()[0])


def _synced_keys(source: Source) -> list[str]:
    """The keys a sync of this storage made tasks of."""
    names = (*(source.listed or source.folder.names), *source.gone)
    return [source.folder.prefix + name for name in names]


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
