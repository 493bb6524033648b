"""Export snapshots: rows of `data_export_export` and `data_export_convertedformat`, as Label Studio leaves them.

The files are made by `snapshots_work`; `snapshots_files` says where they are.

Source: `data_export/api.py` (Export…API), `data_export/models.py Export, ConvertedFormat`,
`data_export/mixins.py ExportMixin`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from ..errors import Conflict, Invalid, NotFound
from . import users
from .db import Db
from .exports.project import exported
from .snapshots_files import Place

EXPORTS, CONVERTED = "data_export_export", "data_export_convertedformat"
CREATED, IN_PROGRESS, FAILED, COMPLETED = "created", "in_progress", "failed", "completed"
NO_EXPORT = "No Export matches the given query."
NEWEST = 100


def listed(db: Db, project_id: int) -> list[dict[str, Any]]:
    """The newest snapshots of a project. Raises NotFound, or Forbidden for a former member."""
    exported(db, project_id)
    table = db.table(EXPORTS).c
    return _shown(db, table.project_id == project_id, limit=NEWEST)


def one(db: Db, project_id: int, export_id: int) -> dict[str, Any]:
    """One snapshot. Raises NotFound, or Forbidden for a former member."""
    exported(db, project_id)
    table = db.table(EXPORTS).c
    found = _shown(db, (table.id == export_id) & (table.project_id == project_id))
    if not found:
        raise NotFound(NO_EXPORT)
    return found[0]


def stored(db: Db, project_id: int, export_id: int) -> tuple[str, str | None]:
    """(status, file) of a snapshot; the file is relative to Label Studio's media directory. Raises NotFound."""
    exported(db, project_id)
    table = db.table(EXPORTS).c
    row = db.first(select(table.status, table.file).where(table.id == export_id, table.project_id == project_id))
    if row is None:
        raise NotFound(NO_EXPORT)
    return row.status, row.file or None


def create(db: Db, project_id: int, title: str) -> int:
    """A snapshot that is about to be made; its id. Without a title it is named after the project and the minute."""
    project = exported(db, project_id)
    default = f"{project.title.replace(' ', '-')}-at-{db.now:%Y-%m-%d-%H-%M}"
    export_id = db.insert(
        EXPORTS,
        {
            "title": title or default, "created_at": db.now, "md5": "", "status": IN_PROGRESS, "counters": {},
            "project_id": project_id, "created_by_id": db.caller.id, "file": "", "finished_at": None,
        },
    )  # fmt: skip
    db.record("created an export snapshot", f"project:{project_id}", snapshot=export_id)
    return export_id


def finish(db: Db, export_id: int, *, file: str, md5: str, tasks: int) -> bool:
    """The file is there. False when the snapshot was deleted, or given up, meanwhile."""
    table = db.table(EXPORTS).c
    done = {"status": COMPLETED, "file": file, "md5": md5, "counters": {"task_number": tasks}, "finished_at": db.now}
    return db.update(EXPORTS, (table.id == export_id) & (table.status == IN_PROGRESS), done) == 1


def fail(db: Db, export_ids: Sequence[int], *, tasks: int | None = None) -> int:
    """No file will come of these; how many were still under way."""
    table = db.table(EXPORTS).c
    values: dict[str, Any] = {"status": FAILED, "finished_at": db.now}
    if tasks is not None:
        values["counters"] = {"task_number": tasks}
    return db.update(EXPORTS, table.id.in_(export_ids) & (table.status == IN_PROGRESS), values)


def remove(db: Db, project_id: int, export_id: int, place: Place) -> None:
    """Delete a snapshot, its conversions and their files; all of it or, when a file cannot be removed, no row."""
    _, file = stored(db, project_id, export_id)
    files = [file]
    if db.has(CONVERTED):
        converted = db.table(CONVERTED).c
        files += db.values(select(converted.file).where(converted.export_id == export_id))
        db.delete(CONVERTED, converted.export_id == export_id)
    db.delete(EXPORTS, db.table(EXPORTS).c.id == export_id)
    place.remove(files)
    place.remove_unfinished(project_id, export_id)
    db.record("deleted an export snapshot", f"project:{project_id}", snapshot=export_id)


# --- conversions


