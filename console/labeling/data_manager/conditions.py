"""Filters as SQL conditions, with the meaning that Label Studio's Data Manager gives each column and operator.

Source: `apply_filters` of Label Studio's `data_manager.managers`. An operator it does not know compares for equality
(`not_…`: for difference), as there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Text, and_, cast, exc, false, func, literal, not_, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from ...errors import Invalid
from ...patterns import PatternInvalid, PatternTimeout, compile_problem, match_all
from . import columns
from .columns import Column, Scope
from .query import Filter, Query, Range
from .values import as_pattern, cast_by_type, fit, truth, user_id

_ZERO_IS_EMPTY = ("total_predictions", "total_annotations", "cancelled_annotations")
_COMPARE = {"less": "<", "greater": ">", "less_or_equal": "<=", "greater_or_equal": ">="}
_RESULTS = {"annotations_results": "task_completion", "predictions_results": "prediction"}


#: SQLite takes no longer pattern; each character may become two, of four bytes.
LONGEST_VALUE = 6_000


class MatchesNothing(Exception):
    """A filter that Label Studio answers with an empty list, whatever the other filters say."""


def where(scope: Scope, query: Query) -> Any:
    """The condition of all filters together, or None when they ask for nothing. Raises Invalid naming the filter."""
    lines = []
    try:
        for item in query.filters:
            found = [condition for line in item.lines() if (condition := _condition(scope, line)) is not None]
            if found:
                lines.append(and_(*found))
    except MatchesNothing:
        return false()
    if not lines:
        return None
    return or_(*lines) if query.conjunction == "or" else and_(*lines)


def selected(scope: Scope, query: Query) -> Any:
    """The condition of the ticked tasks, or None for all. Nothing ticked means all tasks, as in Label Studio's list."""
    ticked = query.selection
    if ticked is None:
        return None
    if not ticked.all and ticked.included:
        return _among(scope, ticked.included)
    if ticked.all and ticked.excluded:
        return not_(_among(scope, ticked.excluded))
    return None


def _among(scope: Scope, ids: Sequence[int]) -> Any:
    return scope.tasks.c.id.in_(columns.listed(scope.db, ids))


def _condition(scope: Scope, item: Filter) -> Any:
    if len(str(item.value)) > LONGEST_VALUE and not isinstance(item.value, list):
        raise item.wrong(f"the value has more than {LONGEST_VALUE:,} characters.")
    bare, _ = columns.bare_name(item.column)
    special = _SPECIAL.get(bare)
    if special is not None:
        condition = special(scope, item, bare)
        if condition is not ...:
            return condition
    column = columns.find(scope, bare)
    if column is None:
        raise item.wrong("tasks have no such column.")
    return _general(scope, item, column)


# --- people


def _people(scope: Scope, item: Filter, name: str) -> Any:
    if item.operator not in ("contains", "not_contains", "empty"):
        return ...
    annotations = scope.db.table("task_completion")
    who = annotations.c.completed_by_id
    rows = columns.of_task(scope, "task_completion", annotations.c.id)
    if item.operator == "empty":
        known = rows.where(who.is_not(None)).exists()
        return or_(not_(rows.exists()), rows.where(who.is_(None)).exists()) if truth(item) else known
    found = rows.where(who == user_id(item)).exists()
    return found if item.operator == "contains" else not_(found)


def _updated_by(scope: Scope, item: Filter, name: str) -> Any:
    column = scope.tasks.c.updated_by_id
    if item.operator == "contains":
        return column == user_id(item)
    if item.operator == "not_contains":
        return or_(column != user_id(item), column.is_(None))
    if item.operator == "empty":
        return column.is_(None) if truth(item) else column.is_not(None)
    return ...


# --- results, ids and model versions


