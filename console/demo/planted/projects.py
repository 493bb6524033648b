"""Projects, tasks and annotations for the other planters, kept as Label Studio itself would keep them.

Counters, `is_labeled`, `inner_id` and the project summary come out right here; a planter then spoils what it means to.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

IMAGES, REVIEWS, SOUND = 3, 1, 4  # the dump's projects that lend their labeling configuration
ANNOTATORS = (1, 2, 3)
GENERATED = {"id", "search_vector"}


def add_project(cursor: Cursor, title: str, like: int = IMAGES, days_old: int = 60) -> int:
    """A project with the configuration of `like` and no tasks; returns its id."""
    cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'project'")
    columns = sorted({row[0] for row in cursor.fetchall()} - GENERATED)
    changed = {"title", "token", "created_at", "updated_at", "description", "pinned_at"}
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    values = sql.SQL(", ").join(sql.Placeholder(name) if name in changed else sql.Identifier(name) for name in columns)
    cursor.execute("SELECT now() - %s * interval '1 day'", [days_old])
    created_at = cursor.fetchone()[0]
    query = sql.SQL("INSERT INTO project ({}) SELECT {} FROM project WHERE id = {} RETURNING id")
    cursor.execute(
        query.format(names, values, sql.Literal(like)),
        {
            "title": title,
            "token": secrets.token_hex(20),
            "created_at": created_at,
            "updated_at": created_at,
            "description": "",
            "pinned_at": None,
        },
    )
    project_id = int(cursor.fetchone()[0])
    cursor.execute(
        "INSERT INTO projects_projectsummary (project_id, created_at, all_data_columns, common_data_columns,"
        " created_annotations, created_labels, created_labels_drafts) VALUES (%s, %s, '{}', '[]', '{}', '{}', '{}')",
        [project_id, created_at],
    )
    return project_id


def add_tasks(cursor: Cursor, project_id: int, data: list[dict[str, str]], created_at: datetime) -> list[int]:
    """Unlabeled tasks, in order; returns their ids."""
    cursor.execute("SELECT maximum_annotations FROM project WHERE id = %s", [project_id])
    overlap = cursor.fetchone()[0]
    rows = execute_values(
        cursor,
        """
        INSERT INTO task (data, created_at, updated_at, is_labeled, project_id, meta, overlap, inner_id,
            total_annotations, cancelled_annotations, total_predictions, comment_count, unresolved_comment_count,
            allow_skip)
        VALUES %s RETURNING id
        """,
        [(Json(item), created_at, created_at, project_id, overlap, number) for number, item in enumerate(data, 1)],
        template="(%s, %s, %s, false, %s, '{}', %s, %s, 0, 0, 0, 0, 0, true)",
        page_size=2000,
        fetch=True,
    )
    columns = {name: len(data) for name in (data[0] if data else {})}
    cursor.execute(
        "UPDATE projects_projectsummary SET all_data_columns = %s, common_data_columns = %s WHERE project_id = %s",
        [Json(columns), Json(sorted(columns)), project_id],
    )
    return [int(row[0]) for row in rows]


def annotate(cursor: Cursor, project_id: int, annotators: dict[int, int]) -> None:
    """Give every task of `annotators` (task id: how many people) one annotation by each of them."""
    now = datetime.now(UTC)
    rows = []
    labels = {"Car": 0, "Pedestrian": 0, "Traffic sign": 0}
    for task_id, people in annotators.items():
        for completed_by in ANNOTATORS[:people]:
            label = list(labels)[(task_id + completed_by) % 3]
            labels[label] += 1
            result = json.dumps([_rectangle(task_id, label)])
            done_at = now - timedelta(days=task_id % 24, minutes=task_id * 37 % 600 + completed_by * 90)
            rows.append((result, done_at, done_at, task_id, 20 + task_id % 40, completed_by, project_id, completed_by))
    execute_values(
        cursor,
        """
        INSERT INTO task_completion (result, was_cancelled, ground_truth, created_at, updated_at, task_id, prediction,
            lead_time, result_count, completed_by_id, project_id, updated_by_id, unique_id, bulk_created)
        VALUES %s
        """,
        rows,
        template="(%s, false, false, %s, %s, %s, '{}', %s, 1, %s, %s, %s, gen_random_uuid(), false)",
        page_size=1000,
    )
    cursor.execute(
        """
        UPDATE task SET total_annotations = done.people, is_labeled = done.people >= task.overlap, updated_by_id = 1
        FROM (SELECT task_id, count(*) AS people FROM task_completion WHERE project_id = %s GROUP BY task_id) AS done
        WHERE task.id = done.task_id
        """,
        [project_id],
    )
    cursor.execute(
        "UPDATE projects_projectsummary SET created_annotations = %s, created_labels = %s WHERE project_id = %s",
        [Json({"label|image|rectanglelabels": len(rows)}), Json({"label": labels}), project_id],
    )


def _rectangle(seed: int, label: str) -> dict[str, object]:
    value = {
        "x": 5 + seed * 7 % 60,
        "y": 10 + seed * 3 % 50,
        "width": 8 + seed % 20,
        "height": 6 + seed % 17,
        "rotation": 0,
        "rectanglelabels": [label],
    }
    return {
        "id": secrets.token_hex(5),
        "type": "rectanglelabels",
        "value": value,
        "origin": "manual",
        "to_name": "image",
        "from_name": "label",
        "image_rotation": 0,
        "original_width": 1280,
        "original_height": 720,
    }
