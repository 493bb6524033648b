"""The list of one kind of row, as Flask-Admin draws it in our frame: three statements, whatever the size of the table.

Statements: the rows of the page, how many there are, and what the ids in them are called. Counting stops at
`COUNT_LIMIT` and so does turning pages; a search or a filter leads further. Just the columns that are shown are
selected, of those that the attached release has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import flash, g, has_app_context, request, url_for
from flask_admin import expose
from flask_admin.contrib.sqla import ModelView
from flask_admin.contrib.sqla.filters import BaseSQLAFilter
from flask_admin.form import BaseForm
from markupsafe import Markup, escape
from sqlalchemy import or_
from sqlalchemy.orm import load_only

from ..app import the_console
from ..auth import requires
from ..deployment import records
from ..deployment.schema import Schema
from ..errors import NotFound
from ..masking import mask_text
from . import present
from .record_pages import page_of
from .texts import thousands, when

PAGE = 50
LAST_PAGE = records.COUNT_LIMIT // PAGE - 1
#: Characters of one cell of a list.
CELL_CHARS = 200
SEARCH_CHARS = 500


class RequestSession:
    """What Flask-Admin takes for a database: its session is the reading one of the request, and ends with it."""

    @property
    def session(self) -> Any:
        return g.get("records_session") if has_app_context() else None


class IdFilter(BaseSQLAFilter):
    """Rows whose column holds this id."""

    def operation(self) -> str:
        return "equals"

    def clean(self, value: str) -> int:
        try:
            return records.row_id(value)
        except NotFound as error:
            raise ValueError(str(error)) from None

    def apply(self, query: Any, value: int, alias: Any = None) -> Any:
        return query.filter(self.column == value)


class YesNoFilter(IdFilter):
    """Rows whose column is true, or false."""

    def __init__(self, column: Any, name: str) -> None:
        super().__init__(column, name, options=[("1", "yes"), ("0", "no")])

    def clean(self, value: str) -> bool:
        if value not in {"0", "1"}:
            raise ValueError("write 1 or 0")
        return value == "1"


class Records(ModelView):
    """A list and a page of one kind of row. Subclasses name columns, searches and filters."""

    can_create = can_edit = can_delete = can_export = False
    can_view_details = True
    can_set_page_size = False
    page_size = PAGE
    list_template = "records/list.html"
    details_template = "records/show.html"
    column_display_actions = False
    column_display_pk = True
    column_default_sort = ("id", True)
    named_filter_urls = True
    action_disallowed_list = ("delete",)
    _urls: list[Any]
    last_page = LAST_PAGE
    count_limit = records.COUNT_LIMIT
    title = ""
    kind = ""
    section = "records"
    lede = ""
    number_columns: frozenset[str] = frozenset()
    #: column with an id -> kind of object it names
    refers: dict[str, str] = {}  # noqa: RUF012
    search_columns: tuple[Any, ...] = ()
    search_words = "id"

    def __init__(self) -> None:
        super().__init__(
            self.model_class,
            RequestSession(),
            name=self.title,
            endpoint=self.endpoint_name,
            url=f"/records/{self.endpoint_name}",
        )
        # every route of Flask-Admin's, those that write among them
        self._urls = [item for item in self._urls if item[1] in {"index_view", "details_view"}]
        self._search_supported = True

    model_class: Any = None
    endpoint_name = ""

    @property
    def table(self) -> str:
        return self.model.__tablename__

    @expose("/")
    @requires("look")
    def index_view(self) -> Any:
        g.schema = the_console().deployment.schema
        with the_console().deployment.read() as session:
            g.records_session = session
            return super().index_view()

    @expose("/details/")
    @requires("look")
    def details_view(self) -> Any:
        key = records.row_id(request.args.get("id"))
        return self.render(self.details_template, list_url=url_for(".index_view"), **page_of(the_console(), self.kind, key))  # fmt: skip

    # --- what Flask-Admin asks

    def _get_list_filter_args(self) -> Any:
        """Filters of the address; an empty one is none, and one that cannot be is named and left out."""
        found = []
        for name, value in request.args.items():
            place, _, key = name.removeprefix("flt").partition("_")
            if not name.startswith("flt") or key not in (self._filter_args or {}) or not value.strip():
                continue
            index, item = self._filter_args[key]
            if item.validate(value):
                found.append((place, (index, item.name, value.strip())))
            else:
                flash(f"{item.name}: {value.strip()[:40]!r} is no id, so this filter was left out.", "warning")
        return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]

    def _get_list_extra_args(self) -> Any:
        args = super()._get_list_extra_args()
        args.page = min(max(args.page or 0, 0), LAST_PAGE)
        args.search = (args.search or "").replace("\x00", "")[:SEARCH_CHARS]
        return args

    def scaffold_form(self) -> Any:
        """Nothing is edited here, so the form is empty."""
        return BaseForm

    def search_placeholder(self) -> str:
        return self.search_words

    def is_sortable(self, name: str) -> bool:
        return super().is_sortable(name) and self._has(name)

    def _has(self, name: str) -> bool:
        schema: Schema = g.schema
        return schema.has(getattr(self.model, name))

    def get_query(self) -> Any:
        shown = [getattr(self.model, name) for name, _ in self._list_columns if self._has(name)]
        return g.records_session.query(self.model).options(load_only(self.model.id, *shown, raiseload=True))

    def get_list(
        self, page: int | None, sort_column: Any, sort_desc: bool | None, search: str | None, filters: Any,
        execute: bool = True, page_size: int | None = None,
    ) -> tuple[int | None, list[Any]]:  # fmt: skip
        page = page or 0
        query = self.get_query()
        for condition in [*self._conditions(filters), *self._searched(search or "")]:
            query = query.filter(condition)
        name = sort_column if isinstance(sort_column, str) and self.is_sortable(sort_column) else None
        first = getattr(self.model, name) if name else None
        order = [] if first is None else [first.desc() if sort_desc else first.asc()]
        ordered = query.order_by(*order, self.model.id.asc() if name and not sort_desc else self.model.id.desc())
        rows = ordered.limit(PAGE).offset(page * PAGE).all()
        count = self._count(query, page, len(rows))
        g.record_names = records.names(g.records_session, self._referred(rows))
        return count, rows

    def _conditions(self, filters: Any) -> list[Any]:
        """Filters as conditions; one on a column that this release lacks is passed over."""
        known = [(self._filters[index], value) for index, _, value in filters or []]
        return [item.column == item.clean(value) for item, value in known if g.schema.has(item.column)]

    def _searched(self, text: str) -> list[Any]:
        """Every word has to be found; a number is looked for among the ids as well."""
        conditions = []
        for word in text.replace("\x00", "").split()[:8]:
            word = word[:CELL_CHARS]
            ways = [column.icontains(word, autoescape=True) for column in self.search_columns]
            if word.isascii() and word.isdigit() and len(word) < 19:
                ways.append(self.model.id == int(word))
            conditions.append(or_(*ways) if ways else self.model.id.is_(None))
        return conditions

    def _count(self, query: Any, page: int, shown: int) -> int:
        """Exact up to `COUNT_LIMIT`, one more beyond it; not asked at all where the page tells."""
        if shown and shown < PAGE:
            return page * PAGE + shown
        if not shown and page == 0:
            return 0
        keys = query.options(load_only(self.model.id)).with_entities(self.model.id)
        return records.capped_counts(g.records_session, {"rows": keys})["rows"]

    def _referred(self, rows: Sequence[Any]) -> dict[str, list[int | None]]:
        wanted: dict[str, list[int | None]] = {}
        for column, kind in self.refers.items():
            if kind in records.NAMES and self._has(column):
                wanted.setdefault(kind, []).extend(getattr(row, column) for row in rows)
        return wanted

    def _get_list_value(self, context: Any, model: Any, name: Any, *_: Any) -> Any:
        if not self._has(name):
            return "–"
        value = getattr(model, name)
        if value is None:
            return "–"
        if name in self.refers:
            return self._reference(self.refers[name], value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, datetime):
            return when(value)
        if isinstance(value, int):
            return value if name in {"id", "inner_id"} else thousands(value)
        text = mask_text(str(value)[: CELL_CHARS + 1])
        return text if len(text) <= CELL_CHARS else f"{text[:CELL_CHARS]}…"

    def _reference(self, kind: str, number: int) -> Any:
        name = g.record_names.get((kind, number)) or f"{kind} {number}"
        return Markup('<a href="{}">{}</a>').format(present.subject_url(f"{kind}:{number}"), escape(name[:CELL_CHARS]))

    def record_url(self, row: Any) -> str:
        return url_for(".details_view", id=row.id)