def _results(scope: Scope, item: Filter, name: str) -> Any:
    table = _RESULTS[name]
    result = scope.db.table(table).c.result
    rows = columns.of_task(scope, table, result)
    if item.operator in ("equal", "not_equal"):
        try:
            wanted = json.loads(item.value)
        except (ValueError, TypeError, RecursionError):
            raise MatchesNothing from None
        found = rows.where(_same_document(scope, result, wanted)).exists()
        return found if item.operator == "equal" else not_(found)
    if item.operator in ("contains", "not_contains"):
        text = cast(result, Text) if scope.db.postgresql else type_coerce(result, Text)
        found = rows.where(text.like(as_pattern(item.value), escape="\\")).exists()
        return found if item.operator == "contains" else not_(found)
    if item.operator == "empty":
        return _without_results(scope, truth(item))
    return ...


def _same_document(scope: Scope, column: Any, value: Any) -> Any:
    text = json.dumps(value)
    if scope.db.postgresql:
        return column == cast(literal(text, Text), JSONB)
    return type_coerce(column, Text) == text


def _without_results(scope: Scope, empty: bool) -> Any:
    """Label Studio looks into annotations here, also when predictions are asked about."""
    result = scope.db.table("task_completion").c.result
    rows = columns.of_task(scope, "task_completion", result)
    blank = _same_document(scope, result, [])
    none = type_coerce(result, Text).is_(None)
    if empty:
        return or_(not_(rows.exists()), rows.where(or_(none, blank)).exists())
    return and_(rows.where(not_(none)).exists(), not_(rows.where(blank).exists()))


def _annotation_ids(scope: Scope, item: Filter, name: str) -> Any:
    ids = scope.db.table("task_completion").c.id
    rows = columns.of_task(scope, "task_completion", ids)
    if item.operator == "empty":
        return not_(rows.exists()) if truth(item) else rows.exists()
    if "contains" in item.operator:
        if not isinstance(item.value, str):
            raise item.wrong("the value must be a text of annotation ids.")
        listed = [int(part) for part in re.split(",|;| ", item.value) if re.fullmatch(r"[0-9]{1,18}", part)]
        operator = "in_list" if item.operator == "contains" else "not_in_list"
        item = replace(item, operator=operator, value=listed)
    elif "equal" in item.operator and not str(item.value).isdecimal():
        item = replace(item, value=0)
    column = Column("annotations_ids", "integer", ids)
    if item.operator == "regex" and not scope.db.postgresql:
        return _general(scope, item, columns.reckoned(scope, name))
    if item.operator in ("in", "not_in"):
        low, high = _ends(item, column)
        if item.operator == "in":
            return rows.where(ids >= low, ids <= high).exists()
        return not_(and_(rows.where(ids >= low).exists(), rows.where(ids <= high).exists()))
    positive = replace(item, operator=item.operator.removeprefix("not_"))
    found = rows.where(_general(scope, positive, column)).exists()
    return not_(found) if item.operator.startswith("not_") else found


def _model_versions(scope: Scope, item: Filter, name: str) -> Any:
    version = scope.db.table("prediction").c.model_version
    rows = columns.of_task(scope, "prediction", version)
    if item.operator == "empty":
        unnamed = or_(not_(rows.exists()), rows.where(version.is_(None)).exists())
        return unnamed if truth(item) else rows.where(version.is_not(None)).exists()
    if item.operator not in ("contains", "not_contains"):
        return ...
    if not isinstance(item.value, str | list):
        raise item.wrong("the value must be a list of model versions.")
    found = [rows.where(version.like(as_pattern(one), escape="\\")).exists() for one in item.value]
    if not found:
        return None
    return or_(*found) if item.operator == "contains" else not_(or_(*found))


_SPECIAL = {
    "annotators": _people,
    "annotations__completed_by": _people,
    "updated_by": _updated_by,
    "annotations_results": _results,
    "predictions_results": _results,
    "annotations_ids": _annotation_ids,
    "predictions_model_versions": _model_versions,
}


# --- any other column and operator