def start_conversion(db: Db, project_id: int, export_id: int, export_type: str) -> int:
    """A conversion that is about to be made; its id. Raises Invalid while there is one that did not fail."""
    if db.postgresql:  # one after the other; on SQLite there is one writer anyway
        row = db.table(EXPORTS).c
        db.value(select(row.id).where(row.id == export_id, row.project_id == project_id).with_for_update())
    status, file = stored(db, project_id, export_id)
    table = db.table(CONVERTED).c
    if status != COMPLETED or not file:
        raise Invalid(f"The snapshot is {status}; only a completed one can be converted.")
    others = select(table.id).where(
        table.export_id == export_id, table.export_type == export_type, table.status != FAILED
    )
    if db.value(others.limit(1)) is not None:
        raise Invalid(f"Conversion to {export_type} already started")
    converted_id = db.insert(
        CONVERTED,
        {
            "export_id": export_id, "export_type": export_type, "status": CREATED, "file": "", "traceback": None,
            "created_at": db.now, "updated_at": db.now, "finished_at": None,
        },
    )  # fmt: skip
    db.record("asked for a conversion of a snapshot", f"project:{project_id}", snapshot=export_id, format=export_type)
    return converted_id


def take_conversion(db: Db, converted_id: int) -> bool:
    """Mark a conversion as under way; False when somebody else took it, or it is gone."""
    table = db.table(CONVERTED).c
    return db.update(CONVERTED, (table.id == converted_id) & (table.status == CREATED), {"status": IN_PROGRESS}) == 1


def finish_conversion(db: Db, converted_id: int, file: str) -> bool:
    """The converted file is there. False when the conversion was deleted meanwhile."""
    table = db.table(CONVERTED).c
    return db.update(CONVERTED, table.id == converted_id, {"status": COMPLETED, "file": file}) == 1


def fail_conversions(db: Db, converted_ids: Sequence[int], reason: str) -> int:
    """No file will come of these; the reason is shown where Label Studio shows a traceback."""
    table = db.table(CONVERTED).c
    under_way = table.id.in_(converted_ids) & table.status.in_([CREATED, IN_PROGRESS])
    return db.update(CONVERTED, under_way, {"status": FAILED, "traceback": reason})


def converted_file(db: Db, export_id: int, export_type: str) -> str | None:
    """The file of a completed conversion, relative to the media directory, or None."""
    if not db.has(CONVERTED):
        return None
    table = db.table(CONVERTED).c
    return db.value(
        select(table.file).where(
            table.export_id == export_id, table.export_type == export_type, table.status == COMPLETED, table.file != ""
        ).order_by(table.id.desc()).limit(1)
    )  # fmt: skip


# --- how they are shown


def _shown(db: Db, where: Any, *, limit: int | None = None) -> list[dict[str, Any]]:
    table = db.table(EXPORTS).c
    columns = db.columns(EXPORTS, "title", "id", "created_by_id", "created_at", "finished_at", "status", "md5")
    statement = select(*columns, db.raw(table.counters)).where(where).order_by(table.created_at.desc())
    rows = db.rows(statement.limit(limit) if limit else statement)
    people = _people(db, {row.created_by_id for row in rows if row.created_by_id is not None})
    conversions = _conversions(db, [row.id for row in rows])
    found = []
    for row in rows:
        item = {name: value for name, value in row._mapping.items() if name not in {"created_by_id", "counters"}}
        found.append(
            {
                **{name: item[name] for name in ("title", "id") if name in item},
                "created_by": people.get(row.created_by_id),
                **item,
                "counters": db.fragment(row.counters),
                "converted_formats": conversions.get(row.id, []),
            }
        )
    return found


def _people(db: Db, ids: set[int]) -> Mapping[int, dict[str, Any]]:
    if not ids:
        return {}
    shown = users.shown(db, db.table("htx_user").c.id.in_(sorted(ids)))
    wanted = ("id", "first_name", "last_name", "email", "avatar")
    return {person["id"]: {name: person.get(name) for name in wanted} for person in shown}


def _conversions(db: Db, export_ids: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
    if not export_ids or not db.has(CONVERTED):
        return {}
    table = db.table(CONVERTED).c
    columns = db.columns(CONVERTED, "id", "status", "export_type", "traceback")
    found: dict[int, list[dict[str, Any]]] = {}
    for row in db.rows(select(table.export_id, *columns).where(table.export_id.in_(export_ids)).order_by(table.id)):
        item = dict(row._mapping)
        found.setdefault(item.pop("export_id"), []).append(item)
    return found


def need_convertible(db: Db) -> None:
    """Raise Conflict on a release that keeps no conversions (1.7 and older)."""
    if not db.has(CONVERTED):
        raise Conflict(
            f"Label Studio {db.schema.label_studio_version} keeps no conversions. Download the snapshot with exportType."
        )
