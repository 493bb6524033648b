"""Probes for whoever runs the console: alive, and ready to answer."""

from flask import Blueprint, Response, jsonify

from ..app import the_console
from ..auth import requires
from ..errors import ConsoleError
from . import frame

bp = Blueprint("health", __name__)


@bp.get("/livez")
@requires("public")
def livez() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@bp.get("/readyz")
@requires("public")
def readyz() -> tuple[Response, int]:
    """Our store opens and the deployment answers; names which of them does not, no more.

    Anybody may ask, so the deployment is asked no more often than for the pages.
    """
    console = the_console()
    parts: dict[str, str] = {}
    try:
        with console.store.read() as session:
            session.connection()
        parts["state"] = "ok"
    except ConsoleError:
        parts["state"] = "unavailable"
    parts["deployment"] = "ok" if frame.is_attached(console) else "unavailable"
    ready = set(parts.values()) == {"ok"}
    return jsonify(status="ok" if ready else "unavailable", **parts), 200 if ready else 503
