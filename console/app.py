"""Builds the web application: settings in, Flask out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, abort, current_app, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user, logout_user
from flask_wtf.csrf import CSRFProtect
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

from . import __version__, api, auth, jobs, views
from .config import Settings
from .errors import CannotAttach
from .service import Console

csrf = CSRFProtect()
limiter = Limiter(key_func=get_remote_address, default_limits=[], storage_uri="memory://")
#: Largest form a page accepts.
MOST_BYTES = 2 * 1024 * 1024


class SessionCookie(SecureCookieSessionInterface):
    """The session cookie is Secure whenever the request came over https, whatever the setting says."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return bool(app.config["SESSION_COOKIE_SECURE"]) or request.is_secure


def build(settings: Settings | None = None, *, console: Console | None = None) -> Flask:
    """The application for one deployment. Connects to nothing until the first request, except our own store."""
    settings = settings or (console.settings if console else Settings.from_env())
    app = Flask("console", static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=settings.signing_key(),
        SESSION_COOKIE_NAME="lsconsole_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.cookie_secure,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        MAX_CONTENT_LENGTH=MOST_BYTES,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    app.session_interface = SessionCookie()
    app.url_map.strict_slashes = False
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)  # type: ignore[method-assign]
    app.extensions["console"] = console or Console(settings)
    csrf.init_app(app)
    limiter.init_app(app)
    _sign_in(app)
    app.before_request(_need_permission)
    app.after_request(_headers)
    views.register(app)
    api.register(app, csrf)
    _every_route_declares_its_permission(app)
    return app


def the_console() -> Console:
    """The console service of the application that serves this request."""
    return current_app.extensions["console"]


def _sign_in(app: Flask) -> None:
    manager = LoginManager(app)
    manager.login_view = "auth.sign_in"
    manager.session_protection = None  # the mark in the session id does its work, and survives a change of network

    @manager.user_loader
    def load(session_id: str) -> auth.Person | None:
        return auth.load(the_console(), session_id)


def _permission_of(endpoint: str | None) -> str | None:
    view = current_app.view_functions.get(endpoint or "")
    return getattr(view, "permission", None)


def _need_permission() -> Any:
    if "\x00" in request.path:
        abort(404)  # no database holds such a name, and PostgreSQL refuses to be asked
    if request.endpoint == "static":
        return None
    permission = _permission_of(request.endpoint)
    if permission == "api":
        return api.identify()
    over = session_is_over()
    if over:  # on error pages and public ones too, since they name who is signed in
        logout_user()
        session.clear()
    if request.endpoint is None or permission == "public":
        return None  # where there is no such page the 404 handler answers
    if not current_user.is_authenticated:
        if request.headers.get("HX-Request"):
            return Response(status=401, headers={"HX-Redirect": url_for("auth.sign_in")})
        here = request.full_path if request.method == "GET" else None
        return redirect(url_for("auth.sign_in", next=here, ended=1 if over else None))
    if permission is None or not current_user.may(permission):
        abort(403)
    session["seen"] = datetime.now(UTC).timestamp()
    return None


def session_is_over() -> bool:
    """Whether the session was quiet too long, or has lasted too long."""
    settings = the_console().settings
    now = datetime.now(UTC).timestamp()
    quiet = now - session.get("seen", 0) > settings.session_idle_minutes * 60
    old = now - session.get("since", 0) > settings.session_hours * 3600
    return "_user_id" in session and (quiet or old)


def _headers(response: Response) -> Response:
    response.headers.setdefault(  # files from people and buckets come with a stricter one
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
        "script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _every_route_declares_its_permission(app: Flask) -> None:
    setattr(app.view_functions["static"], "permission", "public")  # noqa: B010
    silent = [name for name, view in app.view_functions.items() if not hasattr(view, "permission")]
    if silent:
        raise RuntimeError(f"Routes without a declared permission: {', '.join(sorted(silent))}")


def prepare(console: Console) -> None:
    """What a serving process does before its first request: settle what a dead one left behind."""
    jobs.settle(console.store)
    try:
        console.recover()
    except CannotAttach:
        return
    jobs.settle_rows(console)


__all__ = ["__version__", "build", "prepare", "the_console"]
