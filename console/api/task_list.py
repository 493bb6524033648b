"""The Data Manager's list of tasks."""

from __future__ import annotations

from typing import Any

from flask import request

from ..app import the_console
from ..labeling.data_manager import listing, views
from ..labeling.data_manager.columns import Scope
from ..labeling.data_manager.listing import Options
from ..labeling.data_manager.query import Query
from ..labeling.data_manager.scope import open_project
from ..labeling.db import Db
from .dm_query import number_anywhere, query_for
from .fields import Char, Choice, Flag, Id, Integer, Shape
from .request import flag, page_number, page_size, reading
from .routes import Resource, answer

api = Resource("Task list", "Tasks of a project, filtered and ordered as a tab of the Data Manager shows them.")

DEFAULT_PAGE_SIZE = 100
LIST = Shape(
    "TaskListQuery",
    project=Id(about="The project; or name a view."),
    view=Id(about="A tab of the Data Manager: its filters, ordering and selection count, not those of `query`."),
    query=Char(about="JSON with filters, ordering and selectedItems."),
    fields=Choice(of=("task_only", "all"), default="task_only", about="`all` adds annotations, predictions, drafts."),
    include=Char(about="Only these fields, separated by commas."),
    omit=Char(about="None of these fields, separated by commas."),
    resolve_uri=Flag(default=True, about="Replace links into buckets by paths of this server."),
    review=Flag(default=False, about="Leave out what is reckoned from annotations and predictions."),
    page=Integer(least=1, default=1),
    page_size=Integer(least=1, default=DEFAULT_PAGE_SIZE),
)
PAGE = {
    "type": "object",
    "properties": {
        "total": {"type": "integer"},
        "total_annotations": {"type": "integer"},
        "total_predictions": {"type": "integer"},
        "tasks": {"type": "array", "items": {"type": "object"}},
    },
}


@api.get("/api/tasks/", query=LIST, answers={200: PAGE, 404: {}})
def task_list() -> Any:
    """Tasks of a project or of a view, a page at a time.

    A page larger than `TASK_API_PAGE_SIZE_MAX` is cut, as in Label Studio; a `Warning` header says so.
    """
    view_id, project_id = number_anywhere("view"), number_anywhere("project")
    if not project_id and not view_id:
        return answer({"detail": "Neither project nor view id specified"}, 404)
    most = the_console().settings.task_api_page_size_max or None
    size = page_size(DEFAULT_PAGE_SIZE, most if "page_size" in request.args else None)
    options = Options(
        everything=request.args.get("fields") == "all",
        resolve=flag("resolve_uri", True),
        review=flag("review", False),
        include=_fields("include"),
        exclude=_fields("omit"),
    )
    with reading() as db:
        scope = open_project(db, project_id or views.project_of(db, view_id))
        query = query_for(db, scope)
        tasks, totals = listing.page(scope, query, _page_number(db, scope, query, size), size, options)
    found = {
        "total_annotations": totals.annotations,
        "total_predictions": totals.predictions,
        "total": totals.tasks,
        "tasks": tasks,
    }
    return answer(found, headers=_cut_headers(size))


def _fields(name: str) -> frozenset[str]:
    """Fields named in a parameter, repeated or separated by commas; `a.b` names `a`, and `~all` restricts nothing."""
    words = ",".join(request.args.getlist(name) or request.args.getlist(f"{name}[]")).split(",")
    found = frozenset(word.strip().partition(".")[0] for word in words if word.strip())
    return frozenset() if found & {"~all", "*"} else found


def _page_number(db: Db, scope: Scope, query: Query, size: int) -> int:
    if request.args.get("page") == "last":
        return max(1, -(-listing.total(scope, query) // size))
    return page_number()


def _cut_headers(size: int) -> dict[str, str]:
    """What tells a client that its page was cut."""
    asked = page_size(DEFAULT_PAGE_SIZE)
    if asked <= size:
        return {}
    warning = f'199 lsconsole "page_size {asked} was cut to {size} by TASK_API_PAGE_SIZE_MAX"'
    return {"Warning": warning, "X-LSConsole-Page-Size": str(size)}
