"""Session cookies and form secrets: read and written as Django does it for Label Studio."""

from __future__ import annotations

import time
import zlib

import pytest

from console.labeling import sessions, sessions_csrf

SECRET = "label-studio-fixture-secret"
#: Set by Label Studio 1.23.2 on a sign-in of alice.
COOKIE = (
    ".eJxVjbluw0AQQ_9lammx9-Eyfb5hMZodHbGwa-hoEvjfbSNuXJJ8JP_gXApcQEntNEnXJxmxt15RjzG63pvRDixxYIPQQdsmrMsvHkur-XaFi-pgxf3Ia5uW-pQhOWOC0UooLbVKuoO"
    "M5zHnc-ct_1_BhzcgXbm-gvKDdWqCWj22ZRAvRLzTXXy3wuvXm_0YmHGfn22v2ZCJKUgkxYo8YxyZSsQQ0TsZdXBjdIXQBs3WeeUTcyCbPDF7DfcHLFdTGw:1xV3FZ:zySR1ZT8KpQaRaRJlwwe9JKijtHvUungRepA9Zc7ZEU"
)
SIGNED_AT = 1795337321.0
#: The cookie and the field of one form of Label Studio's.
CSRF_COOKIE = "n6OZ0AdrTsVDhhWMcbW7N810O9pZ28EC"
CSRF_FIELD = "vKDlx8AcXGK6W1OG8r6GMpWBfH6fVfYHIGhanyDtGYvz38AiasSDpnNrTGl4Nds9"


def test_a_cookie_of_label_studio_is_read() -> None:
    session = sessions.unseal(COOKIE, SECRET, now=SIGNED_AT)
    assert session is not None and sessions.user_id(session) == 1
    assert session["organization_pk"] == 1 and sessions.stays(session)
    assert not sessions.is_over(session, 60, now=SIGNED_AT + 50) and sessions.is_over(session, 60, now=SIGNED_AT + 70)


def test_the_same_session_is_sealed_to_the_same_cookie() -> None:
    session = sessions.unseal(COOKIE, SECRET, now=SIGNED_AT)
    assert session is not None
    text, stamp, _ = COOKIE.split(":")
    assert sessions.seal(session, SECRET, at=SIGNED_AT).split(":")[0] == text
    assert sessions.seal({"a": "b"}, SECRET, at=SIGNED_AT).split(":")[1] == stamp


def test_an_old_cookie_is_not_believed() -> None:
    assert sessions.unseal(COOKIE, SECRET, now=SIGNED_AT + sessions.MOST_SECONDS - 5) is not None
    assert sessions.unseal(COOKIE, SECRET, now=SIGNED_AT + sessions.MOST_SECONDS + 5) is None


BOMB = sessions.seal({"x": "y" * 9000}, "another secret")
BROKEN = [
    "",
    ":",
    "::",
    "x",
    "a:b:c",
    COOKIE[:-1] + "A",
    COOKIE.replace("1xV3FZ", "1xV3Fa"),
    BOMB,
    "é:1:x",
    "\0:1:x",
    "a" * 9000,
]


@pytest.mark.parametrize("cookie", BROKEN, ids=range(len(BROKEN)))
def test_what_was_not_signed_with_the_key_is_no_session(cookie: str) -> None:
    assert sessions.unseal(cookie, SECRET, now=SIGNED_AT) is None


def test_what_was_signed_and_is_no_session_is_none() -> None:
    for body in (b"[1]", b"nonsense", b"\xff"):
        stamped = f"{sessions._base64(body)}:{sessions._base62(int(time.time()))}"
        assert sessions.unseal(f"{stamped}:{sessions._signature(stamped, SECRET)}", SECRET) is None
    stamped = f".{sessions._base64(zlib.compress(b'x')[:-2])}:1xV3FZ"
    assert sessions.unseal(f"{stamped}:{sessions._signature(stamped, SECRET)}", SECRET, now=SIGNED_AT) is None


def test_a_session_ends_with_the_password() -> None:
    session = sessions.signed_in(7, "pbkdf2$old", SECRET, organization_id=1, keep=True)
    assert sessions.belongs(session, "pbkdf2$old", SECRET)
    assert not sessions.belongs(session, "pbkdf2$new", SECRET) and not sessions.belongs({}, "pbkdf2$old", SECRET)


def test_a_session_of_this_browser_alone() -> None:
    session = sessions.signed_in(7, "x", SECRET, organization_id=None, keep=False)
    assert not sessions.stays(session) and session["_session_expiry"] == 0 and "organization_pk" not in session


@pytest.mark.parametrize("user", ["0", "-1", "x", "2147483648", 1, None, "1" * 12])
def test_a_user_that_cannot_be_is_nobody(user: object) -> None:
    session = sessions.signed_in(1, "x", SECRET, organization_id=1, keep=True) | {sessions.USER: user}
    assert sessions.user_id(session) is None


def test_another_way_of_signing_in_is_not_ours() -> None:
    session = sessions.signed_in(1, "x", SECRET, organization_id=1, keep=True)
    assert sessions.user_id(session) == 1
    assert sessions.user_id(session | {sessions.BACKEND: "evil.Backend"}) is None


def test_a_form_of_label_studio_fits_its_cookie() -> None:
    secret = sessions_csrf.secret_of(CSRF_COOKIE)
    assert sessions_csrf.fits(CSRF_FIELD, secret) and sessions_csrf.fits(CSRF_COOKIE, secret)
    assert sessions_csrf.secret_of(CSRF_FIELD) == CSRF_COOKIE
    assert sessions_csrf.fits(sessions_csrf.masked(CSRF_COOKIE), secret)
    assert sessions_csrf.masked(CSRF_COOKIE) != sessions_csrf.masked(CSRF_COOKIE)


@pytest.mark.parametrize("token", [None, "", "x", "x" * 31, "x" * 64, "é" * 32, "\0" * 32, "x" * 2**20])
def test_nothing_else_fits(token: str | None) -> None:
    assert not sessions_csrf.fits(token, CSRF_COOKIE)
    assert not sessions_csrf.fits(CSRF_FIELD, sessions_csrf.secret_of(token)) or token == CSRF_FIELD
