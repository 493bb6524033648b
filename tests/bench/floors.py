"""What PostgreSQL needs by itself for the same rows: nobody who stores or exports them can be quicker."""

from __future__ import annotations

import io
import statistics
import time

import psycopg2

from tests.bench.generate import TEXT

ROUNDS = 3
COLUMNS = (
    "id, data, created_at, updated_at, is_labeled, project_id, meta, overlap, inner_id, total_annotations,"
    " cancelled_annotations, total_predictions, comment_count, unresolved_comment_count"
)
EXPORT = (
    "select count(length(row_to_json(t)::text)) from (select task.*, (select json_agg(c) from task_completion c"
    " where c.task_id = task.id) annotations from task where project_id = %s) t"
)


def copy_tasks(database: str, project: int, count: int) -> float:
    """Seconds of COPY of `count` task rows into the table with its indexes; committed, as an import is."""
    walls = []
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        for _ in range(ROUNDS):
            cursor.execute("select nextval(pg_get_serial_sequence('task', 'id')) from generate_series(1, %s)", [count])
            lines = "".join(
                f'{row[0]}\t{{"text": "{row[0]} {TEXT}"}}\t2026-05-01\t2026-05-01\tf\t{project}\t{{}}\t1\t{row[0]}\t0\t0\t0\t0\t0\n'
                for row in cursor.fetchall()
            )
            connection.commit()
            started = time.perf_counter()
            cursor.copy_expert(f"copy task ({COLUMNS}) from stdin", io.StringIO(lines))
            connection.commit()
            walls.append(time.perf_counter() - started)
    return statistics.median(walls)


def build_json(database: str, project: int) -> float:
    """Seconds of building the JSON of a project's tasks with their annotations, sending nothing."""
    walls = []
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            cursor.execute(EXPORT, [project])
            cursor.fetchone()
            walls.append(time.perf_counter() - started)
    return statistics.median(walls)