def _general(scope: Scope, item: Filter, column: Column) -> Any:
    if item.type == "Number" and column.kind == "json":
        number = columns.as_number(scope, column)
        _refuse_lists(scope, item, column)
        if item.operator == "empty":
            return number.is_(None) if truth(item) else number.is_not(None)
        column = Column(column.name, "number", number)
    if column.name in _ZERO_IS_EMPTY and item.operator == "empty":
        item = replace(item, operator="equal" if truth(item) else "not_equal", value=0)
    _refuse_lists(scope, item, column)
    if item.operator == "empty":
        return _empty(scope, item, column)
    if item.operator == "regex":
        return _regex(scope, item, column)
    negated = item.operator.startswith("not_")
    condition = _positive(scope, item, column, item.operator.removeprefix("not_") if negated else item.operator)
    if not negated:
        return condition
    return or_(not_(condition), column.expression.is_(None)) if column.forgiving else not_(condition)


def _positive(scope: Scope, item: Filter, column: Column, operator: str) -> Any:
    if column.kind == "list":
        raise item.wrong("this column cannot be compared so.")
    if operator == "in":
        low, high = _ends(item, column)
        return and_(_compared(scope, item, column, ">=", low), _compared(scope, item, column, "<=", high))
    if operator == "in_list":
        return _in_list(scope, item, column)
    value = cast_by_type(item)
    if isinstance(value, Range):
        raise item.wrong("a range of values is for the operators in and not_in.")
    if operator == "contains":
        return _contains(scope, column, value)
    if operator in _COMPARE:
        sign = _COMPARE[operator]
        if column.kind != "json":
            value = fit(item, column.kind, value, up=sign in ("<", ">="))
        return _compared(scope, item, column, sign, value)
    if column.kind == "json":
        return _equal_document(scope, column, value)
    return column.expression == fit(item, column.kind, value)


def _ends(item: Filter, column: Column) -> tuple[Any, Any]:
    value = cast_by_type(item)
    if not isinstance(value, Range):
        raise item.wrong('the value must be {"min": …, "max": …}.')
    if column.kind == "json":
        return value.min, value.max
    return fit(item, column.kind, value.min, up=True), fit(item, column.kind, value.max)


def _compared(scope: Scope, item: Filter, column: Column, sign: str, value: Any) -> Any:
    if column.kind != "json":
        return column.expression.op(sign, is_comparison=True)(_bound(column, value))
    if isinstance(value, Range) or (isinstance(value, list) and not scope.db.postgresql):
        raise item.wrong("the value must be a text or a number.")
    if scope.db.postgresql:
        return column.expression.op(sign, is_comparison=True)(cast(literal(_dumped(value), Text), JSONB))
    plain = json.loads(_dumped(value))
    if isinstance(plain, int) and abs(plain) > 2**63 - 1:
        plain = float(plain)
    return column.expression.op(sign, is_comparison=True)(literal(plain))


def _bound(column: Column, value: Any) -> Any:
    return literal(value, columns.TYPE_OF[column.kind])


def _equal_document(scope: Scope, column: Column, value: Any) -> Any:
    text = _dumped(value)
    if scope.db.postgresql:
        return column.expression == cast(literal(text, Text), JSONB)
    return column.expression == (literal(text) if text in ("null", "true", "false") else _extracted(text))


def _extracted(text: str) -> Any:
    return func.json_extract(literal(text, Text), "$")


def _dumped(value: Any) -> str:
    return json.dumps(value, default=str)


def _in_list(scope: Scope, item: Filter, column: Column) -> Any:
    if not isinstance(item.value, str | list):
        raise item.wrong("the value must be a list.")
    given = [value for value in item.value if value is not None]
    if column.kind == "json":
        alike = [_equal_document(scope, column, value) for value in given]
        return or_(false(), *alike)
    return column.expression.in_([fit(item, column.kind, value) for value in given])


