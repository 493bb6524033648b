"""Tabs of the Data Manager: saved filters, orderings and columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import request

from ..errors import Invalid, NotFound
from ..labeling.data_manager import views as stored
from ..labeling.data_manager.query import ALLOWED_RELATIONS, PREFIX
from ..labeling.data_manager.scope import is_known_project, open_project
from ..labeling.db import Db
from ..labeling.projects import NO_PROJECT
from .dm_query import FILTERS, body
from .fields import NULL, Char, Document, Id, Integer, Mapped, Several, Shallow, Shape, Wrong
from .request import reading, writing
from .routes import Resource, answer, nothing

api = Resource("Views", "Tabs of the Data Manager.")

NO_CHOICE = "Select a valid choice. That choice is not one of the available choices."
_DATA = Shape(
    "ViewData",
    "How a tab looks, with its filters and ordering; other keys are kept as they are.",
    filters=Mapped(of=FILTERS),
    ordering=Several(of=Char()),
    title=Char(),
)
VIEW = Shape(
    "View",
    id=Id(read_only=True),
    data=Mapped(of=_DATA, null=True),
    order=Integer(null=True),
    user=Integer(null=True, read_only=True),
    project=Id(required=True),
)
LIST = Shape("ViewListQuery", project=Id(about="Views of this project alone."))
#: A filter as it is stored.
_FILTER = Shape(
    "StoredFilter", index=Integer(null=True), parent=Integer(null=True), column=Char(required=True, most=1024),
    type=Char(required=True, most=1024), operator=Char(required=True, most=1024), value=Document(null=True),
)  # fmt: skip
_GROUP = Shape("StoredFilterGroup", conjunction=Char(required=True, most=1024))
_VALUES = Shape(
    "StoredView", data=Document(null=True), ordering=Document(null=True), order=Integer(null=True),
    selected_items=Document(null=True), project=Id(required=True),
)  # fmt: skip
RESET = Shape("ViewReset", project=Id(required=True))
ORDER = Shape("ViewOrder", project=Integer(required=True), ids=Several(of=Integer(), required=True))


@api.get("/api/dm/views/", query=LIST, answers={200: {"type": "array", "items": VIEW.reference()}})
def view_list() -> Any:
    """Views of your organization, or of one project."""
    asked = request.args.get("project", "")
    with reading() as db:
        if not asked:
            return answer(stored.listed(db))
        if not re.fullmatch(r"\s*[0-9]{1,18}\s*", asked) or not is_known_project(db, int(asked)):
            raise Invalid({"project": [NO_CHOICE]})
        return answer(stored.listed(db, int(asked)))


@api.post("/api/dm/views/", body=VIEW, answers={201: VIEW})
def create() -> Any:
    """Make a view of a project."""
    values = _read(body(), partial=False)
    with writing() as db:
        _need_project(db, values["project"])
        return answer(stored.create(db, values["project"], values), 201)


@api.get("/api/dm/views/<ID:view_id>/", answers={200: VIEW})
def retrieve(view_id: int) -> Any:
    """One view."""
    with reading() as db:
        return answer(stored.get(db, view_id))


@api.route("/api/dm/views/<ID:view_id>/", methods=("PUT", "PATCH"), body=VIEW, answers={200: VIEW})
def update(view_id: int) -> Any:
    """Change a view's data, filters and ordering; project, user and place stay."""
    with reading() as db:
        stored.get(db, view_id)
    values = _read(body(), partial=request.method == "PATCH")
    with writing() as db:
        if "project" in values:
            _need_project(db, values["project"])
        return answer(stored.change(db, view_id, values))


@api.delete("/api/dm/views/<ID:view_id>/", answers={204: None})
def remove(view_id: int) -> Any:
    """Delete a view."""
    with writing() as db:
        stored.remove(db, view_id)
    return nothing()


@api.delete("/api/dm/views/reset/", query=RESET, body=RESET, answers={204: None})
def reset() -> Any:
    """Delete every view of a project."""
    given = body()
    values = RESET.read(given if "project" in given else {"project": request.args.get("project")})
    with writing() as db:
        if not is_known_project(db, values["project"]):
            raise Invalid({"project": [f'Invalid pk "{values["project"]}" - object does not exist.']})
        open_project(db, values["project"])
        stored.remove_all(db, values["project"])
    return nothing()


@api.post("/api/dm/views/order/", body=ORDER, answers={200: None})
def order() -> Any:
    """Put the tabs of a project into this order."""
    values = _order(body())
    with writing() as db:
        if values["project"] < 1:
            raise NotFound(NO_PROJECT)
        open_project(db, values["project"])
        stored.reorder(db, values["project"], values["ids"])
    return nothing(200)


