"""Numbers on task rows that no longer agree with the annotations, as after a restore or a killed worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg2.extensions import cursor as Cursor

from console.demo.planted.projects import add_project, add_tasks, annotate
from console.demo.story import Story


def plant(cursor: Cursor, story: Story) -> None:
    """Three labeled projects: one with stale counters, one with a stale `is_labeled`, one in order."""
    drifted = _labeled_project(cursor, "Parking signs", "parking", tasks=312)
    cursor.execute("UPDATE task SET total_annotations = 0 WHERE project_id = %s AND inner_id <= 300", [drifted])
    explanation = "300 of 312 tasks say they have no annotation; each has one or two"
    story.fault("tasks.counters_drift", f"project:{drifted}", explanation)

    returning = _labeled_project(cursor, "Traffic lights, night shift", "lights", tasks=140)
    cursor.execute(
        "UPDATE task SET is_labeled = false WHERE project_id = %s AND is_labeled AND inner_id <= 60", [returning]
    )
    finished_too_early = "total_annotations = 1 AND inner_id > 120"
    cursor.execute(f"UPDATE task SET is_labeled = true WHERE project_id = %s AND {finished_too_early}", [returning])
    explanation = "finished tasks are served again, and some with one of two annotations count as finished"
    story.fault("tasks.is_labeled_drift", f"project:{returning}", explanation)

    healthy = _labeled_project(cursor, "Zebra crossings", "zebra", tasks=180)
    for code in ("tasks.counters_drift", "tasks.is_labeled_drift"):
        story.twin(code, f"project:{healthy}", "every stored number agrees with the annotations")


def _labeled_project(cursor: Cursor, title: str, folder: str, tasks: int) -> int:
    project_id = add_project(cursor, title)
    data = [{"image": f"https://images.example.com/{folder}/{number:04d}.jpg"} for number in range(1, tasks + 1)]
    task_ids = add_tasks(cursor, project_id, data, datetime.now(UTC) - timedelta(days=30))
    annotate(cursor, project_id, {task_id: 1 if task_id % 3 == 0 else 2 for task_id in task_ids})
    return project_id
