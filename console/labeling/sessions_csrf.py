"""Django's protection of forms: a secret in the cookie `csrftoken`, the same secret, masked, in the form.

Source: `django.middleware.csrf`. Old releases keep the masked form in the cookie as well; both are read.
"""

from __future__ import annotations

import hmac
import secrets
import string

COOKIE, FIELD, HEADER = "csrftoken", "csrfmiddlewaretoken", "X-CSRFToken"
COOKIE_SECONDS = 31449600
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32


def new_secret() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def secret_of(cookie: str | None) -> str | None:
    """The secret that a cookie holds, plain or masked; None when there is none."""
    return _plain(cookie) if cookie else None


def masked(secret: str) -> str:
    """The secret under a fresh mask, so that no two forms show the same text."""
    mask = new_secret()
    return mask + "".join(
        _ALPHABET[(_ALPHABET.index(a) + _ALPHABET.index(b)) % len(_ALPHABET)] for a, b in zip(secret, mask, strict=True)
    )


def fits(token: str | None, secret: str | None) -> bool:
    """Whether what a form sent is the cookie's secret."""
    plain = _plain(token) if token else None
    return plain is not None and secret is not None and hmac.compare_digest(plain, secret)


def _plain(token: str) -> str | None:
    if len(token) not in (_LENGTH, 2 * _LENGTH) or not set(token) <= set(_ALPHABET):
        return None
    if len(token) == _LENGTH:
        return token
    mask, cipher = token[:_LENGTH], token[_LENGTH:]
    return "".join(_ALPHABET[_ALPHABET.index(a) - _ALPHABET.index(b)] for a, b in zip(cipher, mask, strict=True))
