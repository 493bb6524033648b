"""Tokens: what each server makes of them, and that either accepts the other's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests

from tests.twin.peer import SECRET_KEY
from tests.twin.twin import Each, Twin

HEADERS = [
    "", "Token", "token ", "Token a b", "TOKEN abc", "Token \xff", "Basic YTpi", "Bearer", "Bearer a b", "Bearer x.y.z",
    "bearer x", "Token " + "0" * 40, "Token ' OR 1=1 --", "Token " + "x" * 4000,
]  # fmt: skip


@pytest.fixture
def access(twin: Twin) -> Each:
    """An access token of alice's from each server."""
    return Each(*(_access(side.url, _pat(1)) for side in twin.sides))


def _pat(user: Any, **changes: Any) -> str:
    """A personal access token as a client of the dump holds it; the dump knows its id."""
    claims = {"token_type": "refresh", "exp": 8102521606, "iat": 1795321606,
              "jti": "15fc692bf67040078eb06b3bd8140c21", "user_id": str(user)}  # fmt: skip
    return jwt.encode({k: v for k, v in (claims | changes).items() if v is not None}, SECRET_KEY, "HS256")


def _access(url: str, refresh: str) -> str:
    return str(requests.post(f"{url}/api/token/refresh/", json={"refresh": refresh}, timeout=20).json()["access"])


@pytest.mark.parametrize("header", HEADERS, ids=lambda text: repr(text[:20]))
def test_headers_that_let_nobody_in(twin: Twin, header: str):
    twin.get("/api/current-user/whoami", as_user=None, headers={"Authorization": header.encode("latin-1")}, expect=401)
    twin.post(
        "/api/token/rotate/", as_user=None, headers={"Authorization": header.encode("latin-1")}, json={"refresh": "x"}
    )
    twin.rows()


def test_the_key_header_wins(twin: Twin):
    good = twin.tokens["alice"]
    twin.get("/api/current-user/whoami", as_user="bob", headers={"X-Api-Key": good}, expect=200)
    twin.get("/api/current-user/whoami", as_user="bob", headers={"X-Api-Key": "wrong"}, expect=401)
    twin.get("/api/current-user/whoami", as_user="bob", headers={"X-Api-Key": ""}, expect=401)
    twin.get("/api/current-user/whoami", as_user=None, headers={"Authorization": f"tOkEn   {good}  "}, expect=200)
    twin.rows()


def test_who_may_not_use_a_legacy_token(twin: Twin):
    twin.get("/api/current-user/whoami", as_user="erin", expect=401)
    twin.execute("UPDATE htx_user SET is_active = false WHERE id = 2")
    twin.get("/api/current-user/whoami", as_user="bob", expect=401)
    twin.execute("UPDATE htx_user SET active_organization_id = NULL WHERE id = 3")
    twin.get("/api/current-user/whoami", as_user="carol", expect=200)
    twin.get("/api/users/", as_user="carol", expect=200)
    twin.rows()


def test_a_legacy_token_is_reset(twin: Twin):
    made = twin.post("/api/current-user/reset-token/", expect=201)
    twin.get("/api/current-user/whoami", expect=401)
    twin.get("/api/current-user/whoami", as_user=None, headers={"X-Api-Key": made["token"]}, expect=200)
    twin.rows()


def test_a_personal_access_token_from_making_to_revoking(twin: Twin):
    twin.get("/api/token/", expect=200)
    twin.post("/api/token/", expect=409)
    twin.post("/api/token/", as_user="carol", expect=201)
    shown = twin.get("/api/token/", as_user="carol", expect=200)
    listed = Each(shown.theirs.json()[0]["token"], shown.ours.json()[0]["token"])
    assert shown.ours.json()[0]["token"].count(".") == 1
    twin.post("/api/token/blacklist/", as_user=None, json={"refresh": listed}, expect=204)
    twin.post("/api/token/blacklist/", as_user=None, json={"refresh": listed}, expect=404)
    assert twin.get("/api/token/", as_user="carol", expect=200).json == []
    made = twin.post("/api/token/", as_user="carol", expect=201)
    twin.rows()
    for side in (0, 1):
        own = (made.theirs if side == 0 else made.ours).json()["token"]
        claims = jwt.decode(own, SECRET_KEY, ["HS256"])
        assert list(claims) == ["token_type", "exp", "iat", "jti", "user_id"] and claims["user_id"] == "3"


def test_rotating(twin: Twin):
    made = twin.post("/api/token/", as_user="carol", expect=201)
    fresh = twin.post("/api/token/rotate/", as_user="carol", json={"refresh": made["token"]}, expect=200)
    twin.post("/api/token/refresh/", as_user=None, json={"refresh": made["token"]}, expect=401)
    twin.post("/api/token/rotate/", as_user="carol", json={"refresh": made["token"]}, expect=400)
    twin.post("/api/token/refresh/", as_user=None, json={"refresh": fresh["refresh"]}, expect=200)
    twin.post("/api/token/rotate/", as_user=None, json={"refresh": fresh["refresh"]}, expect=401)
    twin.post("/api/token/rotate/", as_user="carol", json={}, expect=400)
    twin.rows()


