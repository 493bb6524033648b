"""The order of a Data Manager list as SQL.

Source: `apply_ordering` of Label Studio's `data_manager.managers`: the first name counts, empty values come last in
either direction. Label Studio leaves equal values in any order; here the id decides, so that pages do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import Invalid
from . import columns
from .columns import Column, Scope
from .query import Query, bare_name

#: Never NULL, so that an index serves the order.
_ALWAYS_SET = {"id", "total_annotations", "cancelled_annotations", "total_predictions", "overlap", "is_labeled",
               "created_at", "updated_at"}  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One sort key."""

    value: Any
    ascending: bool = True
    may_be_null: bool = False

    def by(self, value: Any = None) -> Any:
        """The key for ORDER BY, over its own value or over a column that holds it."""
        target = self.value if value is None else value
        order = target.asc() if self.ascending else target.desc()
        return order.nulls_last() if self.may_be_null else order


def keys(scope: Scope, query: Query) -> list[Key]:
    """Sort keys. Raises Invalid for a column that tasks do not have."""
    own = Key(scope.tasks.c.id)
    if not query.ordering:
        return [own]
    name, ascending = bare_name(query.ordering[0])
    column = _column(scope, name)
    if column is None:
        raise Invalid({"ordering": [f'"{query.ordering[0]}": tasks have no such column.']})
    if column.name == "id":
        return [Key(own.value, ascending)]
    value = column.expression
    if column.kind == "json":
        value = columns.as_number(scope, column) if query.numeric_ordering else column.as_text
    return [Key(value, ascending, column.name not in _ALWAYS_SET), own]


def _column(scope: Scope, name: str) -> Column | None:
    if name == "file_upload":  # the column of this name is the id of the file
        return columns.find(scope, "file_upload_id")
    if name.startswith("data."):
        return columns.data_column(scope, name, nested=False)
    return columns.find(scope, name)
