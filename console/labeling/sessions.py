"""Sessions as Django keeps them for Label Studio: the whole session in one signed cookie, nothing in the database.

Either server accepts the other's cookie, because both sign with Label Studio's SECRET_KEY.
Source: `django.core.signing`, `django.contrib.sessions.backends.signed_cookies`, `django.contrib.auth` and
`core/middleware.py InactivitySessionTimeoutMiddleWare` of Label Studio.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

COOKIE = "sessionid"
#: Django's SESSION_COOKIE_AGE: no cookie is believed that was signed longer ago, whatever it says itself.
MOST_SECONDS = 14 * 24 * 3600
#: Label Studio's defaults where the organization has no policy: MAX_SESSION_AGE, MAX_TIME_BETWEEN_ACTIVITY.
DEFAULT_AGE_SECONDS, DEFAULT_QUIET_SECONDS = 14 * 24 * 3600, 5 * 24 * 3600
USER, BACKEND, HASH = "_auth_user_id", "_auth_user_backend", "_auth_user_hash"
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
_SALT = "django.contrib.sessions.backends.signed_cookies"
_HASH_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def seal(session: Mapping[str, Any], secret: str, *, at: float | None = None) -> str:
    """The cookie's value for a session."""
    body = json.dumps(session, separators=(",", ":")).encode("latin-1")
    packed = zlib.compress(body)
    text = f".{_base64(packed)}" if len(packed) < len(body) - 1 else _base64(body)
    stamped = f"{text}:{_base62(int(time.time() if at is None else at))}"
    return f"{stamped}:{_signature(stamped, secret)}"


def unseal(cookie: str, secret: str, *, now: float | None = None) -> dict[str, Any] | None:
    """The session of a cookie, or None when it was not signed with this key, or too long ago."""
    if len(cookie) > 8192 or not cookie.isascii():
        return None
    stamped, _, signature = cookie.rpartition(":")
    if not stamped or not hmac.compare_digest(signature, _signature(stamped, secret)):
        return None
    try:
        text, _, stamp = stamped.rpartition(":")
        if (time.time() if now is None else now) - _number(stamp) > MOST_SECONDS:
            return None
        packed = text.startswith(".")
        body = base64.urlsafe_b64decode(text.removeprefix(".") + "=" * (-len(text.removeprefix(".")) % 4))
        session = json.loads((zlib.decompress(body) if packed else body).decode("latin-1"))
    except (ValueError, zlib.error, RecursionError):
        return None
    return session if isinstance(session, dict) else None


def auth_hash(password: str, secret: str) -> str:
    """What ties a session to the password of its account: it ends when the stored password changes."""
    return _hmac(_HASH_SALT, password, secret).hex()


def signed_in(user_id: int, password: str, secret: str, *, organization_id: int | None, keep: bool) -> dict[str, Any]:
    """A new session of somebody whose password was right, with the keys that Label Studio's sign-in leaves in it."""
    session: dict[str, Any] = {"uid": str(uuid.uuid4())}
    if organization_id is not None:
        session["organization_pk"] = organization_id
    session |= {
        "last_login": time.time(),
        USER: str(user_id),
        BACKEND: MODEL_BACKEND,
        HASH: auth_hash(password, secret),
    }
    return session if keep else session | {"keep_me_logged_in": False, "_session_expiry": 0}


def user_id(session: Mapping[str, Any]) -> int | None:
    """Whose session it is, if anybody's; whether the account still fits is `belongs`."""
    text = session.get(USER)
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return int(text) if session.get(BACKEND) == MODEL_BACKEND and 0 < int(text) < 2**31 else None


def belongs(session: Mapping[str, Any], password: str, secret: str) -> bool:
    """Whether the account still has the password it had when the session began."""
    return hmac.compare_digest(str(session.get(HASH)).encode(), auth_hash(password, secret).encode())


def is_over(session: Mapping[str, Any], age_seconds: float, *, now: float | None = None) -> bool:
    """Whether the sign-in was longer ago than the organization allows."""
    began = session.get("last_login", 0)
    if isinstance(began, bool) or not isinstance(began, int | float):
        return True
    try:
        age = (time.time() if now is None else now) - began
    except OverflowError:
        return True
    return not age <= age_seconds  # NaN is over as well


def stays(session: Mapping[str, Any]) -> bool:
    """Whether the cookie outlives the browser."""
    return bool(session.get("keep_me_logged_in", True))


def _signature(value: str, secret: str) -> str:
    return _base64(_hmac(f"{_SALT}signer", value, secret))


def _hmac(salt: str, value: str, secret: str) -> bytes:
    key = hashlib.sha256(salt.encode() + secret.encode()).digest()
    return hmac.new(key, value.encode(), hashlib.sha256).digest()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _base62(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text or "0"


def _number(text: str) -> int:
    number = 0
    for digit in text:
        number = number * 62 + _DIGITS.index(digit)
    return number
