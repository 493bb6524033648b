"""Rows of S3 storages as a sync of Label Studio leaves them, for planters that then spoil what they mean to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

from console.demo.buckets import REGION, Folder, ObjectStore
from console.demo.planted.projects import add_tasks


def names(pattern: str, count: int) -> tuple[str, ...]:
    """Object names from a pattern with one number in it."""
    return tuple(pattern.format(number) for number in range(1, count + 1))


def add_source(
    cursor: Cursor, store: ObjectStore, folder: Folder, project_id: int, title: str, *, minutes_ago: float,
    regex: str = r".*\.jpg$", blobs: bool = True, status: str = "completed", traceback: str | None = None,
    loaded: bool = True,
) -> int:  # fmt: skip
    """A source whose last sync was asked for so long ago, with the tasks it made when `loaded`; returns its id."""
    asked_at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    key, ended = store.key_of(folder), asked_at + timedelta(seconds=9)
    synced, new = status == "completed", status == "initialized"
    cursor.execute(
        """
        INSERT INTO io_storages_s3importstorage (title, description, created_at, bucket, prefix, regex_filter,
            use_blob_urls, aws_access_key_id, aws_secret_access_key, region_name, s3_endpoint, presign, presign_ttl,
            project_id, last_sync, last_sync_count, recursive_scan, meta, status, traceback, synchronizable)
        VALUES (%s, '', %s, %s, %s, %s, %s, %s, %s, %s, %s, true, 60, %s, %s, %s, false, %s, %s, %s, true)
        RETURNING id
        """,
        [
            title, asked_at - timedelta(hours=3), folder.bucket, folder.prefix, regex, blobs, key.access_key_id,
            key.secret_access_key, REGION, store.endpoint, project_id, ended if synced else None,
            len(folder.keys) * loaded if synced else None, Json({} if new else _meta(asked_at, ended, status)), status,
            traceback,
        ],
    )  # fmt: skip
    storage_id = int(cursor.fetchone()[0])
    if loaded:
        _load(cursor, folder, project_id, storage_id, blobs, asked_at)
    return storage_id


def add_target(
    cursor: Cursor, store: ObjectStore, folder: Folder, project_id: int, title: str, begun: datetime, count: int
) -> int:
    """A target that completed a sync which began then and counted so many annotations; returns its id."""
    key, ended = store.key_of(folder), begun + timedelta(seconds=6)
    cursor.execute(
        """
        INSERT INTO io_storages_s3exportstorage (title, description, created_at, bucket, prefix, use_blob_urls,
            aws_access_key_id, aws_secret_access_key, region_name, s3_endpoint, project_id, last_sync, last_sync_count,
            meta, status, synchronizable)
        VALUES (%s, '', %s, %s, %s, false, %s, %s, %s, %s, %s, %s, %s, %s, 'completed', true)
        RETURNING id
        """,
        [
            title, begun - timedelta(days=9), folder.bucket, folder.prefix, key.access_key_id, key.secret_access_key,
            REGION, store.endpoint, project_id, ended, count,
            Json(_meta(begun, ended, "completed") | {"total_annotations": count}),
        ],
    )  # fmt: skip
    return int(cursor.fetchone()[0])


def _meta(begun: datetime, ended: datetime, status: str) -> dict[str, object]:
    """The storage's `meta`, as Label Studio fills it while a sync goes on."""
    meta: dict[str, object] = {
        "attempts": 1, "time_queued": str(begun), "time_in_progress": str(begun), "time_last_ping": str(ended),
    }  # fmt: skip
    if status == "completed":
        meta |= {"time_completed": str(ended), "duration": (ended - begun).total_seconds(), "tasks_existed": 0}
    if status == "failed":
        meta |= {"time_failure": str(ended)}
    return meta


def _load(cursor: Cursor, folder: Folder, project_id: int, storage_id: int, blobs: bool, synced_at: datetime) -> None:
    if blobs:
        data = [{"$undefined$": f"s3://{folder.bucket}/{key}"} for key in folder.keys]
    else:
        data = [{"text": f"Note {number}", "source": key} for number, key in enumerate(folder.keys, 1)]
    task_ids = add_tasks(cursor, project_id, data, synced_at)
    execute_values(
        cursor,
        "INSERT INTO io_storages_s3importstoragelink (key, object_exists, created_at, storage_id, task_id) VALUES %s",
        [(key, True, synced_at, storage_id, task) for key, task in zip(folder.keys, task_ids, strict=True)],
    )
