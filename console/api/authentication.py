"""Who asks the API: tokens as Label Studio knows them."""

from __future__ import annotations

from flask import request
from sqlalchemy import select

from ..app import the_console
from ..labeling.db import Caller
from .errors import ApiError, NotAuthenticated
from .request import read_session


def authenticate() -> Caller:
    """The caller of this request. Raises NotAuthenticated with Label Studio's words."""
    key = _legacy_key()
    if key is None:
        raise NotAuthenticated()
    schema = the_console().deployment.schema
    token, user = schema.table("authtoken_token"), schema.table("htx_user")
    row = read_session().execute(
        select(user.c.id, user.c.email, user.c.is_active, user.c.active_organization_id)
        .join(token, token.c.user_id == user.c.id).where(token.c.key == key)
    ).first()  # fmt: skip
    if row is None:
        raise NotAuthenticated("Invalid token.")
    if not row.is_active:
        raise NotAuthenticated("User inactive or deleted.")
    return Caller(row.id, row.email, row.active_organization_id)


def _legacy_key() -> str | None:
    """The key of `X-Api-Key`, which wins, or of `Authorization: Token`."""
    named = request.headers.get("X-Api-Key")
    scheme, _, key = (f"Token {named}" if named else request.headers.get("Authorization", "")).partition(" ")
    if scheme.lower() != "token":
        return None
    if not key.strip():
        raise NotAuthenticated("Invalid token header. No credentials provided.")
    if " " in key.strip():
        raise NotAuthenticated("Invalid token header. Token string should not contain spaces.")
    return key.strip()


__all__ = ["ApiError", "authenticate"]
