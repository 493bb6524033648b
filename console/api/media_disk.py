"""Files on this machine's disk: local storages, uploads, pictures of people."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from flask import Response, request

from ..app import the_console
from ..errors import Forbidden, NotFound
from ..labeling.storages import resolving
from . import media_files
from .fields import Char, Shape
from .request import close_read_session, reading
from .routes import NO_BODY, Resource, answer, nothing

api = Resource(
    "Files on disk", "Files of local storages, uploaded files and pictures of people, as task data names them."
)

LOCAL = Shape("LocalFile", d=Char(about="Path below `LOCAL_FILES_DOCUMENT_ROOT`."))
STORED = Shape("StoredFile", filepath=Char(about="`upload/<project>/<file>` or `avatars/<file>`."))
ANSWERS: dict[int, Any] = {200: None, 206: None, 304: None, 400: NO_BODY, 403: NO_BODY, 404: NO_BODY, 416: None}
NOT_SERVED = (
    "Serving local files can be dangerous, so it's disabled by default. You can enable it with LOCAL_FILES_SERVING_ENABLED "
    "environment variable, please check docs: https://labelstud.io/guide/storage.html#Local-storage"
)
_HTML = "text/html; charset=utf-8"


@api.get("/data/local-files/", query=LOCAL, answers=ANSWERS)
def local() -> Any:
    """A file of a local storage.

    Served when `LOCAL_FILES_SERVING_ENABLED` is on, and a source storage of a project of yours covers its folder.
    """
    settings = the_console().settings
    if not settings.local_files_serving:
        return Response(NOT_SERVED, 403, content_type=_HTML)
    asked = request.args.get("d")
    if not asked:
        return Response(status=403, content_type=_HTML)
    try:
        with reading() as db:
            path = resolving.local_file(db, settings.local_files_root, asked, settings.data_dir)
        close_read_session()
        return media_files.file_answer(path, media_files.kind_of(str(path)), tagged=True)
    except Forbidden as error:
        return answer({"detail": str(error)}, 400)
    except NotFound:
        return Response(status=404, content_type=_HTML)


@api.get("/data/upload/<path:filename>", answers=ANSWERS)
def upload(filename: str) -> Any:
    """A file that an import brought."""
    return _stored(f"{resolving.UPLOADS}{filename}")


@api.get("/data/avatars/<path:filename>", answers=ANSWERS)
def avatar(filename: str) -> Any:
    """The picture of somebody in your organization."""
    return _stored(f"{resolving.AVATARS}{filename}")


@api.get("/storage-data/uploaded/", query=STORED, answers=ANSWERS)
def by_name() -> Any:
    """An uploaded file or a picture by its name in the database. 403 for whatever you cannot have."""
    name = request.args.get("filepath")
    if name is None:
        return nothing(404)
    found = _stored(unquote(name))
    return nothing(403) if found.status_code == 404 else found


def _stored(name: str) -> Response:
    media = the_console().settings.base_data_dir / "media"
    try:
        with reading() as db:
            find = resolving.avatar if name.startswith(resolving.AVATARS) else resolving.uploaded
            path = find(db, media, name)
        close_read_session()
        return media_files.file_answer(path, media_files.kind_of(path.name))
    except Forbidden:
        return nothing(403)
    except NotFound:
        return nothing(404)
