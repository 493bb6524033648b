"""The database itself: dead rows, a migration that is missing, background migrations that never ended."""

from __future__ import annotations

import psycopg2
from psycopg2.extensions import cursor as Cursor

from console.demo.story import Story

LINKS = "io_storages_s3importstoragelink"
DEAD_ROWS = 140_000
MISSING_MIGRATION = ("tasks", "0059_task_completion_id_updated_at_idx_async")
LEFTOVER = "task_project_6acf5f_idx_ccnew"
RUNNING = "0033_projects_soft_delete_indexes_async"
FAILED = "0056_prediction_result_proj_gin_idx_async"


def plant(cursor: Cursor, story: Story) -> None:
    """Everything that fits in the planting transaction; dead rows come afterwards, see `leave_dead_rows`."""
    app, name = MISSING_MIGRATION
    cursor.execute("DELETE FROM django_migrations WHERE app = %s AND name = %s", [app, name])
    story.fault("pg.pending_migrations", "deployment:database", f"{app}.{name} never ran, a later one of {app} did")
    story.twin("pg.pending_migrations", "deployment:projects", "every migration of projects up to the last one ran")

    _age_migration(cursor, RUNNING, "IN PROGRESS", {"hours": 7}, "{}")
    story.fault("pg.async_migration", "deployment:database", f"{RUNNING} is in progress for 7 hours")
    error = '{"error": "operator class \\"gin_trgm_ops\\" does not exist for access method \\"gin\\""}'
    _age_migration(cursor, FAILED, "ERROR", {"hours": 26}, error)
    story.fault("pg.async_migration", "deployment:database", f"{FAILED} ended in an error and was never run again")
    story.fault("pg.extensions", "deployment:database", "the demo's PostgreSQL has neither pg_trgm nor btree_gin")
    story.twin("pg.extensions", "table:task", "its indexes need no extension")
    story.twin("pg.missing_index", "table:task_completion", "its trigram index waits for the extensions")
    explanation = "autovacuum is off so that the dead rows stay, fsync because nobody keeps a demo"
    story.fault("pg.cache_and_config", "deployment:database", explanation)
    story.twin("pg.cache_and_config", "deployment:redis", "it has settings of its own, and other checks")
    cursor.execute("SELECT setval(pg_get_serial_sequence('data_manager_view', 'id'), 1)")
    story.fault("pg.sequence_behind", "deployment:sequences", "a new tab of the Data Manager fails: its id is taken")
    story.twin("pg.sequence_behind", "table:task", "its sequence stands at the largest id")
    story.twin("pg.async_migration", "deployment:0055_task_proj_octlen_idx_async", "finished")


def _age_migration(cursor: Cursor, name: str, status: str, age: dict[str, int], meta: str) -> None:
    cursor.execute(
        "UPDATE core_asyncmigrationstatus SET status = %s, meta = %s,"
        " created_at = now() - make_interval(hours => %s), updated_at = now() - make_interval(hours => %s)"
        " WHERE name = %s",
        [status, meta, age["hours"], age["hours"], name],
    )


def count_again(cursor: Cursor) -> None:
    """A killed PostgreSQL forgets how many dead rows it holds; the rows themselves are still there, or repaired."""
    cursor.execute(f"ANALYZE {LINKS}")


def leave_dead_rows(superuser_url: str, story: Story) -> None:
    """What a big storage that was connected and removed again leaves behind.

    Foreign keys are not checked in this session (hence the superuser): the rows are gone before anybody can look.
    """
    connection = psycopg2.connect(superuser_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            f"INSERT INTO {LINKS} (key, object_exists, created_at, storage_id, task_id)"
            " SELECT 'archive/' || n || '.jpg', true, now(), 1000000, 100000000 + n FROM generate_series(1, %s) AS n",
            [DEAD_ROWS],
        )
        cursor.execute(f"DELETE FROM {LINKS} WHERE storage_id = 1000000")
        cursor.execute("ANALYZE task, task_completion, prediction")
        cursor.execute(f"CREATE INDEX {LEFTOVER} ON task (project_id, is_labeled)")
        cursor.execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{LEFTOVER}'::regclass")
        cursor.execute("SELECT pg_stat_force_next_flush()")
    connection.close()
    explanation = f"{DEAD_ROWS} dead rows of a storage that was removed; autovacuum is off in the demo"
    story.fault("pg.dead_tuples", f"table:{LINKS}", explanation)
    story.twin("pg.dead_tuples", "table:task", "no dead rows to speak of")
    story.fault("pg.invalid_index", f"index:{LEFTOVER}", "what a REINDEX CONCURRENTLY leaves behind when it is killed")
    story.twin("pg.invalid_index", "index:task_project_6acf5f_idx", "the index it was to replace is sound")
