"""A deployment of a million tasks: rows written with COPY into a copy of the 1.23.2 dump.

The new tasks stand in projects of their own, beside the dump's. They are healthy but for one task in every ten
thousand, so that checks have something to find.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import psycopg2

PROJECTS = 20
#: Text in each task and result, near what a real text project holds.
TEXT = "The delivery came a day late, but the parcel was whole and the driver was kind. " * 2
BROKEN_EVERY = 10_000


def generate(url: str, *, tasks: int = 1_000_000, annotations_per_task: int = 2) -> dict[str, int]:
    """Fill the database; returns the numbers of rows written. About a minute for a million tasks."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        first_project = _projects(cursor)
        cursor.execute("select max(id) from task")
        first_task = cursor.fetchone()[0] + 1
        _copy(cursor, "task", _task_columns(), _tasks(first_task, tasks, first_project, annotations_per_task))
        cursor.execute("select max(id) from task_completion")
        first_annotation = cursor.fetchone()[0] + 1
        _copy(cursor, "task_completion", _annotation_columns(),
              _annotations(first_annotation, first_task, tasks, first_project, annotations_per_task))  # fmt: skip
        for table in ("project", "task", "task_completion"):
            cursor.execute(f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))")
    analyze = psycopg2.connect(url)
    analyze.autocommit = True
    with analyze.cursor() as cursor:
        cursor.execute("vacuum analyze")
    analyze.close()
    return {"tasks": tasks, "annotations": tasks * annotations_per_task, "projects": PROJECTS}


def _projects(cursor: Any) -> int:
    cursor.execute("select max(id) from project")
    last = cursor.fetchone()[0]
    cursor.execute(
        "select column_name from information_schema.columns where table_name = 'project' and is_generated = 'NEVER'"
    )
    columns = [row[0] for row in cursor.fetchall() if row[0] not in {"id", "title"}]
    names = ", ".join(f'"{name}"' for name in columns)
    for number in range(1, PROJECTS + 1):
        cursor.execute(
            f"insert into project (id, title, {names}) select %s, %s, {names} from project where id = 1",
            (last + number, f"Reviews, batch {number}"),
        )
    return last + 1


def _task_columns() -> tuple[str, ...]:
    return ("id", "data", "created_at", "updated_at", "is_labeled", "project_id", "meta", "overlap", "inner_id",
            "total_annotations", "cancelled_annotations", "total_predictions", "comment_count", "unresolved_comment_count")  # fmt: skip


def _tasks(first: int, count: int, first_project: int, per_task: int) -> Iterator[str]:
    moment = "2026-05-01 10:00:00+00"
    for number in range(count):
        stored = per_task + 1 if number % BROKEN_EVERY == 0 else per_task
        yield "\t".join((
            str(first + number), f'{{"text": "{number} {TEXT}"}}', moment, moment, "t", str(first_project + number % PROJECTS),
            "{}", str(per_task), str(number // PROJECTS + 1), str(stored), "0", "0", "0", "0",
        ))  # fmt: skip


def _annotation_columns() -> tuple[str, ...]:
    return ("id", "result", "was_cancelled", "created_at", "updated_at", "task_id", "lead_time", "result_count",
            "completed_by_id", "ground_truth", "project_id", "unique_id")  # fmt: skip


def _annotations(first: int, first_task: int, tasks: int, first_project: int, per_task: int) -> Iterator[str]:
    moment = "2026-05-02 10:00:00+00"
    result = '[{"id": "r1", "type": "choices", "value": {"choices": ["Positive"]}, "from_name": "sentiment", "to_name": "text"}]'
    identifier = first
    for number in range(tasks):
        for person in range(per_task):
            yield "\t".join((
                str(identifier), result, "f", moment, moment, str(first_task + number), "12.5", "1", str(1 + person), "f",
                str(first_project + number % PROJECTS), f"{identifier:032x}",
            ))  # fmt: skip
            identifier += 1


def _copy(cursor: Any, table: str, columns: tuple[str, ...], lines: Iterator[str]) -> None:
    cursor.copy_expert(f"copy {table} ({', '.join(columns)}) from stdin", _Reader(lines))


class _Reader(io.TextIOBase):
    """Lines as the file COPY reads from, a chunk at a time."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._rest = ""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> str:
        parts, length = [self._rest], len(self._rest)
        for line in self._lines:
            parts.append(line + "\n")
            length += len(line) + 1
            if size is not None and 0 <= size <= length:
                break
        text = "".join(parts)
        if size is None or size < 0:
            self._rest = ""
            return text
        self._rest = text[size:]
        return text[:size]
