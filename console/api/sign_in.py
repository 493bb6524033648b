"""Label Studio's forms for signing in and up, as scripts use them: form fields, cookies, redirects.

A good sign-in answers 302 with the cookie `sessionid`, a refused one 200 with the form and what is wrong.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Response, redirect, render_template, request

from ..app import limiter, the_console
from ..errors import Forbidden
from ..labeling import sessions, sessions_csrf, signup, users
from ..labeling.db import Caller, Db
from ..labeling.signup import SignedIn
from ..views import frame
from .authentication import is_foreign, session_secret, set_session, signed_in_account
from .fields import Char, Email, Flag, Shape, Wrong
from .request import read_session, writing
from .routes import Resource

api = Resource("Signing in", "HTML forms. Programs had better use a token.")
log = logging.getLogger(__name__)

HTML = {"type": "string"}
FORM = ("application/x-www-form-urlencoded", "multipart/form-data")
LOGIN = Shape(
    "LoginForm", email=Char(), password=Char(), persist_session=Flag(about="the session outlives the browser"),
    csrfmiddlewaretoken=Char(about="as in the form, or the cookie `csrftoken`"),
)  # fmt: skip
SIGNUP = Shape("SignupForm", "", **LOGIN.fields, allow_newsletters=Flag(), how_find_us=Char(), elaborate=Char())
ANSWERS = {200: HTML, 302: None, 403: HTML, 429: {}}


def _by_email() -> str:
    return f"email:{request.form.get('email', '').strip().lower()[:254]}"


@api.get("/user/login/", public=True, answers=ANSWERS)
def login_form() -> Any:
    """The form for signing in; sets `csrftoken`."""
    return redirect(_next()) if signed_in_account() else _login_page()


@api.post("/user/login/", public=True, body=LOGIN, body_types=FORM, answers=ANSWERS)
@limiter.limit("20/minute;100/hour")
@limiter.limit("5/minute;30/hour", key_func=_by_email)
def login() -> Any:
    """Sign in. 302 to `?next=` when it went well."""
    refused = _forged()
    if refused is not None:
        return refused
    if signed_in_account():
        return redirect(_next())
    email, password = request.form.get("email", "").strip(), request.form.get("password", "").strip()
    errors = _field_errors(email, password, {"email": "This field is required.", "password": "This field is required."})
    person = None
    if not errors:
        try:
            person = signup.matching(_looking(), email, password)
        except Forbidden as error:
            return _login_page(email, {"form": str(error)}, status=403)
    if person is None:
        log.warning("sign-in to the API refused, from %s", request.remote_addr)
        return _login_page(email, {**errors, "form": signup.NO_MATCH})
    with writing(Caller(person.id, person.email, person.organization_id)) as db:
        signup.enter(db, person)
    return _welcome(person, keep=_checked("persist_session"))


@api.get("/user/signup/", public=True, answers=ANSWERS)
def signup_form() -> Any:
    """The form for signing up; an invitation link leads here with its token."""
    return redirect(_next()) if signed_in_account() else _signup_page()


@api.post("/user/signup/", public=True, body=SIGNUP, body_types=FORM, answers=ANSWERS)
@limiter.limit("20/minute;100/hour")
def sign_up() -> Any:
    """Sign up. 302 to `?next=`, signed in; 403 for an invitation that is not valid."""
    refused = _forged()
    if refused is not None:
        return refused
    if signed_in_account():
        return redirect(_next())
    settings = the_console().settings
    try:
        signup.need_invitation(_looking(), request.args.get("token"), link_only=settings.signup_needs_link)
    except Forbidden as error:
        return _forbidden(str(error))
    email, password = request.form.get("email", "").strip(), request.form.get("password", "").strip()
    errors = _field_errors(email, password, {"email": "Invalid email", "password": "This field is required."})
    if "email" not in errors and users.email_taken(_looking(), email.lower()):
        errors["email"] = signup.TAKEN
    if "password" not in errors and (problem := signup.password_problem(password)):
        errors["password"] = problem
    if errors:
        return _signup_page(email, errors)
    with writing(Caller(0, email.lower(), None)) as db:
        person = signup.sign_up(
            db, email.lower(), password, newsletters=_checked("allow_newsletters"),
            legacy_tokens=settings.legacy_tokens_for_new,
        )  # fmt: skip
    return _welcome(person, keep=True)


@api.route("/logout", methods=("GET", "POST"), public=True, answers={302: None})
def logout() -> Any:
    """End the session. 302 to the start page, or to the sign-in when there was no session."""
    if not signed_in_account():
        return redirect(f"/user/login/?next={quote(request.path)}")
    response = redirect("/")
    response.delete_cookie(sessions.COOKIE, httponly=True, samesite="Lax")
    return response


def _looking() -> Db:
    """A read-only transaction in nobody's name."""
    return Db(read_session(), the_console().deployment.schema, Caller(0, "", None))