def _order(given: Mapping[str, Any]) -> dict[str, Any]:
    """Project and ids of the views; each id that is none is told by its place in the list. Raises Invalid."""
    wrong: dict[str, Any] = {}
    values: dict[str, Any] = {}
    try:
        values = ORDER.read(given)
    except Invalid as error:
        wrong = dict(error.fields)
    listed = given.get("ids")
    if isinstance(listed, list):
        wrong.pop("ids", None)
        problems = {str(place): message for place, one in enumerate(listed) if (message := _problem_with_id(one))}
        if problems or not listed:
            wrong["ids"] = problems or ["This list may not be empty."]
    if wrong:
        raise Invalid(wrong)
    return values


def _problem_with_id(given: Any) -> list[Any]:
    try:
        Integer().read(given)
    except Wrong as error:
        return error.messages
    return []


def _need_project(db: Db, project_id: int) -> None:
    """Raise Invalid, as for a project that is not there, when it is another organization's."""
    try:
        open_project(db, project_id)
    except NotFound:
        raise Invalid({"project": [f'Invalid pk "{project_id}" - object does not exist.']}) from None


def _read(given: Mapping[str, Any], *, partial: bool) -> dict[str, Any]:
    """A view's values from a request, filters and ordering taken out of its data as Label Studio stores them."""
    given = dict(given)
    try:
        Shallow().parse(given)
    except Wrong as error:
        raise Invalid({"data": error.messages}) from None
    data = given.get("data", {})
    if not isinstance(data, Mapping):
        raise Invalid({"data": ["Expected a JSON object."]})
    data = dict(data)
    filters = data.pop("filters", {})
    given["ordering"] = data.pop("ordering", {})
    if "data" in given:
        given["data"] = data
    if not isinstance(filters, Mapping):
        raise Invalid({"data": ['"filters" must be an object with conjunction and items.']})
    if "filter_group" not in given and filters.get("conjunction"):
        given["filter_group"] = _as_group(filters)
    wrong: dict[str, Any] = {}
    group = None
    if given.get("filter_group", ...) is None:
        wrong["filter_group"] = [NULL]
    elif "filter_group" in given:
        try:
            group = _group(given["filter_group"])
        except Invalid as error:
            wrong["filter_group"] = error.fields
    try:
        values = _VALUES.read(given, partial=partial)
    except Invalid as error:
        raise Invalid(wrong | error.fields) from None
    if wrong:
        raise Invalid(wrong)
    return values if group is None else values | {"filter_group": group}


def _as_group(filters: Mapping[str, Any]) -> dict[str, Any]:
    items = filters.get("items", [])
    if not isinstance(items, list):
        raise Invalid({"data": ['"items" of the filters must be a list.']})
    return {"conjunction": filters["conjunction"], "filters": [_as_filter(item) for item in items]}


def _as_filter(item: Any) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise Invalid({"data": ["Each filter must be an object."]})
    found = {
        "column": item.get("filter", ""), "operator": item.get("operator", ""), "type": item.get("type", ""),
        "value": item.get("value", {}),
    }  # fmt: skip
    if child := item.get("child_filter"):
        found["child_filter"] = _as_filter(child)
    return found


def _group(given: Any) -> dict[str, Any]:
    wrong: dict[str, Any] = {}
    group: dict[str, Any] = {}
    try:
        group = _GROUP.read(given)
    except Invalid as error:
        wrong = dict(error.fields)
    filters = given.get("filters", ...) if isinstance(given, Mapping) else []
    if filters is ...:
        wrong["filters"] = ["This field is required."]
    elif not isinstance(filters, list):
        kind = type(filters).__name__
        wrong["filters"] = {"non_field_errors": [f'Expected a list of items but got type "{kind}".']}
    else:
        try:
            group["filters"] = _filters(filters)
        except Invalid as error:
            wrong |= error.fields
    if wrong:
        raise Invalid(wrong)
    return group


def _filters(filters: list[Any]) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for item in filters:
        try:
            read.append(_filter(item))
            errors.append({})
        except Invalid as error:
            errors.append(error.fields)
    if any(errors):
        raise Invalid({"filters": errors})
    return read


def _filter(item: Any) -> dict[str, Any]:
    wrong: dict[str, Any] = {}
    values: dict[str, Any] = {}
    try:
        values = _FILTER.read(item)
    except Invalid as error:
        wrong = dict(error.fields)
    if isinstance(item, Mapping) and "column" not in wrong and isinstance(item.get("column"), str):
        try:
            _check_column(item["column"].strip())
        except Wrong as error:
            wrong["column"] = error.messages
    if wrong:
        raise Invalid(wrong)
    if item.get("child_filter") is not None:
        values["child_filter"] = _filter(item["child_filter"])
    return values


def _check_column(column: str) -> None:
    if not column.startswith(PREFIX):
        raise Wrong(f'Filter "{column}" should start with "{PREFIX}"')
    bare = column.removeprefix(PREFIX).removeprefix("-")
    if not bare.startswith("data.") and bare not in ALLOWED_RELATIONS and "__" in bare:
        raise Wrong(
            f'"__" is not generally allowed in filters. Consider asking your administrator to add "{bare}" '
            "to DATA_MANAGER_FILTER_ALLOWLIST, but note that some filter expressions may pose a security risk"
        )
