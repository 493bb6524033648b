"""Snapshots as jobs: what their arguments mean, and which of them will never end.

Arguments are plain data, as a job of our queue carries them: `project_id`, `export_id` or `converted_id`, who asked, and
the options in Label Studio's own words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import select

from ..deployment import Deployment
from ..errors import NotFound
from ..state import Store
from ..state.models import JobRow
from . import snapshots, snapshots_work
from .data_manager import conditions, views
from .data_manager.scope import open_project
from .db import Caller, Db
from .exports.documents import Choice, Depth, Depths, Documents
from .exports.project import exported
from .exports.selection import Selection

EXPORT, CONVERSION = "export", "conversion"
#: Newest ended jobs that are looked at for snapshots which nobody works on any more.
LOOKED_AT = 500


def write(
    deployment: Deployment,
    arguments: Mapping[str, Any],
    *,
    by: str,
    progress: snapshots_work.Progress,
    stopped: Callable[[], bool],
) -> dict[str, Any]:
    """Write the file of a snapshot; the result names it."""
    desk = _desk(deployment, arguments, by)
    export_id, project_id = arguments["export_id"], arguments["project_id"]
    wanted = arguments.get("task_filter_options") or {}
    try:
        with desk.opened() as db:
            project = exported(db, project_id)
            key_frames = bool((arguments.get("serialization_options") or {}).get("interpolate_key_frames"))
            documents = Documents(
                _depths(arguments.get("serialization_options")), _choice(arguments.get("annotation_filter_options")),
                undefined_key=project.undefined_key, key_frames=key_frames and project.follows_objects,
            )  # fmt: skip
            selection = _selection(db, project_id, wanted)
    except BaseException:
        with desk.changing() as db:
            snapshots.fail(db, [export_id])
        raise
    done = snapshots_work.write(
        desk, export_id, selection, documents, only_with_annotations=bool(wanted.get("only_with_annotations")),
        progress=progress, stopped=stopped,
    )  # fmt: skip
    return {"project": project_id, "snapshot": export_id, "tasks": done}


def convert(
    deployment: Deployment, arguments: Mapping[str, Any], *, by: str, stopped: Callable[[], bool]
) -> dict[str, Any]:
    """Convert a snapshot; the result names the conversion."""
    snapshots_work.convert(
        _desk(deployment, arguments, by), arguments["converted_id"], project_id=arguments["project_id"],
        export_id=arguments["export_id"], export_type=arguments["export_type"],
        resources=bool(arguments.get("download_resources")), stopped=stopped,
    )  # fmt: skip
    return {name: arguments[name] for name in ("project_id", "export_id", "converted_id", "export_type")}


def given_up(store: Store, kind: str, ids: Collection[int]) -> set[int]:
    """Which of these snapshots (or conversions) were ours to make and whose job ended without making them."""
    if not ids:
        return set()
    key = "export_id" if kind == EXPORT else "converted_id"
    statement = (
        select(JobRow.status, JobRow.arguments)
        .where(JobRow.kind == kind)
        .order_by(JobRow.created_at.desc())
        .limit(LOOKED_AT)
    )
    with store.read() as session:
        rows = session.execute(statement).all()
    under_way = {arguments.get(key) for status, arguments in rows if status in {"queued", "running"}}
    ended = {arguments.get(key) for status, arguments in rows if status in {"failed", "cancelled"}}
    return (set(ids) & ended) - under_way


def under_way(store: Store) -> set[tuple[str, int]]:
    """Snapshots and conversions that wait for a job of ours or are being made by one, as (kind, id)."""
    keys = {EXPORT: "export_id", CONVERSION: "converted_id"}
    statement = select(JobRow.kind, JobRow.arguments).where(
        JobRow.kind.in_(keys), JobRow.status.in_(["queued", "running"])
    )
    with store.read() as session:
        return {(kind, arguments[keys[kind]]) for kind, arguments in session.execute(statement)}


def settle(deployment: Deployment, store: Store) -> int:
    """Mark snapshots and conversions as failed whose job died or was stopped before it began; how many there were."""
    caller = Caller(0, "console", None)
    with deployment.read() as session:
        db = Db(session, deployment.schema, caller)
        exports, conversions = _under_way(db)
    lost = given_up(store, EXPORT, exports), given_up(store, CONVERSION, conversions)
    if not any(lost):
        return 0
    with deployment.write() as session:
        db = Db(session, deployment.schema, caller)
        return snapshots.fail(db, sorted(lost[0])) + (
            snapshots.fail_conversions(db, sorted(lost[1]), "The job that made it ended.") if lost[1] else 0
        )


def _under_way(db: Db) -> tuple[list[int], list[int]]:
    states = (snapshots.CREATED, snapshots.IN_PROGRESS)
    found: list[list[int]] = []
    for name in (snapshots.EXPORTS, snapshots.CONVERTED):
        if not db.has(name):
            found.append([])
            continue
        table = db.table(name).c
        found.append(
            db.values(select(table.id).where(table.status.in_(states)).order_by(table.id.desc()).limit(LOOKED_AT))
        )
    return found[0], found[1]


def _desk(deployment: Deployment, arguments: Mapping[str, Any], by: str) -> snapshots_work.Desk:
    return snapshots_work.Desk(deployment, Caller(arguments["user_id"], by, arguments["organization_id"]))


def _selection(db: Db, project_id: int, wanted: Mapping[str, Any]) -> Selection:
    return Selection(
        project_id, skipped=wanted.get("skipped"), finished=wanted.get("finished"), annotated=wanted.get("annotated"),
        tab=_tab(db, project_id, wanted.get("view")),
    )  # fmt: skip


def _tab(db: Db, project_id: int, view_id: int | None) -> Callable[[Db], list[Any]] | None:
    """The filters and ticked tasks of a tab; None for a tab that this project does not have, which filters nothing."""
    try:
        if view_id is None or views.project_of(db, view_id) != project_id:
            return None
    except NotFound:
        return None
    query = views.query_of(db, view_id, project_id)

    def on(db: Db) -> list[Any]:
        scope = open_project(db, project_id)
        found = (conditions.where(scope, query), conditions.selected(scope, query))
        return [condition for condition in found if condition is not None]

    return on


def _choice(wanted: Mapping[str, Any] | None) -> Choice:
    if wanted is None:
        return Choice()
    return Choice(**{name: bool(wanted.get(name)) for name in ("usual", "ground_truth", "skipped")})


def _depths(wanted: Mapping[str, Any] | None) -> Depths:
    def depth(name: str) -> Depth:
        option = (wanted or {}).get(name)
        return "full" if isinstance(option, Mapping) and not option.get("only_id") else "ids"

    return Depths(drafts=depth("drafts"), predictions=depth("predictions"), people=depth("annotations__completed_by"))
