"""The core task and annotation API: Label Studio's own paths, fields, status codes and messages over the same database.

Every module of this package with an `api = Resource(...)` is found here; adding one edits no list.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, g
from werkzeug.exceptions import HTTPException

from ..errors import ConsoleError
from .routes import Resource, Route

if TYPE_CHECKING:
    from flask_wtf.csrf import CSRFProtect


def resources() -> dict[str, Resource]:
    """Module name -> its routes, of every module of this package that declares some."""
    found: dict[str, Resource] = {}
    for module in sorted(item.name for item in pkgutil.iter_modules(__path__)):
        declared = getattr(import_module(f"{__name__}.{module}"), "api", None)
        if isinstance(declared, Resource):
            found[module] = declared
    return found


def register(app: Flask, csrf: CSRFProtect) -> None:
    """Add every route. Tokens need no protection against forgery; cookies are checked where the caller is found."""
    from . import errors, request

    blueprint = Blueprint("api", __name__)
    for module, resource in resources().items():
        for number, route in enumerate(resource.routes):
            _add(blueprint, f"{module}_{route.view.__name__}_{number}", route)
    blueprint.before_request(request.bound_body)
    blueprint.register_error_handler(ConsoleError, errors.on_purpose)
    blueprint.register_error_handler(HTTPException, errors.from_http)
    blueprint.register_error_handler(Exception, errors.unexpected)
    csrf.exempt(blueprint)
    app.register_blueprint(blueprint)
    app.teardown_appcontext(request.close_read_session)


def identify() -> None:
    """Find out who asks, once per request, before any view that is not public."""
    from .authentication import authenticate
    from .request import close_read_session, request

    g.api_caller = authenticate()
    if request.content_length or "Transfer-Encoding" in request.headers:
        close_read_session()  # a body may come slowly, and no transaction waits for a client


def _add(blueprint: Blueprint, endpoint: str, route: Route) -> None:
    view = route.view
    view.permission = "public" if route.public else "api"  # type: ignore[attr-defined]
    for number, rule in enumerate(route.rules):
        name = endpoint if number == 0 else f"{endpoint}_{number}"
        blueprint.add_url_rule(rule, name, view, methods=list(route.methods), provide_automatic_options=False)
