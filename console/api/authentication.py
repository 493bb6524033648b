"""Who asks the API: tokens and sessions as Label Studio knows them.

In this order, as there: `X-Api-Key` and `Authorization: Token …` (legacy tokens, refused with 401 when they are wrong),
`Authorization: Bearer …` (access tokens, passed over when they are wrong), the cookie `sessionid`; and for looking
alone the cookie of this console's own pages. Source: `jwt_auth/auth.py`, `jwt_auth/middleware.py`, `core/middleware.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Response, after_this_request, g, request
from flask_login import current_user

from ..app import session_is_over, the_console
from ..config import Settings
from ..labeling import sessions, tokens_jwt, users_lookup
from ..labeling.db import Caller
from ..labeling.users_lookup import Account
from .errors import ApiError, NotAuthenticated
from .request import read_session

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LEGACY_OFF = "Authentication token no longer valid: legacy token authentication has been disabled for this organization"


def authenticate() -> Caller:
    """The caller of this request. Raises NotAuthenticated with Label Studio's words."""
    caller = _by_legacy_token() or _by_access_token() or _by_session() or _by_own_session()
    if caller is None:
        raise NotAuthenticated()
    return caller


def session_secret(settings: Settings) -> str:
    """What signs `sessionid`: Label Studio's key; without it one of ours, whose sessions are good here alone."""
    return (
        settings.label_studio_secret_key
        or hmac.new(settings.signing_key().encode(), b"sessions of the API", hashlib.sha256).hexdigest()
    )


def signed_in_account() -> tuple[Account, dict[str, Any]] | None:
    """The account and content of a good `sessionid` cookie, or None."""
    cookie = request.cookies.get(sessions.COOKIE)
    secret = session_secret(the_console().settings)
    session = sessions.unseal(cookie, secret) if cookie else None
    user_id = sessions.user_id(session) if session else None
    if session is None or user_id is None:
        return None
    account = users_lookup.by_id(read_session(), the_console().deployment.schema, user_id)
    if account is None or not account.is_active or not sessions.belongs(session, account.password, secret):
        return None
    return None if sessions.is_over(session, account.session_seconds) else (account, session)


def set_session(response: Response, session: Mapping[str, Any], seconds: float) -> None:
    """Give the browser a session; one that was not to be kept ends with the browser."""
    settings = the_console().settings
    response.set_cookie(
        sessions.COOKIE, sessions.seal(session, session_secret(settings)),
        max_age=int(seconds) if sessions.stays(session) else None,
        httponly=True, samesite="Lax", secure=settings.cookie_secure or request.is_secure,
    )  # fmt: skip


def _authorization() -> bytes:
    """The header that counts: `X-Api-Key` is a legacy token and wins."""
    named = request.headers.get("X-Api-Key")
    text = f"Token {named}" if named is not None else request.headers.get("Authorization", "")
    return text.encode("latin-1", "replace")


def _by_legacy_token() -> Caller | None:
    parts = _authorization().split()
    if not parts or parts[0].lower() != b"token":
        return None
    if len(parts) == 1:
        raise NotAuthenticated("Invalid token header. No credentials provided.")
    if len(parts) > 2:
        raise NotAuthenticated("Invalid token header. Token string should not contain spaces.")
    try:
        key = parts[1].decode()
    except UnicodeDecodeError:
        message = "Invalid token header. Token string should not contain invalid characters."
        raise NotAuthenticated(message) from None
    account = users_lookup.by_legacy_key(read_session(), the_console().deployment.schema, key)
    if account is None:
        raise NotAuthenticated("Invalid token.")
    if not account.is_active:
        raise NotAuthenticated("User inactive or deleted.")
    if not account.legacy_tokens:
        raise NotAuthenticated(LEGACY_OFF)
    return Caller(account.id, account.email, account.organization_id)


def _by_access_token() -> Caller | None:
    account = bearer_account()
    if account is None or not account.api_tokens:
        return None
    g.api_is_active = True
    return Caller(account.id, account.email, account.organization_id)


def bearer_account() -> Account | None:
    """The active account of a good access token in the header, whatever its organization says about tokens."""
    parts = _authorization().split()
    secret = the_console().settings.label_studio_secret_key
    if len(parts) != 2 or parts[0] != b"Bearer" or not secret:
        return None
    try:
        token = tokens_jwt.decode(parts[1].decode("latin-1"), secret, "access")
    except tokens_jwt.TokenProblem:
        return None
    if token.user_id is None:
        return None
    account = users_lookup.by_id(read_session(), the_console().deployment.schema, token.user_id)
    return account if account is not None and account.is_active else None


def _by_session() -> Caller | None:
    found = signed_in_account()
    if found is None:
        return None
    account, session = found
    _refuse_other_sites()
    g.api_is_active = True

    @after_this_request
    def renew(response: Response) -> Response:
        """As in Label Studio every answer signs the session anew, so that it ends after this much quiet."""
        if sessions.COOKIE not in str(response.headers.getlist("Set-Cookie")):
            set_session(response, session, account.quiet_seconds)
        return response

    organization = account.organization_id
    if organization is None:
        organization = users_lookup.first_organization(read_session(), the_console().deployment.schema, account.id)
    return Caller(account.id, account.email, organization)


def _by_own_session() -> Caller | None:
    """Somebody signed in to this console's pages may look at what the API shows, as the person they are."""
    if request.method not in SAFE_METHODS or session_is_over() or not current_user.is_authenticated:
        return None
    account = users_lookup.by_id(read_session(), the_console().deployment.schema, current_user.id)
    if account is None or not account.is_active:
        return None
    return Caller(account.id, account.email, account.organization_id)


def _refuse_other_sites() -> None:
    """Refuse a change that another site's page asks for with this browser's cookie. Raises ApiError (403)."""
    if request.method not in SAFE_METHODS and is_foreign():
        named = request.headers.get("Origin") or request.headers.get("Sec-Fetch-Site")
        raise ApiError(403, f"CSRF Failed: Origin checking failed - {named} does not match any trusted origins.")


def is_foreign() -> bool:
    """Whether a page of another site asks. Scripts send neither header; browsers send both and no page can change them."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        return True
    return request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}
