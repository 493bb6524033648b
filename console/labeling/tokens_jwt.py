"""Personal access tokens as Label Studio makes them: JSON web tokens signed with Django's SECRET_KEY.

A personal access token is a *refresh* token that lives 200 years; it is exchanged for *access* tokens of five minutes.
Stored rows hold header and payload alone, so that the database never gives a usable token away.
Source: `jwt_auth.models.LSAPIToken` and the simplejwt library of Label Studio.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import jwt

ALGORITHM = "HS256"
REFRESH_LIFETIME = timedelta(days=365 * 200)
ACCESS_LIFETIME = timedelta(minutes=5)
#: A token is a few hundred characters; nothing longer is worth a look.
MOST_CHARACTERS = 4096
#: Stands in for a signature that is missing. PyJWT 2.15 refuses base64 with bits left over, so zeros throughout.
NO_SIGNATURE = "A" * 43
Kind = Literal["refresh", "access"]


class TokenProblem(ValueError):
    """A token that is not good, in the words of Label Studio."""


@dataclass(frozen=True)
class Token:
    """The claims of a token that was checked, or is about to be handed out."""

    kind: str
    jti: str
    user_id: int | None
    expires_at: datetime
    claims: Mapping[str, Any]


def new_claims(kind: Kind, user_id: int, now: datetime) -> dict[str, Any]:
    """Claims of a new token, in the order in which Label Studio writes them; the user's id is text there."""
    lifetime = REFRESH_LIFETIME if kind == "refresh" else ACCESS_LIFETIME
    return {"token_type": kind, "exp": int((now + lifetime).timestamp()), "iat": int(now.timestamp()),
            "jti": uuid.uuid4().hex, "user_id": str(user_id)}  # fmt: skip


def access_claims(refresh: Token, now: datetime) -> dict[str, Any]:
    """Claims of the access token for a refresh token; what else the refresh token says is copied."""
    fresh = new_claims("access", refresh.user_id or 0, now)
    copied = {name: value for name, value in refresh.claims.items() if name not in {"token_type", "exp", "jti", "iat"}}
    return {name: value for name, value in fresh.items() if name != "user_id"} | copied


def encode(claims: Mapping[str, Any], secret: str) -> str:
    return jwt.encode(dict(claims), secret, algorithm=ALGORITHM)


def truncated(token: str) -> str:
    """Header and payload, without the signature."""
    return ".".join(token.split(".")[:2])


def decode(token: str, secret: str, kind: Kind) -> Token:
    """A token whose signature, time, id and kind are right. Raises TokenProblem.

    Whether it was revoked is the database's to say.
    """
    if len(token) > MOST_CHARACTERS:
        raise TokenProblem("Token is invalid")
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options={"verify_aud": False})
    except jwt.ExpiredSignatureError:
        raise TokenProblem("Token is expired") from None
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError, OverflowError):
        raise TokenProblem("Token is invalid") from None
    if not isinstance(claims.get("jti"), str):
        raise TokenProblem("Token has no id")
    if "exp" not in claims:
        raise TokenProblem("Token has no 'exp' claim")
    if "token_type" not in claims:
        raise TokenProblem("Token has no type")
    if claims["token_type"] != kind:
        raise TokenProblem("Token has wrong type")
    return _token(claims)


def peek(token: str) -> Token:
    """The claims of a token whose signature may be missing: nothing of it is proven. Raises TokenProblem."""
    parts = token.split(".")
    if len(token) > MOST_CHARACTERS or len(parts) < 2:
        raise TokenProblem("Invalid Label Studio token")
    try:
        claims = jwt.decode(f"{parts[0]}.{parts[1]}.{NO_SIGNATURE}", options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError, OverflowError):
        raise TokenProblem("Token is invalid") from None
    if not isinstance(claims.get("jti"), str):
        raise TokenProblem("Token has no id")
    return _token(claims)


def _token(claims: Mapping[str, Any]) -> Token:
    try:
        expires_at = datetime.fromtimestamp(int(claims.get("exp", 0)), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise TokenProblem("Token is invalid") from None
    return Token(str(claims.get("token_type")), claims["jti"], _user_id(claims.get("user_id")), expires_at, claims)


def _user_id(value: Any) -> int | None:
    """The user's id, or None for what no account can have."""
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    number = int(text)
    return number if 0 < number < 2**31 else None
