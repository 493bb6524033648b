"""Redis storages with a database of their own beside the queue: one whose path was left empty, and the dump's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from psycopg2.extensions import cursor as Cursor
from redis import Redis

from console.demo.planted.projects import REVIEWS, add_project
from console.demo.story import Story

NOTES_DATABASE = 2
NOTES = 30


def plant(cursor: Cursor, story: Story) -> None:
    """Add the storage that finds nothing. `point_at` says where its server is, `fill` puts the tasks there."""
    project_id = add_project(cursor, "Courier notes", REVIEWS, days_old=12)
    cursor.execute(
        "INSERT INTO io_storages_redisstoragemixin (path, host, port, password, regex_filter, use_blob_urls)"
        " VALUES (NULL, '', '', NULL, '.*', false) RETURNING id"
    )
    storage_id = int(cursor.fetchone()[0])
    synced = datetime.now(UTC) - timedelta(days=4)
    cursor.execute(
        """
        INSERT INTO io_storages_redisimportstorage (redisstoragemixin_ptr_id, title, description, created_at, db,
            project_id, last_sync, last_sync_count, meta, status, synchronizable)
        VALUES (%s, 'Courier notes', '', %s, %s, %s, %s, 0, '{}', 'completed', true)
        """,
        [storage_id, synced - timedelta(days=1), NOTES_DATABASE, project_id, synced],
    )
    told = f"Courier notes: the path is empty, so a sync asks for keys that begin with None; {NOTES} notes wait"
    story.fault("redisstore.null_path", f"storage:redis:{storage_id}", told)
    story.twin("redisstore.null_path", "storage:redis:1", "Call transcripts: the path is the start of the keys")


def point_at(cursor: Cursor, redis_url: str) -> None:
    """Turn the Redis storages to the server of this run, and put there what they hold: it lives in memory."""
    parts = urlsplit(redis_url)
    cursor.execute(
        "UPDATE io_storages_redisstoragemixin SET host = %s, port = %s, password = NULL",
        [parts.hostname, str(parts.port)],
    )
    cursor.execute(
        "SELECT db, key, data FROM io_storages_redisimportstoragelink l"
        " JOIN io_storages_redisimportstorage s ON s.redisstoragemixin_ptr_id = l.storage_id"
        " JOIN task ON task.id = l.task_id"
    )
    held = {(int(database), str(key)): data for database, key, data in cursor.fetchall()}
    for number in range(1, NOTES + 1):
        held[NOTES_DATABASE, f"note:{number:03d}"] = {"text": f"Stop {number}: the bell does not work, please knock."}
    for database in {database for database, _ in held}:
        with Redis(host=parts.hostname or "", port=parts.port or 0, db=database) as client:
            client.mset({key: json.dumps(data) for (where, key), data in held.items() if where == database})