def _field_errors(email: str, password: str, missing: dict[str, str]) -> dict[str, str]:
    """What is wrong with the two fields themselves, in the words of Label Studio."""
    errors = {}
    try:
        if not email:
            raise Wrong(missing["email"])
        if len(email) > 254:
            raise Wrong(signup.TOO_LONG)
        Email().parse(email)
    except Wrong as wrong:
        errors["email"] = str(wrong.messages[0])
    if not password or "\x00" in password:
        errors |= {"password": "Null characters are not allowed." if password else missing["password"]}
    return errors


def _checked(name: str) -> bool:
    """Whether a box is checked, as Django reads it: any text but these two."""
    return request.form.get(name, "") not in {"", "false", "False"}


def _forged() -> Response | None:
    """The refusal of a form that was not opened here, or None."""
    given = request.form.get(sessions_csrf.FIELD) or request.headers.get(sessions_csrf.HEADER)
    if not is_foreign() and sessions_csrf.fits(given, _csrf_secret()):
        return None
    return _forbidden(
        "CSRF verification failed. Open the form first, and send its csrfmiddlewaretoken and cookie back."
    )


def _csrf_secret() -> str | None:
    return sessions_csrf.secret_of(request.cookies.get(sessions_csrf.COOKIE))


def _login_page(email: str = "", errors: dict[str, str] | None = None, *, status: int = 200) -> Response:
    return _page("api_sign_in/login.html", status, email=email, errors=errors or {})


def _signup_page(email: str = "", errors: dict[str, str] | None = None) -> Response:
    return _page("api_sign_in/signup.html", 200, email=email, errors=errors or {})


def _forbidden(message: str) -> Response:
    return Response(render_template("api_sign_in/forbidden.html", message=message), 403)


def _page(template: str, status: int, **values: Any) -> Response:
    """A form with its token; the cookie is sent with each, so that it does not run out."""
    secret = _csrf_secret() or sessions_csrf.new_secret()
    query = request.query_string.decode("latin-1")
    action = f"{request.path}?{query}" if query else request.path
    name = frame.about(the_console())["name"]
    page = render_template(template, token=sessions_csrf.masked(secret), action=action, deployment_name=name, **values)
    return _with_csrf(Response(page, status), secret)


def _with_csrf(response: Response, secret: str) -> Response:
    secure = the_console().settings.cookie_secure or request.is_secure
    response.set_cookie(
        sessions_csrf.COOKIE, secret, max_age=sessions_csrf.COOKIE_SECONDS, samesite="Lax", secure=secure
    )
    return response


def _welcome(person: SignedIn, *, keep: bool) -> Response:
    response = Response(status=302, headers={"Location": _next()})
    session = sessions.signed_in(
        person.id, person.password, session_secret(the_console().settings),
        organization_id=person.organization_id, keep=keep,
    )  # fmt: skip
    set_session(response, session, sessions.MOST_SECONDS)
    return _with_csrf(response, sessions_csrf.new_secret())


def _next() -> str:
    """Where to go on: a path of this server, or the start page. Browsers read a backslash as a slash."""
    target = request.args.get("next", "")
    parts = urlsplit(target)
    ours = parts.scheme in {"", "http", "https"} and parts.netloc in {"", request.host}
    plain = target.isprintable() and "\\" not in target and not target.startswith("//") and bool(target)
    return target if ours and plain and (parts.netloc or target.startswith("/")) else "/"
