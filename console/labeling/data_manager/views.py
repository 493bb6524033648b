"""The tabs of the Data Manager: rows of `data_manager_view` with their filter groups and filters.

Source: Label Studio's `data_manager/serializers.py` (`ViewSerializer`, `FilterGroupSerializer`) and `models.py`. Filters
that a change replaces stay behind as rows that nothing refers to, as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from ...errors import Invalid, NotFound
from ..db import Db
from ..tasks import is_former_member
from ..tasks_cascade import delete_rows
from .query import Query, parse

NO_VIEW = "No View matches the given query."


def listed(db: Db, project_id: int | None = None) -> list[dict[str, Any]]:
    """Views of the caller's organization, or of one project, in the order of the tabs; none for a former member."""
    views = db.table("data_manager_view")
    own = [views.c.project_id == project_id] if project_id is not None else []
    return _shown(db, own)


def get(db: Db, view_id: int) -> dict[str, Any]:
    """One view. Raises NotFound."""
    found = _shown(db, [db.table("data_manager_view").c.id == view_id])
    if not found:
        raise NotFound(NO_VIEW)
    return found[0]


def project_of(db: Db, view_id: int) -> int:
    """The project of a view, of whatever organization. Raises NotFound."""
    views = db.table("data_manager_view")
    found = db.value(select(views.c.project_id).where(views.c.id == view_id))
    if found is None:
        raise NotFound(NO_VIEW)
    return found


def query_of(db: Db, view_id: int, project_id: int) -> Query:
    """What a view of this project filters, orders and selects. Raises NotFound, or Invalid for another project's view."""
    views = db.table("data_manager_view")
    row = db.first(select(*_columns(db)).where(views.c.id == view_id))
    if row is None:
        raise NotFound(NO_VIEW)
    if row.project_id != project_id:
        raise Invalid({"view": ["Project and View mismatch"]})
    groups = _groups(db, [row.filter_group_id]) if row.filter_group_id else {}
    data = dict(row.data) if isinstance(row.data, Mapping) else {}
    return parse(
        data | {"filters": groups.get(row.filter_group_id), "ordering": row.ordering or []},
        selection=row.selected_items or None,
    )


def create(db: Db, project_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Make a view of the caller's. `values`: data, ordering, selected_items, order and `filter_group` (conjunction,
    filters as rows of `data_manager_filter` with an optional `child_filter`)."""
    views = db.table("data_manager_view")
    row: dict[str, Any] = {"data": {}, "ordering": {}, "selected_items": {}, "order": 0} | {
        name: values[name] for name in ("data", "ordering", "selected_items", "order") if name in values
    }
    if (group := values.get("filter_group")) is not None:
        row["filter_group_id"] = db.insert("data_manager_filtergroup", {"conjunction": group["conjunction"]})
        _store_filters(db, row["filter_group_id"], group["filters"])
        row["order"] = db.value(select(func.count()).where(views.c.project_id == project_id))
    view_id = db.insert("data_manager_view", row | {"project_id": project_id, "user_id": db.caller.id})
    db.record("created a view", f"project:{project_id}", view=view_id)
    return get(db, view_id)


def change(db: Db, view_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a view's filters, ordering and data; what is not given stays. Raises NotFound."""
    get(db, view_id)
    views = db.table("data_manager_view")
    row = db.first(select(views.c.filter_group_id, views.c.project_id).where(views.c.id == view_id))
    assert row is not None
    changed: dict[str, Any] = {name: values[name] for name in ("ordering", "data") if values.get(name)}
    if "data" in values:
        changed["data"] = values["data"]
    if (group := values.get("filter_group")) is not None:
        group_id = row.filter_group_id
        conjunction = {"conjunction": group["conjunction"]}
        if group_id is None:
            group_id = changed["filter_group_id"] = db.insert("data_manager_filtergroup", conjunction)
        else:
            db.update("data_manager_filtergroup", db.table("data_manager_filtergroup").c.id == group_id, conjunction)
        links = db.table("data_manager_filtergroup_filters")
        db.delete("data_manager_filtergroup_filters", links.c.filtergroup_id == group_id)
        _store_filters(db, group_id, group["filters"])
    if changed:
        db.update("data_manager_view", views.c.id == view_id, changed)
    db.record("changed a view", f"project:{row.project_id}", view=view_id)
    return get(db, view_id)


def remove(db: Db, view_id: int) -> None:
    """Delete a view. Raises NotFound."""
    get(db, view_id)
    delete_rows(db, "data_manager_view", [view_id])
    db.record("deleted a view", f"view:{view_id}")


