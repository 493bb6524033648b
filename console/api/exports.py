"""Export: tasks with their annotations as a file, streamed from the first byte."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from flask import Response, request

from ..app import the_console
from ..errors import Invalid, NotFound
from ..labeling.db import LARGEST_ID, Db
from ..labeling.exports import converter, flat_rows, formats, names, stream
from ..labeling.exports.documents import Depths, Documents
from ..labeling.exports.project import Exported, exported
from ..labeling.exports.selection import Selection
from .errors import ApiError
from .fields import Char, Flag, Shape
from .request import caller, close_read_session, query, reading
from .routes import Resource, answer

api = Resource("Export", "Tasks with annotations, drafts and predictions as files, in every format of Label Studio's.")

EXPORT = Shape(
    "ExportQuery",
    exportType=Char(about="one of `GET /api/projects/{id}/export/formats`; JSON by default"),
    export_type=Char(default="JSON", about="older name of `exportType`"),
    download_all_tasks=Flag(default=False, about="also tasks without any annotation"),
    download_resources=Flag(default=False, about="put images and recordings beside the annotations, where the format can"),
    interpolate_key_frames=Flag(default=False, about="every frame between the key frames of a video region"),
    **cast("Any", {"ids[]": Char(about="only these tasks; repeat it for each")}),
)  # fmt: skip
#: Arguments of the first Enterprise release, and what to send today.
REMOVED = {
    "aggregator_type": "There is no aggregation any more; every annotation is exported. Leave this argument out.",
    "finished": "Use `download_all_tasks=true` for all tasks; without it, only tasks with annotations are exported.",
    "return_task": "Tasks are always exported. Leave this argument out.",
    "return_predictions": "Predictions are always exported in JSON. Leave this argument out.",
    "return_ground_truths": "Ground truths are always exported, marked `ground_truth`. Leave this argument out.",
}
#: Format -> delimiter, of the formats that are tables.
TABLES = {"CSV": ",", "TSV": "\t"}
CHUNK_BYTES = 64 * 1024
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@api.get("/api/projects/<ID:project_id>/export", query=EXPORT, answers={200: None}, deprecated=True)
def export(project_id: int) -> Any:
    """Export a project. The answer is a file; it begins at once and may be stopped at any time."""
    with reading() as db:
        project = exported(db, project_id)
    _refuse_removed()
    told = query(EXPORT)
    kind = formats.need(told.get("exportType") or told["export_type"])
    selection = Selection(project.id, ids=_ids(), annotated_at_all=not told["download_all_tasks"])
    job = Export(project, selection, told["interpolate_key_frames"] and project.follows_objects, opener())
    close_read_session()  # nothing of the request stays open while the client reads
    if kind in formats.OWN:
        return job.streamed(kind)
    return job.converted(converter.Order(kind, project.controls, project.id, resources=told["download_resources"]))


@api.get("/api/projects/<ID:project_id>/export/formats", answers={200: {"type": "array", "items": {"type": "object"}}})
def export_formats(project_id: int) -> Any:
    """Export formats. Those that do not suit the labeling configuration are marked `disabled` and may be asked for."""
    with reading() as db:
        return answer(formats.listed(exported(db, project_id).controls))


@api.get("/api/projects/<ID:project_id>/export/files", answers={200: {"type": "object"}}, deprecated=True)
def export_files(project_id: int) -> Any:
    """Files of earlier exports. Always an empty list, as in Label Studio: exports are not kept, snapshots are."""
    with reading() as db:
        exported(db, project_id)
    return answer({"export_files": []})


@api.get("/api/auth/export/", answers={200: {"type": "object"}, 422: {"type": "object"}})
def export_auth_check() -> Any:
    """May the caller have an exported file? For a proxy that asks before it serves `/export/<file>`.

    The file is named by the header `X-Original-URI`; its name begins with the id of its project.
    """
    path = request.headers.get("X-Original-URI")
    if path is None:
        raise ApiError(400, "The header X-Original-URI has to name the file, as /export/<project id>-<name>.")
    number = path.replace("/export/", "").split("-")[0]
    try:
        project_id = int(number)
    except ValueError:
        return answer({"detail": "Incorrect filename in export"}, 422)
    if not 0 <= project_id <= LARGEST_ID:
        raise NotFound("No Project matches the given query.")
    with reading() as db:
        exported(db, project_id)
    return answer({"detail": "auth ok"})


@api.route("/api/projects/<ID:project_id>/results/", methods=_METHODS, answers={404: {}}, deprecated=True)
def results_are_gone(project_id: int) -> Any:
    """Gone. Use `GET /api/projects/{id}/export`."""
    raise NotFound(f"This endpoint was removed. Use GET /api/projects/{project_id}/export?exportType=JSON.")


@api.route("/api/projects/<ID:project_id>/completions/", methods=_METHODS, answers={404: {}}, deprecated=True)
def completions_are_gone(project_id: int) -> Any:
    """Gone. Completions are called annotations."""
    raise NotFound(
        f"This endpoint was removed: completions are called annotations. Use GET /api/projects/{project_id}/export "
        "for all of them, /api/tasks/<id>/annotations/ for those of a task."
    )


@dataclass(frozen=True)
class Export:
    """One export under way: which tasks, and how to open a short transaction for the next batch of them."""

    project: Exported
    selection: Selection
    key_frames: bool
    opened: Callable[[], contextlib.AbstractContextManager[Db]]

    def documents(self, *, flat: bool = False) -> Documents:
        return Documents(Depths(flat=flat), undefined_key=self.project.undefined_key, key_frames=self.key_frames)

    def json(self) -> Iterator[bytes]:
        return stream.json_list(stream.batches(self.opened, self.selection, self.documents()))

    def tasks(self) -> Iterator[dict[str, Any]]:
        return stream.parsed(stream.batches(self.opened, self.selection, self.documents(flat=True)))

    def streamed(self, kind: str) -> Response:
        """A format of our own. What goes wrong before the first byte is an error; after it, the connection breaks off."""
        first, chunks = stream.first_and_all(self.json())
        if kind == "JSON_MIN":
            chunks = flat_rows.json_min(self.tasks(), self.project.controls)
        elif kind in TABLES:
            chunks = flat_rows.delimited(self.tasks, self.project.controls, TABLES[kind])
        extension = "csv" if kind in TABLES else "json"
        _, chunks = stream.first_and_all(chunks)
        return attachment(chunks, self.name(first, extension), f"application/.{extension}")

    def converted(self, order: converter.Order) -> Response:
        """A format of the converter's: its files are made first, then sent and thrown away."""
        with tempfile.TemporaryDirectory(prefix="lsconsole-export-") as place:
            directory = Path(place)
            source = directory / "tasks.json"
            first, chunks = stream.first_and_all(self.json())
            with source.open("wb") as file:
                file.writelines(chunks)
            made = converter.convert(order, source, directory, the_console().settings)
            if made is None:
                made = directory / "out.zip"
                made.write_bytes(EMPTY_ZIP)
            extension = made.suffix.removeprefix(".")
            kind = "application/zip" if extension == "zip" else f"application/.{extension}"
            return opened_file(made, self.name(first, extension), kind)

    def name(self, first: bytes, extension: str) -> str:
        return names.file_name(self.project.id, datetime.now(UTC), names.digest(first), extension)