def _contains(scope: Scope, column: Column, value: Any) -> Any:
    pattern = as_pattern(value)
    if scope.db.postgresql:
        return func.upper(column.as_text).like(func.upper(pattern))
    text = column.expression if column.text is None else column.text
    return type_coerce(text, Text).like(pattern, escape="\\")


def _refuse_lists(scope: Scope, item: Filter, column: Column) -> None:
    """Label Studio does not compare lists; what a data column holds it judges by one task of the project."""
    if "equal" not in item.operator:
        return
    if column.kind == "list" or (column.kind == "json" and scope.db.value(_first_kind(scope, column)) == "array"):
        raise Invalid("Not supported filter type")


def _first_kind(scope: Scope, column: Column) -> Any:
    """The JSON type of a data column in the project's first task."""
    if scope.db.postgresql:
        kind = func.jsonb_typeof(column.expression)
    else:
        kind = func.json_type(type_coerce(scope.tasks.c.data, Text), columns.sqlite_path(column.path))
    tasks = scope.tasks
    return select(kind).where(tasks.c.project_id == scope.project_id).order_by(tasks.c.id).limit(1)


def _empty(scope: Scope, item: Filter, column: Column) -> Any:
    empty = truth(item)
    value = column.expression
    missing = columns.is_missing(scope, column) if column.kind == "json" else value.is_(None)
    if item.type not in ("String", "Unknown") or column.kind not in ("json", "text"):
        return missing if empty else not_(missing)
    if column.kind == "text":
        return or_(missing, value == "") if empty else and_(not_(missing), value != "")
    kind = scope.db.value(_first_kind(scope, column))
    if kind == "array":
        blank = _equal_document(scope, column, [None])
        return blank if empty else not_(blank)
    blanks = [_equal_document(scope, column, None)]
    if kind in ("string", "text"):
        blanks.append(_equal_document(scope, column, ""))
    return or_(missing, *blanks) if empty else and_(not_(missing), *(not_(blank) for blank in blanks))


def _regex(scope: Scope, item: Filter, column: Column) -> Any:
    pattern = str(item.value)
    if compile_problem(pattern) is not None:
        raise MatchesNothing
    if item.type in ("Number", "Datetime", "Boolean") or not isinstance(item.value, str):
        raise item.wrong("a regular expression is for texts.")
    if scope.db.postgresql:
        _try_pattern(scope, item, pattern)
        return column.as_text.op("~", is_comparison=True)(literal(pattern, Text))
    return _regex_here(scope, item, column, pattern)


def _try_pattern(scope: Scope, item: Filter, pattern: str) -> None:
    """PostgreSQL does not understand all of Python's patterns. Raises Invalid."""
    tried = select(literal("", Text).op("~", is_comparison=True)(literal(pattern, Text)))
    try:
        with scope.db.session.begin_nested():
            scope.db.value(tried)
    except (exc.DataError, ValueError):
        raise item.wrong("PostgreSQL does not understand this regular expression.") from None


def _regex_here(scope: Scope, item: Filter, column: Column, pattern: str) -> Any:
    """SQLite has no regular expressions: the project's values are looked through here, within a time limit."""
    tasks = scope.tasks
    text = column.expression if column.text is None else column.text
    rows = scope.db.rows(select(tasks.c.id, type_coerce(text, Text)).where(tasks.c.project_id == scope.project_id))
    known = [(task_id, str(value)) for task_id, value in map(tuple, rows) if value is not None]
    flags = re.match(r"\(\?[aiLmsux]+\)", pattern)
    start = flags[0] if flags else ""
    anywhere = f"{start}(?:[\\s\\S]*?)(?:{pattern[len(start) :]})"
    try:
        answers = match_all(anywhere, [value for _, value in known])
    except (PatternInvalid, PatternTimeout) as error:
        raise item.wrong(str(error)) from None
    return _among(scope, tuple(task_id for (task_id, _), found in zip(known, answers, strict=True) if found))
