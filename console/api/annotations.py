"""Annotations of a task, and one annotation by its id."""

from __future__ import annotations

from typing import Any

from ..labeling import annotations as stored
from .request import reading
from .routes import Resource, answer

api = Resource("Annotations", "What people have labeled: one row per task and annotator.")


@api.get("/api/tasks/<ID:task_id>/annotations/", answers={200: {"type": "array"}})
def of_task(task_id: int) -> Any:
    """Annotations of a task. Skipped ones are left out, as Label Studio leaves them out."""
    with reading() as db:
        return answer(stored.of_task(db, task_id))
