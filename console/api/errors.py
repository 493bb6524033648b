"""Errors as Label Studio sends them: one JSON body for every refusal, with an id that is also in our log."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from flask import Response, current_app, request
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ..errors import ConsoleError, Invalid, NotApplicable
from ..masking import mask_text
from .encoding import encoded

log = logging.getLogger(__name__)
#: Paths whose errors are JSON even where no route answers.
PREFIXES = ("/api/", "/tasks/", "/data/", "/storage-data/")
#: Paths of forms that people open in a browser.
FORMS = ("/user/login/", "/user/signup/")
TEXTS = {400: "Bad request.", 404: "Not found.", 413: "The request is larger than is accepted here.",
         429: "Too many requests from here; try again in a minute."}  # fmt: skip

#: Parts of Label Studio's API that only Label Studio serves.
ELSEWHERE = {"webhooks", "ml", "templates", "labels"}
NOT_SERVED = "LS Console does not serve this part of the API; ask Label Studio itself."


class ApiError(ConsoleError):
    """A refusal with a status of its own; `headers` go with the answer."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers or {}


class NotAuthenticated(ApiError):
    """Nobody known asks. Label Studio answers 401 and names the scheme."""

    def __init__(self, detail: str = "Authentication credentials were not provided.") -> None:
        super().__init__(401, detail, {"WWW-Authenticate": "Token"})


class UnsupportedMediaType(ApiError):
    """The body comes in a format that is not read here."""

    def __init__(self, detail: str) -> None:
        super().__init__(415, detail)


def is_api_path() -> bool:
    """Whether whoever asks for this path expects JSON."""
    return request.path.startswith(PREFIXES)


def is_elsewhere() -> bool:
    """Whether Label Studio has this path, but the console has not."""
    _, root, part, *_ = [*request.path.split("/"), "", ""]
    return root == "api" and part in ELSEWHERE


def envelope(
    status: int, detail: str, *, fields: Any = None, headers: dict[str, str] | None = None, number: str | None = None
) -> Response:
    """The error body. `fields` are validation messages by field. Forms that people open get a page instead."""
    number = number or str(uuid.uuid4())
    if request.path.startswith(FORMS):
        return _page(status, detail, number, headers)
    body = {"id": number, "status_code": status, "version": _version(), "detail": mask_text(detail), "exc_info": None}
    if fields is not None:
        body["validation_errors"] = fields
    response = Response(encoded(body), status=status, mimetype="application/json")
    response.headers["X-Request-ID"] = number
    response.headers.update(headers or {})
    return response


def _page(status: int, detail: str, number: str, headers: dict[str, str] | None) -> Response:
    from ..views import page

    title = "This did not work" if status == 400 else None  # the usual one is about forms that are too old
    message = f"Number {number} in the log." if status == 500 else mask_text(detail)
    shown = page(status, message, link=("To the form", request.path), title=title)
    response = current_app.make_response(shown)
    response.headers["X-Request-ID"] = number
    response.headers.update(headers or {})
    return response


def on_purpose(error: ConsoleError) -> Response:
    """One of ours, raised on purpose: its sentence is fit for the client."""
    if isinstance(error, Invalid):
        return envelope(400, str(error), fields=error.fields)
    status = 404 if isinstance(error, NotApplicable) else error.status
    return envelope(status, str(error) or TEXTS.get(status, ""), headers=getattr(error, "headers", None))


def from_http(error: HTTPException) -> Response:
    """An error of the framework: no such route, wrong method, too large."""
    status = error.code or 500
    detail = TEXTS.get(status, error.description or error.name)
    headers = {}
    if status == 405:
        detail = f'Method "{request.method}" not allowed.'
        allowed = getattr(error, "valid_methods", None)
        headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
    if isinstance(error, RequestEntityTooLarge):
        detail = TEXTS[413]
    if status == 404 and is_elsewhere():
        detail = NOT_SERVED
    return envelope(status, detail, headers=headers)


def unexpected(error: Exception) -> Response:
    """Anything else. What the database refuses in a request's values is the client's to mend; the rest is ours."""
    if isinstance(error, exc.DataError | UnicodeEncodeError) or _is_null_character(error):
        return envelope(400, "Validation error", fields={"non_field_errors": [_value_problem(error)]})
    if isinstance(error, RecursionError):  # only what a client sent is as deep as that
        return envelope(400, "Validation error", fields={"non_field_errors": ["The values are nested too deeply."]})
    if isinstance(error, exc.IntegrityError):
        return envelope(409, "Another request changed the same objects, or a referenced object does not exist.")
    known = _explained(error)
    if known is not None:
        return envelope(503, str(known))
    number = str(uuid.uuid4())
    log.error("request %s failed: %s %r", number, request.method, request.path, exc_info=error)
    return envelope(500, "This is a mistake of the console's; the log has more under this id.", number=number)


def _explained(error: Exception) -> ConsoleError | None:
    try:
        return current_app.extensions["console"].deployment.explain(error)
    except ConsoleError as other:
        return other


def _is_null_character(error: Exception) -> bool:
    return isinstance(error, ValueError | exc.StatementError) and "NUL (0x00)" in str(error)


def _value_problem(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error)
    if "0x00" in text or "\\u0000" in text:
        return "Null characters are not allowed."
    if "out of range" in text:
        return "A number is out of range."
    return "A value cannot be stored in the database: it is no valid text or number."


def _version() -> str:
    try:
        return current_app.extensions["console"].deployment.schema.label_studio_version
    except ConsoleError:
        return "unknown"
