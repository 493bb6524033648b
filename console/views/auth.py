"""Sign in with a Label Studio account, sign out."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user

from .. import auth
from ..app import limiter, the_console
from ..auth import requires
from ..errors import CannotAttach, Forbidden, Refused
from ..state import audit
from . import frame

bp = Blueprint("auth", __name__)
log = logging.getLogger(__name__)


def _by_email() -> str:
    return f"email:{request.form.get('email', '').strip().lower()[:254]}"


@bp.get("/sign-in")
@requires("public")
def sign_in() -> Any:
    if current_user.is_authenticated:
        return redirect(url_for("overview.index"))
    note = "The session ended. Sign in again." if request.args.get("ended") else None
    return _form(note=note)


@bp.post("/sign-in")
@limiter.limit("20/minute;100/hour")
@limiter.limit("5/minute;30/hour", key_func=_by_email)
@requires("public")
def sign_in_post() -> Any:
    email, password = request.form.get("email", ""), request.form.get("password", "")
    try:
        person = auth.sign_in(the_console(), email, password)
    except Refused as error:
        # Not the e-mail: people type passwords there.
        log.warning("sign-in refused, from %s", request.remote_addr)
        return _form(email=email, error=str(error)), 401
    except Forbidden as error:
        text, _, command = str(error).partition("`")
        return _form(
            email=email,
            refusal={"text": text.strip().removesuffix(", or with") + ".", "command": command.strip("`.") or None},
        ), 403
    except CannotAttach as error:
        return _form(email=email, error=f"Accounts cannot be looked up: {error}"), 503
    session.clear()
    login_user(person)
    now = datetime.now(UTC).timestamp()
    session.permanent, session["since"], session["seen"] = True, now, now
    audit.record(the_console().store, actor=person.email, action="signed in", data={"role": person.role})
    return redirect(_next(request.form.get("next", "")))


@bp.post("/sign-out")
@requires("public")
def sign_out() -> Any:
    logout_user()
    session.clear()
    return redirect(url_for("auth.sign_in"))


def _form(email: str = "", error: str | None = None, refusal: Any = None, note: str | None = None) -> str:
    about = frame.about(the_console())
    target = request.values.get("next", "")
    return render_template("auth/sign_in.html", deployment_name=about["name"], email=email, error=error, refusal=refusal,
                           note=note, next_url=target if _is_ours(target) else "")  # fmt: skip


def _next(target: str) -> str:
    return target if _is_ours(target) else url_for("overview.index")


def _is_ours(target: str) -> bool:
    """A path of this console: browsers read a backslash as a slash, and pass over line ends and tabs."""
    return target.startswith("/") and target[1:2] != "/" and target.isprintable() and "\\" not in target
