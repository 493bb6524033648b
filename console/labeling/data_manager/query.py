"""What a Data Manager request asks for: filters, an ordering, selected tasks; read from JSON, checked, still without SQL.

Source: Label Studio's `data_manager.prepare_params` and `get_prepare_params` of `data_manager.functions`. Where Label
Studio answers 500 to a broken query, `Invalid` names the part that is broken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ...errors import Invalid

PREFIX = "filter:tasks:"
#: Columns of other tables that Label Studio lets a filter reach.
ALLOWED_RELATIONS = ("annotations__completed_by", "updated_by__active_organization")
#: More filters than anybody types; each is a condition for every task.
MOST_FILTERS = 200
MOST_SELECTED = 1_000_000


@dataclass(frozen=True)
class Range:
    """The two ends of `in` and `not_in`."""

    min: Any
    max: Any


@dataclass(frozen=True)
class Filter:
    """One line of a filter. `column` is the name as sent; `value` a scalar, a list or a Range."""

    column: str
    operator: str
    type: str
    value: Any
    child: Filter | None = None

    def lines(self) -> Iterator[Filter]:
        """This filter and the one below it."""
        yield self
        if self.child is not None:
            yield self.child

    def wrong(self, why: str) -> Invalid:
        """A refusal that names this filter."""
        return Invalid({"filters": [f'Filter "{self.column}" {self.operator}: {why}']})


@dataclass(frozen=True)
class Selection:
    """Ticked tasks: all but the excluded ones, or the included ones alone."""

    all: bool
    included: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()


@dataclass(frozen=True)
class Query:
    """A checked query. `data` is the JSON it came in, which also says how a tab shows its columns."""

    filters: tuple[Filter, ...] = ()
    conjunction: str = "and"
    ordering: tuple[str, ...] = ()
    selection: Selection | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Columns that the filters and the ordering use, as Label Studio cuts their prefixes."""
        found = {item.column.replace(PREFIX, "") for item in self.filters}
        if self.ordering:
            found.add(self.ordering[0].replace("tasks:", "").replace("-", ""))
        return found

    @property
    def numeric_ordering(self) -> bool:
        """Whether the tab shows the column it is ordered by as a number."""
        types = self.data.get("columnsDisplayType")
        shown = isinstance(types, Mapping) and self.ordering and types.get(self.ordering[0].lstrip("-+"))
        return shown == "Number"


def parse(data: Any, *, selection: Any = ...) -> Query:
    """A query from its JSON object. `selection` stands in for the object's own `selectedItems`. Raises Invalid."""
    if not isinstance(data, Mapping):
        raise Invalid({"query": ["Expected a JSON object with filters, ordering and selectedItems."]})
    selected = _given_selection(data) if selection is ... else selection
    filters, conjunction = _filters(data.get("filters"))
    ordering = data.get("ordering", [])
    if not isinstance(ordering, list) or not all(isinstance(name, str) for name in ordering):
        raise Invalid({"ordering": ["Expected a list of column names."]})
    for name in ordering:
        _refuse_relations(name, bare_name(name)[0])
    return Query(filters, conjunction, tuple(ordering), parse_selection(selected), data)


def bare_name(name: str) -> tuple[str, bool]:
    """A column's name without prefixes and sign, and whether the order is ascending."""
    ascending = True
    if name.startswith("-"):
        ascending, name = False, name[1:]
    for prefix in ("filter:", "tasks:"):
        name = name.removeprefix(prefix)
    if ascending and name.startswith("-"):
        ascending, name = False, name[1:]
    return name, ascending


def parse_selection(selected: Any) -> Selection | None:
    """`selectedItems` of a request; None when a tab has none. Raises Invalid."""
    if selected is None:
        return None
    if not isinstance(selected, Mapping):
        raise Invalid({"selectedItems": ["selectedItems must be an object."]})
    every = _flag(selected.get("all"))
    if every is None:
        raise Invalid({"selectedItems": ['"all" must be true or false.']})
    return Selection(every, _ids(selected, "included"), _ids(selected, "excluded"))


