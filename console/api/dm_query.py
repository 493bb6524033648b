"""What Data Manager requests have in common: the project they are about, and the query in their address or body.

Source: Label Studio's `core/utils/params.py int_from_request` and `data_manager/functions.py get_prepare_params`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from flask import request

from ..errors import Invalid
from ..labeling.data_manager import views
from ..labeling.data_manager.columns import Scope
from ..labeling.data_manager.query import Query, parse
from ..labeling.db import LARGEST_ID, Db
from .errors import ApiError
from .fields import Document, Integer, Mapped, Several, Shape
from .request import data, parse_json

SELECTED = Shape(
    "SelectedItems",
    "Ticked tasks: all but the excluded ones, or the included ones alone.",
    all=Document(required=True, about="true or false"),
    included=Several(of=Integer()),
    excluded=Several(of=Integer()),
)
FILTER = Shape(
    "TaskFilter",
    "One filter; `value` may be text, a number, a list or, for `in` and `not_in`, an object with min and max.",
    filter=Document(required=True, about="`filter:tasks:` and a column, for example `filter:tasks:data.text`"),
    operator=Document(required=True, about="equal, not_equal, less, greater, contains, in, in_list, empty, regex, …"),
    type=Document(required=True, about="Number, String, Datetime, Boolean, List or Unknown"),
    value=Document(required=True),
    child_filter=Mapped(about="A second condition for the same tasks."),
)
FILTERS = Shape(
    "TaskFilters",
    conjunction=Document(required=True, about="`and` or `or`"),
    items=Several(of=FILTER),
)
QUERY = Shape(
    "TaskQueryBody",
    "Which tasks, in which order.",
    filters=Mapped(of=FILTERS),
    ordering=Several(about="`tasks:` and a column, with a minus in front for the other way round; the first counts"),
    selectedItems=Mapped(of=SELECTED),
)


def number(name: str, default: int = 0) -> int:
    """A whole number from the address. Raises Invalid in Label Studio's words."""
    return _number(name, request.args.get(name, default))


def number_anywhere(name: str) -> int:
    """A whole number from the address, or else from the body; 0 when neither has it."""
    return number(name) or _number(name, body().get(name, 0))


def body() -> Mapping[str, Any]:
    """The body as an object. Raises ApiError for any other JSON."""
    found = data()
    if not isinstance(found, Mapping):
        raise ApiError(400, "The body must be a JSON object.")
    return found


def query_for(db: Db, scope: Scope) -> Query:
    """The tab that `view` names, or the query in the address (`query`) or body. Raises Invalid and NotFound."""
    view_id = number_anywhere("view")
    if view_id > 0:
        return views.query_of(db, min(view_id, LARGEST_ID), scope.project_id)
    text = request.args.get("query")
    return parse(body() if text is None else _parsed(text))


def _number(name: str, value: Any) -> int:
    if isinstance(value, str):
        try:
            found = int(value) if len(value) < 1000 else LARGEST_ID
        except ValueError:
            message = f'Incorrect value in key "{name}" = "{value}". It should be digit string.'
            raise Invalid({name: message}) from None
    elif isinstance(value, int):
        found = int(value)
    else:
        message = f'Incorrect value type in key "{name}" = "{value}". It should be digit string or integer.'
        raise Invalid({name: message})
    return max(-LARGEST_ID, min(found, LARGEST_ID))


def _parsed(text: str) -> Any:
    try:
        return parse_json(unquote(text).encode())
    except (ApiError, UnicodeEncodeError):
        raise Invalid({"query": ["The query is no JSON."]}) from None