#: What Label Studio sends when the converter wrote nothing at all.
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def opener() -> Callable[[], contextlib.AbstractContextManager[Db]]:
    """Opens short read-only transactions in the caller's name, also after the request has ended."""
    deployment, who = the_console().deployment, caller()

    @contextlib.contextmanager
    def opened() -> Iterator[Db]:
        with deployment.read() as session:
            yield Db(session, deployment.schema, who)

    return opened


def attachment(chunks: Iterator[bytes], name: str, content_type: str) -> Response:
    """A file as an answer, with the headers Label Studio sends."""
    return named(Response(chunks, content_type=content_type, direct_passthrough=True), name)


def named(response: Response, name: str) -> Response:
    """The headers that name a file; of names that come from the database only what a header can hold."""
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    response.headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    response.headers["filename"] = plain
    return response


def opened_file(path: Path, name: str, content_type: str) -> Response:
    """A file as an answer, opened here: it may be removed from its directory as soon as this returns."""
    file = path.open("rb")
    response = attachment(iter(lambda: file.read(CHUNK_BYTES), b""), name, content_type)
    response.content_length = path.stat().st_size
    response.call_on_close(file.close)
    return response


def _refuse_removed() -> None:
    wrong = {name: [about] for name, about in REMOVED.items() if name in request.args}
    if wrong:
        raise Invalid(wrong)


def _ids() -> tuple[int, ...] | None:
    """Task ids of `ids[]`, also under the name `ids`; None when none are given."""
    given = request.args.getlist("ids[]") + request.args.getlist("ids")
    found = []
    for text in given:
        try:
            found.append(int(text[:30]))
        except ValueError:
            raise Invalid({"ids[]": [f'"{text[:30]}" is no task id: A valid integer is required.']}) from None
    return tuple(number for number in found if 0 < number <= LARGEST_ID) if given else None
