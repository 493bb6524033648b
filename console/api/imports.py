"""Imports into a project: JSON bodies, uploaded files, addresses; predictions for tasks that are there; reading again.

A body is first received as a whole, on disk when it is large, so that a client that goes away in the middle leaves
nothing behind; then it is read item by item into one transaction.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from flask import Response, after_this_request, request

from ..app import the_console
from ..errors import Invalid
from ..labeling import imports
from ..labeling.db import Db
from ..labeling.uploads import Shelf, Upload
from .fields import Char, Document, Flag, Integer, Number, Several, Shape
from .imports_source import FileBody, JsonBody, receive
from .request import data, flag, reading, writing
from .routes import Resource, answer

api = Resource("Imports", "Tasks with their annotations and predictions, many at a time.")

_COUNTS: dict[str, Any] = {
    "task_count": Integer(), "annotation_count": Integer(null=True), "prediction_count": Integer(null=True),
    "duration": Number(about="Seconds."), "file_upload_ids": Several(of=Integer()),
    "found_formats": Document(about="Extension to number of files; an empty list for a JSON body."),
    "data_columns": Several(of=Char(blank=True), about="What all files have in common."),
}  # fmt: skip
REIMPORTED = Shape("Reimported", "What reading files again made.", **_COUNTS)
IMPORTED = Shape(
    "Imported", "What an import made.", **_COUNTS,
    could_be_tasks_list=Flag(about="Whether lines of a file could be tasks."),
    task_ids=Several(of=Integer(), about="If asked for."),
    completions_as_annotations=Integer(about="Tasks with the old name `completions` for their annotations, if any."),
)  # fmt: skip
OPTIONS = Shape(
    "ImportOptions",
    commit_to_project=Flag(default=True, about="Make the tasks; without it files are kept and tasks counted."),
    return_task_ids=Flag(default=False, about="Answer with the ids of the new tasks."),
    preannotated_from_fields=Char(
        about="Fields of the data that are predictions, separated by commas, semicolons or bars."
    ),
)
#: One task or a list; as a form, the address of a file or the tasks themselves.
TASKS = {
    "oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}],
    "example": [{"data": {"text": "To be or not to be"}}],
}
AGAIN = Shape(
    "Reimport",
    file_upload_ids=Several(of=Integer(least=1), about="Uploads of the project whose tasks are made anew."),
    files_as_tasks_list=Flag(default=True, about="Lines and rows are tasks; without it each file is one."),
)
PREDICTIONS = {"type": "array", "items": {"type": "object"}}
#: When `/tasks/bulk/` gave way to `/import`: the first release of Label Studio that documents it so.
_DEPRECATED_AT = 1622505600


@api.post("/api/projects/<ID:project_id>/import", "/api/projects/<ID:project_id>/import/", query=OPTIONS, body=TASKS,
          answers={201: IMPORTED})  # fmt: skip
def import_tasks(project_id: int) -> Any:
    """Import tasks.

    The body is a task, a list of tasks, or files (CSV, TSV, TXT, JSON, HTML, media) as multipart; as a form, `url` is
    an address or JSON. Everything is stored, or nothing: a bad task is named by its index.
    """
    commit, keep_ids = flag("commit_to_project", True), flag("return_task_ids", False)
    fields = _names("preannotated_from_fields")
    started = time.perf_counter()
    with reading() as db:
        imports.need_project(db, project_id)
    settings = the_console().settings
    with ExitStack() as stack:
        body = receive(stack, settings)
        shelf = stack.enter_context(Shelf.of(settings).kept())
        with writing() as db:
            project = imports.project(db, project_id, lock=True)
            files = _kept(db, shelf, project, body)
            items: Iterable[Any] = files if files is not None else body.items()  # type: ignore[union-attr]
            if fields is not None:
                items = imports.preannotated(project.config, items, fields)
            if commit:
                stored = imports.store(db, project, items, unknown_emails=settings.import_unknown_emails,
                                       uploads_known=files is not None)  # fmt: skip
            else:
                stored = imports.counted(items)
                if files is not None:
                    db.record("uploaded files", f"project:{project_id}", rows=len(files.uploads))
    told = _told(stored, started, files) | {"could_be_tasks_list": files is not None and files.could_be_lists}
    if not commit:
        told |= {"annotation_count": None, "prediction_count": None}
    if keep_ids and commit:
        told["task_ids"] = list(stored.task_ids)
    return _answered(told, stored)


@api.post("/api/projects/<ID:project_id>/tasks/bulk/", "/api/projects/<ID:project_id>/tasks/bulk", query=OPTIONS,
          body=TASKS, answers={201: IMPORTED}, deprecated=True)  # fmt: skip
def import_in_bulk(project_id: int) -> Any:
    """Import tasks under the old path; the headers `Deprecation` and `Link` name the new one."""
    path = f"/api/projects/{project_id}/import"

    @after_this_request
    def name_the_new_one(response: Response) -> Response:  # a refusal too
        response.headers["Deprecation"] = f'@{_DEPRECATED_AT};replacement="{path}"'
        response.headers["Link"] = f'<{path}>; rel="successor-version"'
        return response

    return import_tasks(project_id)


@api.post("/api/projects/<ID:project_id>/reimport", "/api/projects/<ID:project_id>/reimport/", body=AGAIN,
          answers={200: REIMPORTED, 201: REIMPORTED})  # fmt: skip
def import_again(project_id: int) -> Any:
    """Read uploaded files again: their tasks are deleted and made anew."""
    started = time.perf_counter()
    given = data()
    with reading() as db:
        imports.need_project(db, project_id)
    if not isinstance(given, Mapping):
        raise Invalid(f"Invalid data. Expected a dictionary, but got {type(given).__name__}.")
    as_lists, ids = _body_flag(given, "files_as_tasks_list", True), _upload_ids(given)
    if not ids:
        nothing = imports.Stored()
        return answer(_told(nothing, started, None) | {"duration": 0, "found_formats": {}})
    settings = the_console().settings
    with writing() as db:
        project = imports.project(db, project_id, lock=True)
        stored, files = imports.reimport(
            db, Shelf.of(settings), project, ids, as_lists=as_lists, unknown_emails=settings.import_unknown_emails
        )
    return _answered(_told(stored, started, files) | {"file_upload_ids": ids}, stored)


@api.post("/api/projects/<ID:project_id>/import/predictions", "/api/projects/<ID:project_id>/import/predictions/",
          body=PREDICTIONS, answers={201: {"type": "object"}},
          body_types=("application/json",))  # fmt: skip
def import_predictions(project_id: int) -> Any:
    """Import predictions for tasks of the project.

    Each names its `task`. What does not fit the labeling configuration is left out, and `skipped` says why.
    """
    settings = the_console().settings
    with reading() as db:
        imports.need_project(db, project_id)
    with ExitStack() as stack:
        body = receive(stack, settings)
        if not isinstance(body, JsonBody):
            raise Invalid("A JSON list of predictions is expected.")
        with writing() as db:
            project = imports.project(db, project_id, lock=True)
            made = imports.store_predictions(db, project, body.listed())
    told: dict[str, Any] = {"created": made.created}
    if made.skipped:
        told |= {"skipped_count": made.skipped_count, "skipped": made.skipped}
    return answer(told, 201)


@api.get("/api/projects/<ID:project_id>/imports/<ID:import_id>/", answers={200: {"type": "object"}})
def import_status(project_id: int, import_id: int) -> Any:
    """What became of an import that ran as a job: the Enterprise edition leaves such rows, the console does not."""
    with reading() as db:
        return answer(imports.status(db, "import", project_id, import_id))


@api.get("/api/projects/<ID:project_id>/reimports/<ID:import_id>/", answers={200: {"type": "object"}})
def reimport_status(project_id: int, import_id: int) -> Any:
    """What became of files that were read again by a job."""
    with reading() as db:
        return answer(imports.status(db, "reimport", project_id, import_id))


def _kept(db: Db, shelf: Shelf, project: imports.Project, body: JsonBody | FileBody) -> imports.Files | None:
    """The uploaded files with their rows, or None when the tasks came as JSON."""
    if isinstance(body, JsonBody):
        return None
    kept: list[Upload] = [shelf.put(db, project.id, name, content) for name, content in body.files]
    return imports.Files(shelf, kept, project.config)


def _told(stored: imports.Stored, started: float, files: imports.Files | None) -> dict[str, Any]:
    return {
        "task_count": stored.tasks,
        "annotation_count": stored.annotations,
        "prediction_count": stored.predictions,
        "duration": time.perf_counter() - started,
        "file_upload_ids": [] if files is None else [upload.id for upload in files.uploads],
        "found_formats": [] if files is None else dict(files.formats),
        "data_columns": [] if files is None else files.columns,
    }


def _answered(told: dict[str, Any], stored: imports.Stored) -> Response:
    if not stored.renamed:
        return answer(told, 201)
    told["completions_as_annotations"] = stored.renamed
    header = f"{stored.renamed} tasks have completions; the name is annotations now"
    return answer(told, 201, {"Warning": f'299 - "{header}"', "X-LSConsole-Completions": str(stored.renamed)})


def _names(parameter: str) -> list[str] | None:
    """A list in one query parameter: split at the first of `,`, `;` and `|` that it has."""
    text = request.args.get(parameter)
    if text is None:
        return None
    mark = next((mark for mark in ",;|" if mark in text), None)
    return text.split(mark) if mark else [text]


def _upload_ids(given: Mapping[str, Any]) -> list[int]:
    ids = given.get("file_upload_ids")
    if isinstance(ids, str) and re.fullmatch(r"\[[0-9, ]{0,2000}\]", ids):  # a form
        ids = [int(number) for number in re.findall(r"[0-9]+", ids)]
    if not ids:
        return []
    if not isinstance(ids, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in ids):
        raise Invalid({"file_upload_ids": ["A list of ids is expected."]})
    return [one for one in ids if 0 < one < 2**31]


def _body_flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    value = given.get(name, default)
    if isinstance(value, str):
        words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "not": False,
                 "off": False, "0": False}  # fmt: skip
        if value.lower() not in words:
            raise Invalid({name: f'Incorrect bool value "{value}". It should be one of [1, 0, true, false, yes, no]'})
        return words[value.lower()]
    if isinstance(value, bool | int | float):
        return bool(value)
    raise Invalid({name: [f"Incorrect bool value of type {type(value).__name__}."]})