def _given_selection(data: Mapping[str, Any]) -> Mapping[str, Any]:
    selected = data.get("selectedItems", {"all": True, "excluded": []})
    if isinstance(selected, str):
        with contextlib.suppress(orjson.JSONDecodeError, UnicodeEncodeError):
            selected = orjson.loads(selected)
    if not isinstance(selected, Mapping):
        raise Invalid({"selectedItems": [
            'selectedItems must be dict: {"all": [true|false], "excluded | included": [...task_ids...]}. '
            f"Found type: {type(selected).__name__}"
        ]})  # fmt: skip
    return selected


def _flag(value: Any) -> bool | None:
    if isinstance(value, str):
        word = value.strip().lower()
        return {"true": True, "1": True, "yes": True, "on": True, "t": True, "y": True,
                "false": False, "0": False, "no": False, "off": False, "f": False, "n": False}.get(word)  # fmt: skip
    return bool(value) if value in (0, 1) and isinstance(value, bool | int | float) else None


def _ids(selected: Mapping[str, Any], name: str) -> tuple[int, ...]:
    given = selected.get(name, [])
    if not isinstance(given, list) or len(given) > MOST_SELECTED:
        raise Invalid({"selectedItems": [f'"{name}" must be a list of at most {MOST_SELECTED:,} task ids.']})
    try:
        ids = tuple(_id(value) for value in given)
    except (ValueError, OverflowError):
        raise Invalid({"selectedItems": [f'"{name}" must be a list of task ids.']}) from None
    return tuple(value for value in ids if abs(value) < 2**63)


def _id(value: Any) -> int:
    if isinstance(value, float) and value != int(value):
        raise ValueError(value)
    if not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > 100):
        raise ValueError(value)
    return int(value)


def _filters(data: Any) -> tuple[tuple[Filter, ...], str]:
    if data is None:
        return (), "and"
    if not isinstance(data, Mapping) or not isinstance(data.get("items"), list):
        raise Invalid({"filters": ['Expected {"conjunction": "and" or "or", "items": [...]}.']})
    conjunction = data.get("conjunction")
    if conjunction not in ("and", "or"):
        raise Invalid({"filters": ['"conjunction" must be "and" or "or".']})
    if len(data["items"]) > MOST_FILTERS:
        raise Invalid({"filters": [f"At most {MOST_FILTERS} filters are accepted."]})
    return tuple(_filter(item) for item in data["items"]), conjunction


def _filter(item: Any, *, is_child: bool = False) -> Filter:
    if not isinstance(item, Mapping):
        raise Invalid({"filters": ["Each filter must be an object with filter, operator, type and value."]})
    for name in ("filter", "operator", "type"):
        if not isinstance(item.get(name), str):
            raise Invalid({"filters": [f'Each filter needs "{name}" as text.']})
    column = item["filter"]
    if not column.startswith(PREFIX):
        raise Invalid({"filters": [f'Filter "{column}" should start with "{PREFIX}"']})
    _refuse_relations(column, bare_name(column)[0])
    value = item.get("value")
    if isinstance(value, Mapping):
        ends = value.get("min"), value.get("max")
        if any(isinstance(end, bool) or not isinstance(end, int | float | str) for end in ends):
            raise Invalid({"filters": [f'Filter "{column}": "value" needs "min" and "max".']})
        value = Range(*ends)
    if not isinstance(value, str | int | float | list | Range):
        raise Invalid({"filters": [f'Filter "{column}" needs a "value".']})
    child = item.get("child_filter")
    below = None if child is None or is_child else _filter(child, is_child=True)
    return Filter(column, item["operator"], item["type"], value, below)


def _refuse_relations(column: str, bare: str) -> None:
    if not bare.startswith("data.") and bare not in ALLOWED_RELATIONS and "__" in bare:
        raise Invalid(
            '"__" is not generally allowed in filters. Consider asking your administrator to add '
            f'"{bare}" to DATA_MANAGER_FILTER_ALLOWLIST, but note that some filter expressions '
            "may pose a security risk"
        )
