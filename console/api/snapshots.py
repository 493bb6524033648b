"""Export snapshots: exports that are made once, kept, and downloaded in any format."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Response, request, send_file

from .. import jobs
from ..app import the_console
from ..errors import ConsoleError, Invalid, NotFound
from ..labeling import snapshots, snapshots_jobs, snapshots_work
from ..labeling.exports import converter, formats
from ..labeling.exports.project import exported
from ..labeling.snapshots_files import Place
from .exports import named, opened_file
from .fields import Char, Choice, Document, Field, Flag, Integer, Many, Moment, Shape
from .request import caller, close_read_session, read, reading, writing
from .routes import Resource, answer, nothing
from .users import user_json

api = Resource("Export snapshots", "Exports that are made once, kept, and downloaded in any format.")


@dataclass(frozen=True, kw_only=True)
class Options(Field):
    """An object of options with fields of its own."""

    of: Shape

    def parse(self, value: Any, *, form: bool = False) -> dict[str, Any]:
        return self.of.read(value)

    def kind(self) -> dict[str, Any]:
        return self.of.reference()


def _only_or_exclude(what: str) -> Choice:
    return Choice(of=("only", "exclude"), null=True, about=f"`only` tasks {what}, or all but them")


DEPTH = Shape("ExportDepth", only_id=Flag(default=False, about="the id alone"))
TASKS = Shape(
    "ExportTaskFilter",
    view=Integer(about="tasks that a tab of the Data Manager shows; an unknown tab filters nothing"),
    skipped=_only_or_exclude("with a skipped annotation"),
    finished=_only_or_exclude("that are labeled"),
    annotated=_only_or_exclude("with an annotation that is not skipped"),
    only_with_annotations=Flag(default=False, about="leave out tasks that are written without any annotation"),
)
ANNOTATIONS = Shape(
    "ExportAnnotationFilter",
    usual=Flag(null=True, default=True, about="neither skipped nor ground truth"),
    ground_truth=Flag(null=True),
    skipped=Flag(null=True),
)
SERIALIZATION = Shape(
    "ExportSerialization",
    drafts=Options(of=DEPTH),
    predictions=Options(of=DEPTH),
    include_annotation_history=Flag(default=False, about="has no effect in the community edition"),
    annotations__completed_by=Options(of=DEPTH),
    interpolate_key_frames=Flag(default=False),
)
NEW = Shape(
    "NewExport",
    title=Char(blank=True, most=2048, about="the project's title and the time by default"),
    task_filter_options=Options(of=TASKS),
    annotation_filter_options=Options(of=ANNOTATIONS),
    serialization_options=Options(of=SERIALIZATION),
)
SNAPSHOT = Shape(
    "Export",
    title=Char(), id=Integer(read_only=True), created_by=Document(null=True, read_only=True),
    created_at=Moment(read_only=True), finished_at=Moment(null=True, read_only=True),
    status=Choice(of=("created", "in_progress", "failed", "completed"), read_only=True), md5=Char(read_only=True),
    counters=Document(read_only=True), converted_formats=Document(read_only=True),
)  # fmt: skip
CONVERT = Shape(
    "ExportConversion",
    export_type=Char(required=True, about="one of `GET /api/projects/{id}/export/formats`"),
    download_resources=Flag(about="put images and recordings beside the annotations, where the format can"),
)
DOWNLOAD = Shape("ExportDownload", exportType=Char(about="another format; JSON as it was made by default"))
OPTIONS = ("task_filter_options", "annotation_filter_options", "serialization_options")


@api.get("/api/projects/<ID:project_id>/exports/", answers={200: Many(SNAPSHOT)})
def listed(project_id: int) -> Any:
    """List export snapshots. The newest hundred, newest first."""
    with reading() as db:
        return answer([_shown(item) for item in _honest(snapshots.listed(db, project_id))])


@api.post("/api/projects/<ID:project_id>/exports/", body=NEW, answers={201: SNAPSHOT})
def create(project_id: int) -> Any:
    """Make an export snapshot. A job writes the file; poll `status` until it is `completed` or `failed`."""
    values = read(NEW)
    _settle()
    with writing() as db:
        export_id = snapshots.create(db, project_id, values.get("title", ""))
    arguments = _asked(project_id, export_id) | {name: values.get(name) for name in OPTIONS}
    try:
        jobs.start(
            the_console(),
            snapshots_jobs.EXPORT,
            f"Export project {project_id}, snapshot {export_id}",
            arguments,
            by=caller().email,
        )
    except ConsoleError:
        with writing() as db:
            snapshots.fail(db, [export_id])
        raise
    with reading() as db:
        made = snapshots.one(db, project_id, export_id)
    return answer(_shown(made) | dict.fromkeys(OPTIONS), 201)


@api.get("/api/projects/<ID:project_id>/exports/<ID:export_id>", answers={200: SNAPSHOT})
def retrieve(project_id: int, export_id: int) -> Any:
    """Get an export snapshot."""
    with reading() as db:
        [item] = _honest([snapshots.one(db, project_id, export_id)])
        return answer(_shown(item))


@api.delete("/api/projects/<ID:project_id>/exports/<ID:export_id>", answers={204: None})
def delete(project_id: int, export_id: int) -> Any:
    """Delete an export snapshot, with its files in every format."""
    with writing() as db:
        snapshots.remove(db, project_id, export_id, _place())
    return nothing()


@api.post(
    "/api/projects/<ID:project_id>/exports/<ID:export_id>/convert", body=CONVERT, answers={200: {"type": "object"}}
)
def convert(project_id: int, export_id: int) -> Any:
    """Convert an export snapshot. A job makes the file; see `converted_formats` of the snapshot."""
    with reading() as db:
        status, file = snapshots.stored(db, project_id, export_id)
        snapshots.need_convertible(db)
    values = read(CONVERT)
    kind = values["export_type"]
    if kind not in formats.FORMATS:
        raise Invalid({"export_type": [f"{kind} is not supported export format"]})
    if status == snapshots.COMPLETED:
        _place().find(file)
    _settle()
    with writing() as db:
        converted_id = snapshots.start_conversion(db, project_id, export_id, kind)
    arguments = _asked(project_id, export_id) | {
        "converted_id": converted_id, "export_type": kind, "download_resources": values.get("download_resources", False),
    }  # fmt: skip
    title = f"Convert snapshot {export_id} of project {project_id} to {kind}"
    try:
        jobs.start(the_console(), snapshots_jobs.CONVERSION, title, arguments, by=caller().email)
    except ConsoleError as error:
        with writing() as db:
            snapshots.fail_conversions(db, [converted_id], str(error))
        raise
    return answer({"export_type": kind, "converted_format": converted_id})


@api.get(
    "/api/projects/<ID:project_id>/exports/<ID:export_id>/download",
    query=DOWNLOAD,
    answers={200: None, 206: None, 404: {}},
)
def download(project_id: int, export_id: int) -> Any:
    """Download an export snapshot. In another format than JSON it is converted on the way, unless that was done before."""
    kind = request.args.get("exportType")
    with reading() as db:
        project = exported(db, project_id)
        status, stored = snapshots.stored(db, project_id, export_id)
        converted = snapshots.converted_file(db, export_id, kind) if kind else None
    if status != snapshots.COMPLETED:
        raise NotFound("Export is not completed")
    if kind is not None:
        formats.need(kind)
    source = _place().find(stored)
    if kind is None:
        return _ranged(source, stored or source.name)
    close_read_session()
    if converted is not None and (ready := _ready(converted)) is not None:
        return _ranged(ready, f"{source.stem}{ready.suffix}")
    with tempfile.TemporaryDirectory(prefix="lsconsole-export-") as directory:
        order = converter.Order(kind, project.controls, project_id)
        made = snapshots_work.made_from(source, order, Path(directory), the_console().settings)
        if made is None:
            raise NotFound("Can't get file")
        if made == source:
            return _ranged(source, source.name)
        return opened_file(made, f"{source.stem}{made.suffix}", f"application/{made.suffix.removeprefix('.')}")


def _ranged(path: Path, name: str) -> Response:
    """A file that stays; parts of it can be asked for."""
    extension = path.suffix.removeprefix(".")
    kind = f"application/{extension}" if extension.isascii() and extension.isalnum() else "application/octet-stream"
    sent = send_file(path, kind, download_name="snapshot", conditional=True, max_age=0)
    return named(sent, name)


def _ready(stored: str) -> Path | None:
    try:
        return _place().find(stored)
    except ConsoleError:
        return None


def _place() -> Place:
    return Place(the_console().settings.base_data_dir / "media")


def _asked(project_id: int, export_id: int) -> dict[str, Any]:
    who = caller()
    return {"project_id": project_id, "export_id": export_id, "user_id": who.id, "organization_id": who.organization_id}


def _settle() -> None:
    """What died meanwhile is written down before new work begins; looking alone changes nothing."""
    console = the_console()
    close_read_session()
    jobs.settle(console.store)
    jobs.settle_rows(console)


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    person = item["created_by"]
    return {**item, "created_by": user_json(person) if person else None}


def _honest(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Snapshots and conversions whose job is gone are told as failed, though the row still says otherwise."""
    under_way = {snapshots.CREATED, snapshots.IN_PROGRESS}
    conversions = [one for item in items for one in item["converted_formats"]]
    for kind, some in ((snapshots_jobs.EXPORT, items), (snapshots_jobs.CONVERSION, conversions)):
        waiting = {one["id"] for one in some if one["status"] in under_way}
        if not waiting:
            continue
        jobs.settle(the_console().store)
        lost = snapshots_jobs.given_up(the_console().store, kind, waiting)
        for one in some:
            if one["id"] in lost:
                one["status"] = snapshots.FAILED
    return items
