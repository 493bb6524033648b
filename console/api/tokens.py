"""Personal access tokens, and which kinds of tokens an organization accepts."""

from __future__ import annotations

from typing import Any

from ..app import the_console
from ..errors import Forbidden, Invalid
from ..labeling import tokens, tokens_jwt
from ..labeling.db import Caller, Db
from ..labeling.tokens_jwt import TokenProblem
from .authentication import authenticate, bearer_account
from .errors import ApiError, NotAuthenticated
from .fields import Char, Flag, Many, Shape
from .request import read, read_session, reading, request, writing
from .routes import Resource, answer, nothing

api = Resource(
    "Tokens", "A personal access token is exchanged for access tokens of five minutes; legacy tokens never end."
)

BEARER = {"WWW-Authenticate": 'Bearer realm="api"'}
REFRESH = Shape("RefreshToken", refresh=Char(required=True, about="a personal access token"))
TOKEN = Shape("PersonalAccessToken", token=Char(about="in lists without its signature"))
ACCESS = Shape("AccessToken", access=Char(about="goes into `Authorization: Bearer …`, good for five minutes"))
SETTINGS = Shape(
    "TokenSettings",
    api_tokens_enabled=Flag(about="personal access tokens are accepted"),
    legacy_api_tokens_enabled=Flag(about="`Authorization: Token …` is accepted"),
)
#: Whoever asks without an account: what a token itself proves is enough.
NOBODY = Caller(0, "", None)


def _secret() -> str:
    secret = the_console().settings.label_studio_secret_key
    if not secret:
        raise Forbidden(
            "Personal access tokens are signed with Label Studio's SECRET_KEY, which this console was not told: "
            "set LSCONSOLE_LABEL_STUDIO_SECRET_KEY. Legacy tokens work without it."
        )
    return secret


@api.get("/api/token/", answers={200: Many(TOKEN)})
def tokens_of_mine() -> Any:
    """List API tokens. Those of the caller that still work, without their signatures."""
    with reading() as db:
        return answer([{"token": token} for token in tokens.alive(db)])


@api.post("/api/token/", answers={201: TOKEN})
def create() -> Any:
    """Create API token. Shown this once; refused with 409 while another one is alive."""
    secret = _secret()
    with writing() as db:
        token = tokens.create(db, secret)
    return answer({"token": token}, 201)


@api.post("/api/token/refresh/", public=True, body=REFRESH, answers={200: ACCESS, 401: {}})
def refresh() -> Any:
    """Refresh JWT token. An access token for a personal access token."""
    given, secret = read(REFRESH)["refresh"], _secret()
    db = Db(read_session(), the_console().deployment.schema, NOBODY)
    try:
        return answer({"access": tokens.access_token(db, given, secret)})
    except TokenProblem as problem:
        raise ApiError(401, str(problem), BEARER) from None


@api.post("/api/token/rotate/", public=True, body=REFRESH, answers={200: REFRESH, 401: {}})
def rotate() -> Any:
    """Rotate JWT refresh token. A new one for the caller; the given one stops working."""
    caller = _rotating_caller()
    given, secret = read(REFRESH)["refresh"], _secret()
    try:
        with writing(caller) as db:
            fresh = tokens.rotate(db, given, secret)
    except TokenProblem:
        raise Invalid("Invalid refresh token") from None
    return answer({"refresh": fresh})


@api.post("/api/token/blacklist/", public=True, body=REFRESH, answers={204: None, 404: {}})
def blacklist() -> Any:
    """Blacklist a JWT refresh token. Its first two parts are enough, as the list shows them."""
    given = read(REFRESH)["refresh"]
    try:
        token = tokens_jwt.peek(given)
        with writing(Caller(token.user_id or 0, "bearer of the token", None)) as db:
            tokens.revoke(db, token)
    except TokenProblem:
        return answer({"detail": "Token is invalid or already blacklisted."}, 404)
    return nothing()


@api.get("/api/jwt/settings", answers={200: SETTINGS})
def settings() -> Any:
    """Retrieve JWT Settings. Which kinds of tokens the active organization accepts."""
    with reading() as db:
        return answer(tokens.settings(db))


@api.post("/api/jwt/settings", body=SETTINGS, answers={200: SETTINGS})
def change_settings() -> Any:
    """Update JWT Settings. A form counts a missing box as unchecked, as in Label Studio."""
    values = read(SETTINGS)
    if request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        values = dict.fromkeys(SETTINGS.fields, False) | values
    with writing() as db:
        return answer(tokens.change_settings(db, values))


def _rotating_caller() -> Caller:
    """As everywhere, but a wrong access token is told, and the scheme is named as Bearer."""
    parts = request.headers.get("Authorization", "").split()
    try:
        if parts[:1] == ["Bearer"] and len(parts) != 2:
            raise NotAuthenticated("Authorization header must contain two space-delimited values")
        if parts[:1] == ["Bearer"] and bearer_account() is None:
            raise NotAuthenticated("Given token not valid for any token type")
        return authenticate()
    except NotAuthenticated as error:
        raise ApiError(401, str(error), BEARER) from None
