"""Django's password hashes, checked and made without Django. A check never writes back: looking changes nothing.

Source: the formats of Django 3.1 to 5.2, the releases Label Studio ships with: `algorithm$parameters$salt$digest`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
from collections.abc import Callable

import argon2
import bcrypt

#: A well-formed hash nobody's password fits; checked when there is no account, so that both take the same time.
NOBODY_ROUNDS = 1_000_000
NOBODY = f"pbkdf2_sha256${NOBODY_ROUNDS}$c29tZXNhbHRmb3Jub2JvZA$" + base64.b64encode(bytes(32)).decode()
#: More rounds than Django has ever used by a wide margin: a hostile row must not keep us busy.
MOST_ITERATIONS = 10_000_000


def check_password(password: str, encoded: str | None) -> bool:
    """Whether a password fits a stored hash. False for unusable (`!…`), unknown and broken hashes; never raises."""
    if not encoded or encoded.startswith("!") or _cannot_be(password):
        return False
    algorithm = encoded.split("$", 1)[0]
    checker = _CHECKERS.get(algorithm)
    if checker is None:
        return False
    try:
        return checker(password, encoded)
    except (ValueError, TypeError, OverflowError, MemoryError, argon2.exceptions.Argon2Error):
        return False


def make_password(password: str) -> str:
    """A hash as Django 5.2 of Label Studio 1.23 stores it. Older releases read it, and store theirs at the next sign-in."""
    salt = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(22))
    found = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), NOBODY_ROUNDS)
    return f"pbkdf2_sha256${NOBODY_ROUNDS}${salt}${base64.b64encode(found).decode()}"


def spend_the_rest(password: str, encoded: str | None) -> None:
    """Do the work by which checking `encoded` was quicker than checking NOBODY: the time of a refusal tells neither
    whether there is an account nor whether its password is old, or unusable."""
    if _cannot_be(password):
        return
    algorithm, _, rest = (encoded or "").partition("$")
    rounds = rest.partition("$")[0] if algorithm == "pbkdf2_sha256" else ""
    left = NOBODY_ROUNDS - (int(rounds) if rounds.isdecimal() and len(rounds) < 9 else 0)
    if left > 0:
        hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "surrogatepass"), b"nobody", left)


def _cannot_be(password: str) -> bool:
    return len(password) > 4096 or "\x00" in password


def _pbkdf2(digest: str) -> Callable[[str, str], bool]:
    def fits(password: str, encoded: str) -> bool:
        _, iterations, salt, expected = encoded.split("$", 3)
        if not 0 < int(iterations) <= MOST_ITERATIONS:
            return False
        found = hashlib.pbkdf2_hmac(digest, password.encode(), salt.encode(), int(iterations))
        return hmac.compare_digest(base64.b64encode(found), expected.encode())

    return fits


def _argon2(password: str, encoded: str) -> bool:
    return argon2.PasswordHasher().verify("$" + encoded.partition("$")[2], password)


def _bcrypt_sha256(password: str, encoded: str) -> bool:
    prepared = hashlib.sha256(password.encode()).hexdigest().encode()
    return bcrypt.checkpw(prepared, encoded.partition("$")[2].encode())


def _bcrypt(password: str, encoded: str) -> bool:
    return bcrypt.checkpw(password.encode()[:72], encoded.partition("$")[2].encode())


def _scrypt(password: str, encoded: str) -> bool:
    _, work, salt, block, parallel, expected = encoded.split("$", 5)
    n, r, p = int(work), int(block), int(parallel)
    if n > 2**20 or r > 64 or p > 16:
        return False
    found = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=n * r * 256 + 2**20, dklen=64)
    return hmac.compare_digest(base64.b64encode(found), expected.encode())


_CHECKERS: dict[str, Callable[[str, str], bool]] = {
    "pbkdf2_sha256": _pbkdf2("sha256"),
    "pbkdf2_sha1": _pbkdf2("sha1"),
    "argon2": _argon2,
    "bcrypt_sha256": _bcrypt_sha256,
    "bcrypt": _bcrypt,
    "scrypt": _scrypt,
}

#: Names of the formats that `check_password` knows, as they stand before the first `$`.
FORMATS = tuple(_CHECKERS)