BAD = {
    "empty": "", "no token": "x", "two parts": "a.b", "other key": jwt.encode({"user_id": "1"}, "k" * 40, "HS256"),
    "no algorithm": jwt.encode({"token_type": "refresh", "exp": 8102521606, "jti": "a", "user_id": "1"}, None, "none"),
    "longer algorithm": jwt.encode({"token_type": "refresh", "exp": 8102521606, "jti": "a"}, SECRET_KEY, "HS512"),
    "expired": _pat(1, exp=1700000000), "no end": _pat(1, exp=None), "no type": _pat(1, token_type=None),
    "from the future": _pat(1, iat=4000000000), "number as id": _pat(1, jti=5),
    "end is text": _pat(1, exp="soon"),
}  # fmt: skip


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_tokens_that_are_not_good(twin: Twin, token: str):
    twin.post("/api/token/refresh/", as_user=None, json={"refresh": token})
    twin.post("/api/token/rotate/", json={"refresh": token}, expect=400)
    twin.get("/api/current-user/whoami", as_user=None, headers={"Authorization": f"Bearer {token}"}, expect=401)
    twin.rows()


def test_an_access_token_refreshes_nothing(twin: Twin):
    token = _pat(1, token_type="access")
    twin.post("/api/token/refresh/", as_user=None, json={"refresh": token}, expect=401)
    twin.post("/api/token/rotate/", json={"refresh": token}, expect=400)
    twin.get("/api/current-user/whoami", as_user=None, headers={"Authorization": f"Bearer {token}"}, expect=200)
    twin.rows()


def test_bodies_of_the_refresh(twin: Twin):
    for body in ({}, {"refresh": None}, {"refresh": []}, {"refresh": 5}, {"refresh": True}):
        twin.post("/api/token/refresh/", as_user=None, json=body)
    twin.post("/api/token/refresh/", as_user=None, data={"refresh": _pat(1)}, expect=200)
    twin.post("/api/token/refresh/", as_user=None, json=[], expect=400)
    twin.get("/api/token/refresh/", as_user=None, expect=405)
    twin.rows()


def test_access_tokens(twin: Twin, access: Each):
    bearer = {"Authorization": Each(f"Bearer {access.theirs}", f"Bearer {access.ours}")}
    twin.get("/api/current-user/whoami", as_user=None, headers=bearer, expect=200)
    twin.get("/api/current-user/whoami", as_user=None, headers={"Authorization": f"Bearer {_pat(1)}"}, expect=401)
    twin.post("/api/users/", as_user=None, headers=bearer, json={"username": "x", "email": "x@example.com"}, expect=201)
    twin.rows()
    twin.execute("UPDATE jwt_auth_jwtsettings SET api_tokens_enabled = false")
    twin.get("/api/current-user/whoami", as_user=None, headers=bearer, expect=401)
    twin.execute("UPDATE jwt_auth_jwtsettings SET api_tokens_enabled = true")
    twin.execute("UPDATE htx_user SET is_active = false WHERE id = 1")
    twin.get("/api/current-user/whoami", as_user=None, headers=bearer, expect=401)
    twin.post("/api/token/refresh/", as_user=None, json={"refresh": _pat(1)}, expect=401)
    twin.rows()


def test_either_server_accepts_the_others_tokens(twin: Twin, access: Each):
    swapped = Each(f"Bearer {access.ours}", f"Bearer {access.theirs}")
    twin.get("/api/current-user/whoami", as_user=None, headers={"Authorization": swapped}, expect=200)
    twin.get("/api/users/2/", as_user=None, headers={"Authorization": swapped}, expect=200)
    twin.rows()


@pytest.mark.parametrize("user", ["99", "abc", "0", "2147483648", "-1", None])
def test_a_token_of_nobody(twin: Twin, user: str | None):
    """Label Studio answers 500 to most of these, and an access token without a user to the last."""
    found = twin.post(
        "/api/token/refresh/", as_user=None, json={"refresh": _pat(user, user_id=user)}, differs="token-of-nobody"
    )
    assert found.ours.status_code == 401
    now = datetime.now(UTC)
    claims = {"token_type": "access", "exp": int((now + timedelta(minutes=5)).timestamp()), "jti": "a", "user_id": user}
    bearer = {"Authorization": f"Bearer {jwt.encode(claims, SECRET_KEY, 'HS256')}"}
    for side in twin.sides[1:]:
        answer = requests.get(f"{side.url}/api/current-user/whoami", headers=bearer, timeout=20)
        assert answer.status_code == 401
    twin.rows()


def test_a_made_up_token_is_not_revoked(twin: Twin):
    """Label Studio stores a row for whatever claims somebody without an account sends it."""
    found = twin.post("/api/token/blacklist/", as_user=None, json={"refresh": _pat(1, jti="made-up")},
                      differs="blacklist-unknown-token")  # fmt: skip
    assert found.ours.status_code == 404
    reason = "blacklist-unknown-token"
    twin.rows(differs={"token_blacklist_outstandingtoken": reason, "token_blacklist_blacklistedtoken": reason})


def test_what_an_organization_accepts(twin: Twin):
    twin.get("/api/jwt/settings", expect=200)
    twin.post("/api/jwt/settings", json={"api_tokens_enabled": "maybe"}, expect=400)
    twin.post("/api/jwt/settings", json={"api_tokens_enabled": False}, expect=200)
    twin.post("/api/jwt/settings", data={"legacy_api_tokens_enabled": "1"}, expect=200)
    twin.get("/api/jwt/settings", as_user="grace")
    twin.post("/api/jwt/settings", json={}, expect=200)
    twin.rows()
    twin.post("/api/jwt/settings", json={"legacy_api_tokens_enabled": False}, expect=200)
    twin.get("/api/jwt/settings", expect=401)
    twin.rows()
