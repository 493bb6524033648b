"""Files on web servers that ask for a user and a password, which the project keeps."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from flask import Response, request

from .. import egress
from ..app import the_console
from ..errors import Invalid
from ..labeling import projects
from . import media_files
from .fields import Char, Shape
from .media import upstream_range
from .request import close_read_session, reading
from .routes import Resource, answer

api = Resource("File proxy", "Files on web servers that ask for a user and a password, which the project keeps.")

ADDRESS = Shape("ProxiedFile", url=Char(about="The file's address, percent-encoded or in URL-safe base64."))
#: Largest file that is passed on, in bytes.
MOST_BYTES = 2**30
PASSED_ON = ("Content-Range", "Last-Modified", "ETag")
NO_LOGIN = (
    "This project keeps no user and password for the files of its tasks; set task_data_login and task_data_password."
)


@api.get("/api/projects/<ID:project_id>/file-proxy/", query=ADDRESS, answers={200: None, 206: None, 416: None, 424: {}})
def file_proxy(project_id: int) -> Any:
    """A file from a web server, asked for with the project's user and password.

    They are sent to the server that the address names, and not to where it redirects. Addresses in private networks are
    refused while `SSRF_PROTECTION_ENABLED` is on. What a browser would open as a page is sent as a download.
    """
    with reading() as db:
        row = projects.own(db, project_id, *db.columns("project", "task_data_login", "task_data_password"))
    close_read_session()
    login, password = getattr(row, "task_data_login", None), getattr(row, "task_data_password", None)
    url = address_of(request.args.get("url") or "")
    if not login or not password:
        raise Invalid(NO_LOGIN)
    settings = the_console().settings
    wanted = upstream_range(request.headers.get("Range"), settings.proxy_range_bytes)
    stack = contextlib.ExitStack()
    try:
        told = stack.enter_context(
            egress.request("GET", url, egress.Rules.of(settings), headers={"Range": wanted} if wanted else None,
                           login=(login, password), most_bytes=MOST_BYTES, seconds=settings.proxy_seconds)
        )  # fmt: skip
        if told.status not in {200, 206, 416}:
            raise egress.CannotFetch(f"{egress.host_of(told.url)} answered with status {told.status}.")
        chunks = media_files.begun(told.chunks())
    except (egress.CannotFetch, egress.TooMuch) as error:
        stack.close()
        return answer({"error": "The file could not be fetched", "detail": str(error)}, 424)
    return _passed_on(told, chunks, url, stack)


def address_of(text: str) -> str:
    """The address in `?url=`. Raises Invalid for what is none."""
    found = unquote(text) if re.match(r"(?i)https?(?::|%3a)", text) else ""
    if not found:
        with contextlib.suppress(ValueError):
            found = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode()
    if not re.match(r"(?i)https?://[^\s\x00-\x1f]", found):
        raise Invalid(
            {"url": ["An address that begins with http:// or https:// is expected, percent-encoded or in base64."]}
        )
    return found


def _passed_on(told: egress.Answer, chunks: Iterator[bytes], url: str, stack: contextlib.ExitStack) -> Response:
    path = url.partition("?")[0].partition("#")[0]
    kind = told.headers.get("content-type") or ""
    if not kind or "octet-stream" in kind:
        kind = media_files.kind_of(path)
    response = Response(chunks, told.status, content_type=kind)
    response.call_on_close(stack.close)
    for name in PASSED_ON:
        if value := told.headers.get(name):
            response.headers[name] = value
    if told.length is not None and not told.headers.get("content-encoding"):
        response.content_length = told.length
    response.headers["Cache-Control"] = "private, no-cache"
    if media_files.is_document(kind):
        name = re.sub(r"[^\w.-]", "_", path.rpartition("/")[2])[-100:] or "file"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return media_files.harmless(response)