def remove_all(db: Db, project_id: int) -> int:
    """Delete every view of a project; how many there were."""
    views = db.table("data_manager_view")
    gone = delete_rows(db, "data_manager_view", select(views.c.id).where(views.c.project_id == project_id))
    if gone:
        db.record("deleted views", f"project:{project_id}", rows=gone)
    return gone


def reorder(db: Db, project_id: int, view_ids: Sequence[int]) -> None:
    """Give a project's views the places they have in this list; ids of other projects are ignored."""
    views = db.table("data_manager_view")
    known = set(db.values(select(views.c.id).where(views.c.project_id == project_id)))
    for place, view_id in enumerate(view_ids):
        if view_id in known:
            db.update("data_manager_view", views.c.id == view_id, {"order": place})
    db.record("put views in order", f"project:{project_id}", rows=len(known & set(view_ids)))


def _columns(db: Db) -> list[Any]:
    return db.columns(
        "data_manager_view",
        "id",
        "data",
        "ordering",
        "order",
        "selected_items",
        "filter_group_id",
        "user_id",
        "project_id",
    )


def _shown(db: Db, where: Sequence[Any]) -> list[dict[str, Any]]:
    views, projects = db.table("data_manager_view"), db.table("project")
    places = db.columns("data_manager_view", "order")
    rows = db.rows(
        select(*_columns(db))
        .join(projects, projects.c.id == views.c.project_id)
        .where(
            projects.c.organization_id == db.caller.organization_id,
            ~is_former_member(db, projects.c.organization_id),
            *where,
        )
        .order_by(*(place.asc().nulls_last() for place in places), views.c.id)
    )
    groups = _groups(db, [row.filter_group_id for row in rows if row.filter_group_id])
    return [_view(dict(row._mapping), groups) for row in rows]


def _view(row: Mapping[str, Any], groups: Mapping[int, Any]) -> dict[str, Any]:
    data = row["data"]
    added = {
        "filters": groups.get(row["filter_group_id"]),
        "selectedItems": row.get("selected_items"),
        "ordering": row.get("ordering"),
    }
    if any(added.values()):
        data = (data if isinstance(data, dict) else {}) | {name: value for name, value in added.items() if value}
    shown = {"id": row["id"], "data": data}
    if "order" in row:
        shown["order"] = row["order"]
    if "user_id" in row:
        shown["user"] = row["user_id"]
    return shown | {"project": row["project_id"]}


def _groups(db: Db, group_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Filter groups as requests carry them: conjunction and items."""
    if not group_ids:
        return {}
    groups, links, filters = (
        db.table(name)
        for name in ("data_manager_filtergroup", "data_manager_filtergroup_filters", "data_manager_filter")
    )
    names = ("column", "operator", "type", "value", "index", "parent_id")
    joined = groups.outerjoin(links, links.c.filtergroup_id == groups.c.id)
    rows = db.rows(
        select(
            groups.c.id.label("group_id"),
            groups.c.conjunction,
            filters.c.id,
            *db.columns("data_manager_filter", *names),
        )
        .select_from(joined.outerjoin(filters, filters.c.id == links.c.filter_id))
        .where(groups.c.id.in_(group_ids))
        .order_by(*(place.asc().nulls_last() for place in db.columns("data_manager_filter", "index")), filters.c.id)
    )
    found: dict[int, dict[str, Any]] = {}
    by_id: dict[Any, dict[str, Any]] = {}
    for row in rows:
        group = found.setdefault(row.group_id, {"conjunction": row.conjunction, "items": []})
        if row.id is None:
            continue
        by_id[row.id] = {"filter": row.column, "operator": row.operator, "type": row.type, "value": row.value}
        if getattr(row, "parent_id", None) is None:
            group["items"].append(by_id[row.id])
    for row in rows:
        parent = by_id.get(getattr(row, "parent_id", None))
        if parent is not None and "child_filter" not in parent:
            parent["child_filter"] = by_id[row.id]
    return found


def _store_filters(db: Db, group_id: int, filters: Sequence[Mapping[str, Any]]) -> None:
    for place, item in enumerate(filters):
        row = {name: item.get(name) for name in ("column", "type", "operator", "value")}
        parent = _store_filter(db, group_id, row | {"index": place})
        child = item.get("child_filter")
        while child is not None:
            row = {name: child.get(name) for name in ("column", "type", "operator", "value", "index")}
            parent = _store_filter(db, group_id, row | {"parent_id": parent})
            child = child.get("child_filter")


def _store_filter(db: Db, group_id: int, row: Mapping[str, Any]) -> int:
    filter_id = db.insert("data_manager_filter", row)
    db.insert("data_manager_filtergroup_filters", {"filtergroup_id": group_id, "filter_id": filter_id})
    return filter_id
