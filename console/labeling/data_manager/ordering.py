"""The order of a Data Manager list as SQL.

Source: `apply_ordering` of Label Studio's `data_manager.managers`: the first name counts, empty values come last in
either direction. Label Studio leaves equal values in any order; here the id decides, so that pages do not overlap.
"""

from __future__ import annotations

from typing import Any

from ...errors import Invalid
from . import columns
from .columns import Column, Scope
from .query import Query, bare_name

#: Never NULL, so that an index serves the order.
_ALWAYS_SET = {"id", "total_annotations", "cancelled_annotations", "total_predictions", "overlap", "is_labeled",
               "created_at", "updated_at"}  # fmt: skip


def order_by(scope: Scope, query: Query) -> list[Any]:
    """ORDER BY expressions. Raises Invalid for a column that tasks do not have."""
    tasks = scope.tasks
    if not query.ordering:
        return [tasks.c.id]
    name, ascending = bare_name(query.ordering[0])
    column = _column(scope, name)
    if column is None:
        raise Invalid({"ordering": [f'"{query.ordering[0]}": tasks have no such column.']})
    value = column.expression
    if column.kind == "json":
        value = columns.as_number(scope, column) if query.numeric_ordering else column.as_text
    order = value.asc() if ascending else value.desc()
    if column.name == "id":
        return [order]
    return [order if column.name in _ALWAYS_SET else order.nulls_last(), tasks.c.id]


def _column(scope: Scope, name: str) -> Column | None:
    if name == "file_upload":  # the column of this name is the id of the file
        return columns.find(scope, "file_upload_id")
    if name.startswith("data."):
        return columns.data_column(scope, name, nested=False)
    return columns.find(scope, name)
