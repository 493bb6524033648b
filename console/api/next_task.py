"""The label stream: what to annotate next."""

from __future__ import annotations

from typing import Any

from ..labeling import next_task
from ..labeling.data_manager import listing, ordering
from ..labeling.data_manager.scope import open_project
from .dm_query import body, query_for
from .fields import Char, Id, Shape
from .request import writing
from .routes import Resource, answer

api = Resource("Label stream", "The next task for whoever asks, locked for them until they submit it or a day is over.")

NEXT = Shape(
    "NextTaskQuery",
    view=Id(about="a tab of the Data Manager: its filters, ordering and selection"),
    query=Char(about="JSON with filters, ordering and selectedItems"),
)


@api.get("/api/projects/<ID:project_id>/next/", query=NEXT, answers={200: {"type": "object"}, 404: {}})
def following(project_id: int) -> Any:
    """Get next task to label. `queue` names the rule that chose it; a lock is taken, so this GET writes."""
    with writing() as db:
        scope = open_project(db, project_id)
        query = query_for(db, scope)
        order = [key.by() for key in ordering.keys(scope, query)]
        from_tab = any(body().get(name) for name in ("filters", "ordering", "selectedItems"))
        return answer(next_task.take(db, project_id, listing.where(scope, query), order, from_tab=from_tab))
