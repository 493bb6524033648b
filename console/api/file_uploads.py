"""The files that imports brought, and their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import request

from ..app import the_console
from ..errors import Invalid
from ..labeling import imports
from ..labeling import uploads as stored
from ..labeling.db import Db
from .fields import NULL, Char, Flag, Id, Integer, Many, Several, Shape
from .request import MOST_BODY_BYTES, data, flag, limit_body, reading, writing
from .routes import Resource, answer, nothing

api = Resource("Uploaded files", "The files that imports brought.")

UPLOAD = Shape(
    "FileUpload", "An uploaded file.",
    id=Integer(), file=Char(about="Its name below Label Studio's media directory."),
    size=Integer(null=True, most=2**63 - 1, about="Bytes; null when the file is gone."),
)  # fmt: skip
WHICH = Shape(
    "FileUploadFilters",
    all=Flag(default=False, about="Your uploads of the project, all of them."),
    ids=Char(about="Ids as a JSON list: `[1,2,3]`."),
)
IDS = Shape("FileUploadIds", file_upload_ids=Several(of=Id(), about="These; without it all files of the project."))
#: A new file, as multipart.
FILE: dict[str, Any] = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
NO_FILE = "No file was submitted."
NOT_A_FILE = "The submitted data was not a file. Check the encoding type on the form."
EMPTY_FILE = "The submitted file is empty."
_FORMS = ("multipart/form-data",)


@api.get("/api/projects/<ID:project_id>/file-uploads", "/api/projects/<ID:project_id>/file-uploads/", query=WHICH,
         answers={200: Many(UPLOAD)})  # fmt: skip
def listed(project_id: int) -> Any:
    """Your uploads of a project: all with `all`, else the ones of `ids`; of a draft project always all."""
    everything = flag("all", False)
    with reading() as db:
        project = imports.project(db, project_id)
        ids = None if everything or project.is_draft else _ids(_listed_ids())
        found = stored.listed(db, _shelf(), project_id, ids=ids, mine=True)
    return answer([_shown(upload) for upload in found])


@api.delete("/api/projects/<ID:project_id>/file-uploads", "/api/projects/<ID:project_id>/file-uploads/", body=IDS,
            answers={200: Shape("FileUploadsDeleted", deleted=Integer())})  # fmt: skip
def remove_several(project_id: int) -> Any:
    """Delete uploads of a project. Their tasks stay."""
    given = data()
    asked = given.get("file_upload_ids") if isinstance(given, Mapping) else None
    ids = None if asked is None else _ids(asked)
    with writing() as db:
        imports.need_project(db, project_id)
        return answer({"deleted": stored.remove(db, project_id, ids)})


@api.get("/api/import/file-upload/<ID:upload_id>", "/api/import/file-upload/<ID:upload_id>/",
         answers={200: UPLOAD})  # fmt: skip
def retrieve(upload_id: int) -> Any:
    """One upload."""
    with reading() as db:
        return answer(_shown(stored.one(db, _shelf(), upload_id)))


@api.patch("/api/import/file-upload/<ID:upload_id>", "/api/import/file-upload/<ID:upload_id>/", body=FILE,
           answers={200: UPLOAD}, body_types=_FORMS)  # fmt: skip
def change(upload_id: int) -> Any:
    """Give an upload another file. Its tasks stay as they are until the file is read again."""
    return _changed(upload_id, required=False)


@api.put("/api/import/file-upload/<ID:upload_id>", "/api/import/file-upload/<ID:upload_id>/", body=FILE,
         answers={200: UPLOAD}, body_types=_FORMS)  # fmt: skip
def replace(upload_id: int) -> Any:
    """Give an upload another file, which has to be there."""
    return _changed(upload_id, required=True)


@api.delete("/api/import/file-upload/<ID:upload_id>", "/api/import/file-upload/<ID:upload_id>/",
            answers={204: None})  # fmt: skip
def remove(upload_id: int) -> Any:
    """Delete an upload. Its tasks stay."""
    with writing() as db:
        upload = stored.one(db, _shelf(), upload_id)
        stored.remove(db, upload.project_id, [upload_id])
    return nothing()


def _changed(upload_id: int, *, required: bool) -> Any:
    limit = the_console().settings.upload_limit_bytes
    limit_body(limit + 2**20)
    request.max_form_memory_size = MOST_BODY_BYTES
    given = request.files.get("file")
    name = stored.client_name(given.filename or "") if given else ""
    shelf = _shelf()
    if given is None or not name:
        with reading() as db:
            upload = stored.one(db, shelf, upload_id)
        _need_no_other_file(required)
        return answer(_shown(upload))
    size = given.stream.seek(0, 2)
    if not size:
        raise Invalid({"file": [EMPTY_FILE]})
    stored.need_size(size, limit)
    with shelf.kept(), writing() as db:
        return answer(_shown(_exchanged(db, shelf, upload_id, name, given.stream)))


def _exchanged(db: Db, shelf: stored.Shelf, upload_id: int, name: str, content: Any) -> stored.Upload:
    upload = stored.one(db, shelf, upload_id)
    db.record("replaced an uploaded file", f"project:{upload.project_id}")
    return stored.replace_file(db, shelf, upload, name, content)


def _need_no_other_file(required: bool) -> None:
    given = data()
    if isinstance(given, Mapping) and "file" in given:
        raise Invalid({"file": [NULL if given["file"] is None else NOT_A_FILE]})
    if required:
        raise Invalid({"file": [NO_FILE]})


def _shown(upload: stored.Upload) -> dict[str, Any]:
    return {"id": upload.id, "file": upload.name, "size": upload.size}


def _shelf() -> stored.Shelf:
    return stored.Shelf.of(the_console().settings)


def _listed_ids() -> Any:
    """Of `ids=[1,2]`, or of `ids=1&ids=2` as the SDK sends them, which Label Studio fails on."""
    try:
        given = [orjson.loads(text) for text in request.args.getlist("ids") if text]
    except orjson.JSONDecodeError:
        raise Invalid({"ids": ["A JSON list of ids is expected, such as [1,2,3]."]}) from None
    return given[0] if len(given) == 1 and isinstance(given[0], list) else given


def _ids(given: Any) -> list[int]:
    if not isinstance(given, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in given):
        raise Invalid('"file_upload_ids" parameter must be a list of integers')
    return [one for one in given if 0 < one < 2**31]
