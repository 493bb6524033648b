"""Personal access tokens: the same claims, the same refusals, as Label Studio's."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from console.labeling import tokens_jwt
from console.labeling.tokens_jwt import TokenProblem

SECRET = "a secret of the tests that is long enough"
NOW = datetime(2026, 11, 22, 8, 0, 0, 999999, tzinfo=UTC)
#: Handed out by Label Studio 1.23.2 and stored without its signature.
STORED = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCIsImV4cCI6ODEwMjUyMTYwNiwiaWF0IjoxNzk1MzIxNjA2LCJqd"
    "GkiOiIxNWZjNjkyYmY2NzA0MDA3OGViMDZiM2JkODE0MGMyMSIsInVzZXJfaWQiOiIxIn0"
)


def make(**changes: object) -> str:
    claims = tokens_jwt.new_claims("refresh", 7, datetime.now(UTC)) | changes
    return tokens_jwt.encode({name: value for name, value in claims.items() if value is not None}, SECRET)


def test_claims_are_label_studios() -> None:
    claims = tokens_jwt.new_claims("refresh", 7, NOW)
    assert list(claims) == ["token_type", "exp", "iat", "jti", "user_id"]
    assert (claims["exp"] - claims["iat"], claims["user_id"], len(claims["jti"])) == (200 * 365 * 86400, "7", 32)
    assert claims["iat"] == int(NOW.timestamp())


def test_a_stored_token_of_label_studio_is_written_the_same_way() -> None:
    claims = jwt.decode(f"{STORED}.{tokens_jwt.NO_SIGNATURE}", options={"verify_signature": False})
    assert tokens_jwt.truncated(tokens_jwt.encode(claims, SECRET)) == STORED
    assert tokens_jwt.peek(STORED).user_id == 1


def test_the_missing_signature_is_base64_without_bits_left_over() -> None:
    octets = base64.urlsafe_b64decode(tokens_jwt.NO_SIGNATURE + "=")
    assert base64.urlsafe_b64encode(octets) == tokens_jwt.NO_SIGNATURE.encode() + b"="


def test_an_access_token_copies_what_the_refresh_token_says() -> None:
    refresh = tokens_jwt.decode(make(group="x"), SECRET, "refresh")
    claims = tokens_jwt.access_claims(refresh, NOW)
    assert list(claims) == ["token_type", "exp", "iat", "jti", "user_id", "group"]
    assert claims["exp"] - claims["iat"] == 300 and claims["jti"] != refresh.jti


REFUSED = {
    "expired": (make(exp=1), "Token is expired"), "no end": (make(exp=None), "Token has no 'exp' claim"),
    "no id": (make(jti=None), "Token has no id"), "no kind": (make(token_type=None), "Token has no type"),
    "wrong kind": (make(token_type="access"), "Token has wrong type"), "number as id": (make(jti=5), "Token is invalid"),
    "from the future": (make(iat=int((NOW + timedelta(days=9000)).timestamp())), "Token is invalid"),
    "other key": (jwt.encode({"jti": "x"}, "another secret that is long enough!", "HS256"), "Token is invalid"),
    "no algorithm": (jwt.encode({"jti": "x", "exp": 9e9, "token_type": "refresh"}, None, "none"), "Token is invalid"),
    "another algorithm": (jwt.encode({"jti": "x"}, SECRET * 3, "HS512"), "Token is invalid"),
    "a megabyte": ("x" * 2**20, "Token is invalid"), "null": ("\0.\0.\0", "Token is invalid"), "empty": ("", "Token is invalid"),
    "deep": (".".join(["W1tb" * 900] * 3), "Token is invalid"),
}  # fmt: skip


@pytest.mark.parametrize(("token", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_told_in_label_studios_words(token: str, problem: str) -> None:
    with pytest.raises(TokenProblem, match=problem):
        tokens_jwt.decode(token, SECRET, "refresh")


@pytest.mark.parametrize("value", ["0", "-1", "2147483648", "1; drop", "١", "", None, True, 1.5, [], {}])
def test_a_user_that_cannot_be_is_nobody(value: object) -> None:
    assert tokens_jwt.decode(make(user_id=value), SECRET, "refresh").user_id is None


@pytest.mark.parametrize("token", ["", "x", "x.y", "e30.e30", "\0.\0", "a.b.c.d"])
def test_nothing_is_seen_in_what_is_no_token(token: str) -> None:
    with pytest.raises(TokenProblem):
        tokens_jwt.peek(token)
