"""Media in buckets: the browser is sent to a signed address, or gets the bytes through here."""

from __future__ import annotations

import logging
import mimetypes
import re
from typing import Any

from flask import Response, request

from ..app import the_console
from ..deployment.buckets import Bucket, BucketError, Reach, Stream, Timeouts, open_bucket
from ..errors import Forbidden, NotFound
from ..labeling.storages import resolving
from ..labeling.storages.resolving import Place
from ..masking import mask_text
from . import media_files
from .fields import Char, Shape
from .request import caller, close_read_session, reading
from .routes import NO_BODY, Resource, answer, nothing

log = logging.getLogger(__name__)
api = Resource("Media", "The files that tasks show: in buckets, on disks, uploaded, and behind passwords.")

LINK = Shape("MediaLink", fileuri=Char(about="A link into a bucket, in URL-safe base64 or percent-encoded."))
ANSWERS: dict[int, Any] = {
    200: None, 206: None, 303: None, 304: None, 400: NO_BODY, 403: NO_BODY, 404: NO_BODY, 424: {},
}  # fmt: skip


@api.get("/tasks/<ID:task_id>/resolve/", "/tasks/<ID:task_id>/presign/", query=LINK, answers=ANSWERS)
def of_task(task_id: int) -> Any:
    """A file that a task links to.

    303 to a signed address where the storage signs them; otherwise the file itself, or the part that `Range` names.
    Task data shows its links as these paths.
    """
    return _served("task", task_id)


@api.get("/projects/<ID:project_id>/resolve/", "/projects/<ID:project_id>/presign/", query=LINK, answers=ANSWERS)
def of_project(project_id: int) -> Any:
    """A file in a bucket of one of the project's source storages."""
    return _served("project", project_id)


def _served(kind: str, number: int) -> Response:
    """As Label Studio refuses: a status without a body."""
    fileuri = request.args.get("fileuri")
    if fileuri is None:
        return nothing(400)
    find = resolving.of_task if kind == "task" else resolving.of_project
    try:
        with reading() as db:
            place = find(db, number, fileuri)
        close_read_session()
        return _redirected(place) if place.presign else _passed_on(place)
    except Forbidden:
        return nothing(403)
    except NotFound:
        return nothing(404)


def _redirected(place: Place) -> Response:
    bucket = None
    try:
        bucket = _bucket(place)
        target = bucket.presign(place.key, place.seconds)
    except BucketError as error:
        log.warning("no signed address for a file of %s: %s", place.storage.reference, mask_text(str(error)))
        return nothing(404)
    finally:
        if bucket is not None:
            bucket.close()
    headers = {"Location": target, "Cache-Control": f"no-store, max-age={place.seconds}"}
    response = Response(status=303, headers=headers, content_type="text/html; charset=utf-8")
    response.autocorrect_location_header = False
    return response


def _passed_on(place: Place) -> Response:
    settings = the_console().settings
    bucket = None
    try:
        bucket = _bucket(place)
        stream = bucket.stream(place.key, upstream_range(request.headers.get("Range"), settings.proxy_range_bytes))
    except BucketError as error:
        if bucket is not None:
            bucket.close()
        return _failed(error)
    opened = bucket

    def close() -> None:
        stream.close()
        opened.close()

    tag = f'"{caller().id}1{stream.etag or ""}"'
    if "Range" not in request.headers and request.headers.get("If-None-Match") == tag:
        close()
        return media_files.unchanged(tag)
    try:
        chunks = media_files.within_time(media_files.begun(stream.chunks), settings.proxy_seconds)
    except BucketError as error:
        close()
        return _failed(error)
    response = Response(chunks, stream.status, content_type=_type(stream, place.uri))
    response.call_on_close(close)
    response.headers["ETag"] = tag
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = f"private, max-age={settings.proxy_cache_seconds}, must-revalidate"
    if stream.length is not None:
        response.content_length = stream.length
    if stream.content_range:
        response.headers["Content-Range"] = stream.content_range
    if stream.modified is not None:
        response.last_modified = stream.modified
    return media_files.harmless(response)


def _failed(error: BucketError) -> Response:
    told = {"error": "Storage stream failed while proxying data", "detail": mask_text(str(error))}
    return answer(told, 424)


def upstream_range(header: str | None, most_bytes: int) -> str | None:
    """The `Range` that the bucket is asked for: what the client asked, cut to `most_bytes`, so that no answer is long.

    `bytes=0-` and `bytes=0-0` stay as they are: players ask so for the headers. Anything that is not one range from a
    first byte on gives the whole file. Source: `proxy_api.py override_range_header`.
    """
    if not header:
        return None
    found = re.fullmatch(r"[^=]*=\s*(\d{1,18})(?:\s*-\s*(\d{0,18}))?(?:-.*)?", header.strip())
    start, end = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if start == 0 and end == 0:
        return "bytes=0-0" if found and found[2] else "bytes=0-"
    if end == 0 or end >= start + most_bytes:
        end = start + most_bytes
    return f"bytes={start}-{end}"


def _bucket(place: Place) -> Bucket:
    settings = the_console().settings
    reach = Reach.of(settings, Timeouts(read_seconds=settings.proxy_seconds))
    return open_bucket(place.storage.kind.provider, place.storage.row, reach)


def _type(stream: Stream, uri: str) -> str:
    """What the bucket says, unless that is nothing and the name tells more."""
    told = stream.content_type or media_files.GENERIC
    guessed = mimetypes.guess_type(uri)[0] if "octet-stream" in told else None
    return guessed or told
