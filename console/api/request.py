"""What a request brings: its body as JSON, form or multipart, its query, its page; and its transaction."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import orjson
from flask import g, request

from .. import storage_writes, webhooks
from ..app import the_console
from ..errors import Invalid, NotFound, TooLarge
from ..labeling.db import Caller, Db, Event
from ..state import audit
from .errors import ApiError, UnsupportedMediaType
from .fields import Shape

#: A plain body may be this large; imports have a limit of their own.
MOST_BODY_BYTES = 32 * 2**20
#: Whole numbers of more than 64 bits, and numbers that may be too large for a float.
_LONG_NUMBER = re.compile(rb"[0-9]{19}|[0-9][eE]\+?[0-9]{3}")


class FormData(dict[str, Any]):
    """A body that came as a form: values are text, so JSON values are JSON text."""


def caller() -> Caller:
    """Who asks; only in routes that are not public."""
    return g.api_caller


@contextlib.contextmanager
def reading() -> Iterator[Db]:
    """The request's one read-only transaction, shared with the look-up of the caller."""
    console = the_console()
    yield Db(read_session(), console.deployment.schema, caller(), host=console.settings.label_studio_url or "")


@contextlib.contextmanager
def writing(as_caller: Caller | None = None) -> Iterator[Db]:
    """One writing transaction in the caller's name, with its audit events; all of it or nothing.

    The events are written just before the commit; should that fail, another event says so.
    """
    close_read_session()  # SQLite lets nobody write while somebody reads
    console = the_console()
    who = as_caller or caller()
    told = False
    try:
        with console.deployment.write() as session:
            db = Db(session, console.deployment.schema, who, host=console.settings.label_studio_url or "")
            yield db
            if g.get("api_is_active"):  # Label Studio notes it for sessions and access tokens, not for legacy tokens
                db.update("htx_user", db.table("htx_user").c.id == who.id, {"last_activity": db.now})
            for event in db.events:
                _tell_audit(who, event)
            told = True
    except BaseException:
        for event in db.events if told else ():
            _tell_audit(who, event, reason="The database did not take this change; nothing was written.")
        raise
    webhooks.tell(console, who, db.announcements)
    storage_writes.bring(console, db.storage_work)


def _tell_audit(who: Caller, event: Event, reason: str = "") -> None:
    audit.record(
        the_console().store, actor=who.email, action=event.action, subject=event.subject, rows=event.rows,
        reason=reason, data=dict(event.data) | {"via": "api"},
    )  # fmt: skip


def read_session() -> Any:
    """The request's read session, opened at first use and closed with the request."""
    if "api_reading" not in g:
        stack = contextlib.ExitStack()
        g.api_reading = (stack, stack.enter_context(the_console().deployment.read()))
    return g.api_reading[1]


def close_read_session(_error: BaseException | None = None) -> None:
    """End the request's read transaction; registered for the end of every request."""
    if "api_reading" in g:
        stack, _ = g.pop("api_reading")
        stack.close()


def data() -> Any:
    """The body: a JSON value, or FormData. An empty body is `{}`. Raises ApiError or Invalid as Label Studio would."""
    kind = request.mimetype
    if kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return FormData(request.form.items())
    body = request.get_data(cache=True)
    if not body and kind in {"", "application/json"}:
        return {}
    if kind and kind != "application/json" and not kind.endswith("+json"):
        if not body:
            return {}
        raise UnsupportedMediaType(f'Unsupported media type "{request.content_type}" in request.')
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """A JSON document exactly as Python reads it: long integers stay whole. Raises ApiError (400)."""
    if not _LONG_NUMBER.search(body):
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(body)
    try:
        return json.loads(body.decode(), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ApiError(400, "JSON parse error - the document is nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ApiError(400, f"JSON parse error - {error}") from None


def read(shape: Shape, *, partial: bool = False) -> dict[str, Any]:
    """The body's values, checked against a shape. Raises Invalid with Label Studio's messages."""
    values = data()
    return shape.read(values, partial=partial, form=isinstance(values, FormData))


def query(shape: Shape) -> dict[str, Any]:
    """The query parameters, checked against a shape; of a repeated one the last counts. Raises Invalid."""
    values = {name: items[-1] for name, items in request.args.lists() if items[-1] != ""}
    return shape.read(values, form=True)


def page_number(most: int = 2**31 - 1) -> int:
    """The `page` asked for. Raises NotFound (`Invalid page.`) for what is no page at all."""
    text = request.args.get("page") or "1"
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 0 < int(text) <= most:
        raise NotFound("Invalid page.")
    return int(text)


def page_size(default: int, most: int | None = None, name: str = "page_size") -> int:
    """The page size asked for, cut to `most`; the default for what is no positive number, as Label Studio does it."""
    text = request.args.get(name) or ""
    size = int(text) if re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 0 else default
    return min(size, most) if most else size


def bound_body() -> None:
    """The bound of every request that sets none of its own; runs before each view of the API."""
    request.max_content_length = request.max_form_memory_size = MOST_BODY_BYTES


def limit_body(limit_bytes: int) -> None:
    """Refuse a larger body with a sentence that names the limit. Raises TooLarge."""
    if (request.content_length or 0) > limit_bytes:
        raise TooLarge(f"The body is {request.content_length} bytes; at most {limit_bytes} are accepted here.")
    request.max_content_length = request.max_form_memory_size = limit_bytes


def organization_id() -> int:
    """The caller's active organization. Raises Invalid while the account has none."""
    found = caller().organization_id
    if found is None:
        raise Invalid("This account has no active organization.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_constant(text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


def flag(name: str, default: bool) -> bool:
    """A query parameter that is yes or no, as Label Studio reads it. Raises Invalid for other words."""
    text = request.args.get(name)
    if text is None:
        return default
    word = text.lower()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "not", "off", "0"}:
        return False
    raise Invalid({name: f'Incorrect bool value "{text}". It should be one of [1, 0, true, false, yes, no]'})
