"""The pages: one blueprint per page family, and the pages for errors."""

from __future__ import annotations

import logging
import uuid
from importlib import import_module
from typing import Any

from flask import Flask, current_app, render_template, request
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from .. import __version__
from ..api import errors as api_errors
from ..errors import CannotAttach, ConsoleError, Unknown
from . import frame, texts

log = logging.getLogger(__name__)

#: Every page family: a module of this package with a blueprint `bp`. Flask-Admin's pages are added by `admin`.
FAMILIES = (
    "health", "auth", "overview", "symptoms", "findings", "plans", "checks", "jobs", "audit", "storages", "storage_doctor",
    "storage_settings", "queues", "queue_jobs", "database", "database_table", "database_server", "search", "docs", "media",
)  # fmt: skip


def register(app: Flask) -> None:
    """Add every page, the filters the templates use, and the error pages."""
    from . import admin

    for name in FAMILIES:
        app.register_blueprint(import_module(f".{name}", __package__).bp)
    admin.register(app)
    texts.register(app)
    app.context_processor(frame.context)
    app.register_error_handler(ConsoleError, _on_purpose)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _ours)


def _on_purpose(error: ConsoleError) -> Any:
    status = getattr(error, "status", 500)
    title = "The console may not look at this" if isinstance(error, Unknown) and "Needs: GRANT" in str(error) else None
    return page(status, str(error), link=_back() if status in {400, 409} else None, title=title)


def _csrf(error: CSRFError) -> Any:
    return page(400, "This form has been open too long, or was not opened here. Nothing was changed.", link=_back())


def _http(error: HTTPException) -> Any:
    if api_errors.is_api_path():
        return api_errors.from_http(error)
    message = {404: "There is no page at this address.", 405: "This address does not answer to that."}.get(
        error.code or 500, ""
    )
    if error.code == 429:
        message = "Too many attempts from here."
    return page(error.code or 500, message)


def _ours(error: Exception) -> Any:
    explained = _explained(error)
    if explained is not None:
        return page(503, str(explained))
    number = uuid.uuid4().hex[:12]
    log.error("request %s failed: %s %r", number, request.method, request.path, exc_info=error)
    return page(500, f"Number {number} in the log.")


def _explained(error: Exception) -> ConsoleError | None:
    """A database error of the deployment, in words."""
    try:
        return current_app.extensions["console"].deployment.explain(error)
    except ConsoleError as other:
        return other


def page(
    status: int, message: str, *, link: tuple[str, str] | None = None, command: str | None = None,
    title: str | None = None,
) -> Any:  # fmt: skip
    """An error page in the frame when the frame can be drawn; it never raises a second error."""
    error = {"status": status, "title": title, "message": message, "command": command, "link": link}
    framed = False
    try:
        framed = current_user.is_authenticated and status != 503 and frame.can_be_drawn()
    except (ConsoleError, CannotAttach):
        framed = False
    except Exception:
        log.exception("the frame of an error page")
    values: dict[str, Any] = {} if framed else frame.bare()
    return render_template("errors/page.html", error=error, framed=framed, **values), status


def _back() -> tuple[str, str] | None:
    referrer = request.referrer or ""
    return ("Back", referrer) if referrer.startswith(request.host_url) else None


__all__ = ["__version__", "page", "register"]
