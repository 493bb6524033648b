"""What an import request brings, received as a whole before any transaction begins: a JSON body, files, or an address.

Source: Label Studio's `data_import/uploader.py load_tasks, tasks_from_url`.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from flask import request

from .. import egress
from ..config import Settings
from ..errors import Invalid
from ..labeling import uploads
from ..labeling.imports import BadJson, JsonItems
from .errors import ApiError, UnsupportedMediaType
from .request import MOST_BODY_BYTES, close_read_session, limit_body

NOTHING = "load_tasks: No data found in DATA or in FILES"
#: What a body may hold beside its files: boundaries and headers of the parts.
_AROUND_FILES_BYTES = 2**20
_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True)
class JsonBody:
    """A JSON document, spooled."""

    stream: BinaryIO
    encoding: str

    def items(self) -> Iterator[Any]:
        """Its items, or the one object it is. Raises Invalid for any other root, ApiError for what is no JSON."""
        try:
            found = JsonItems(self.stream, self.encoding)
            if found.root == "other":
                for _ in found:  # a syntax error goes first
                    pass
                raise Invalid(NOTHING)
            yield from found
        except BadJson as error:
            raise ApiError(400, f"JSON parse error - {error}") from None

    def listed(self) -> Iterator[Any]:
        """Its items when it is a list; an empty object has none. Raises Invalid for any other root."""
        try:
            found = JsonItems(self.stream, self.encoding)
            if found.root == "list":
                yield from found
            elif any(item != {} for item in found):
                raise Invalid("A list is expected.")
        except BadJson as error:
            raise ApiError(400, f"JSON parse error - {error}") from None


@dataclass(frozen=True)
class FileBody:
    """Uploaded files, or one that an address led to: names as clients gave them, and contents."""

    files: Sequence[tuple[str, IO[bytes]]]


def receive(stack: ExitStack, settings: Settings) -> JsonBody | FileBody:
    """The request's body. What was spooled goes when `stack` is closed. Raises Invalid, ApiError, TooLarge."""
    close_read_session()  # a body may come slowly, and no transaction waits for a client
    limit_body(settings.upload_limit_bytes + _AROUND_FILES_BYTES)
    request.max_form_memory_size = MOST_BODY_BYTES
    kind = request.mimetype
    if kind == "multipart/form-data":
        return _files(settings)
    if kind == "application/x-www-form-urlencoded":
        return _from_address(stack, settings)
    if kind == "application/json":
        return JsonBody(json_stream(stack), _encoding())
    if not request.content_length and not request.headers.get("Transfer-Encoding"):
        raise Invalid(NOTHING)
    raise UnsupportedMediaType(f'Unsupported media type "{request.content_type or ""}" in request.')


def json_stream(stack: ExitStack) -> BinaryIO:
    """The bytes of a JSON body, on disk when they are many; none at all are an empty object, as in Label Studio."""
    file = stack.enter_context(uploads.spool())
    while piece := request.stream.read(_PIECE_BYTES):
        file.write(piece)
    if not file.tell():
        file.write(b"{}")
    file.seek(0)
    return file


def _files(settings: Settings) -> FileBody:
    given = [
        (uploads.client_name(file.filename or ""), file.stream) for _, file in request.files.items(multi=True)
    ]  # fmt: skip
    files = [(name, stream) for name, stream in given if name]
    if not files:
        raise Invalid(NOTHING)
    if len(files) > settings.upload_file_limit:
        raise Invalid(f"The request has {len(files)} files; at most {settings.upload_file_limit} are accepted.")
    uploads.need_size(sum(_size(stream) for _, stream in files), settings.upload_limit_bytes)
    for name, _ in files:
        uploads.need_extension(name)
    return FileBody(files)


def _from_address(stack: ExitStack, settings: Settings) -> FileBody:
    url = request.form.get("url")
    if not url:
        raise Invalid('"url" is not found in request data')
    file = stack.enter_context(uploads.spool())
    if _is_json(url):
        file.write(url.encode("utf-8", "replace"))
        return FileBody([("inplace.json", file)])
    try:
        found = egress.download(url, file, egress.Rules.of(settings), most_bytes=settings.upload_limit_bytes)
    except (egress.Blocked, egress.CannotFetch, egress.TooMuch) as error:
        raise Invalid(str(error)) from None
    name = uploads.client_name(unquote(urlsplit(found.url).path).rpartition("/")[2])
    if os.path.splitext(name)[1]:  # noqa: PTH122
        uploads.need_extension(name)
    return FileBody([(name, file)])


def _is_json(text: str) -> bool:
    """Whether tasks were given in place of an address."""
    try:
        return bool(json.loads(text.replace("'", '"')))
    except (ValueError, RecursionError):
        return False


def _encoding() -> str:
    """The charset that the request names, if it is one of text."""
    try:
        found = codecs.lookup(request.mimetype_params.get("charset", "utf-8"))
    except (LookupError, ValueError):
        return "utf-8"
    return found.name if found._is_text_encoding else "utf-8"


def _size(stream: Any) -> int:
    stream.seek(0, os.SEEK_END)
    size = stream.tell()
    stream.seek(0)
    return int(size)
