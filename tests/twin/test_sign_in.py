"""The forms for signing in and up: cookies, redirects, rows; a session of either server is good on the other."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import requests
from sqlalchemy import inspect, text

from console.app import limiter
from tests.twin.twin import Each, Pair, Side, Twin

PASSWORD = "Fixture-Pass-1"


@pytest.fixture(autouse=True)
def unlimited(twin: Twin) -> None:
    """Attempts of one test do not count in the next."""
    limiter.reset()


def submit(twin: Twin, path: str, **fields: Any) -> list[requests.Response]:
    """Open a form on both servers and send it; the answers, theirs first."""
    answers = []
    for side in twin.sides:
        token = _field(side.jar.get(f"{side.url}{path}", timeout=20).text)
        body = {**fields, "csrfmiddlewaretoken": token}
        answers.append(side.jar.post(f"{side.url}{path}", data=body, allow_redirects=False, timeout=20))
    twin.unseen_changes.append(f"POST {path}")
    return answers


def _field(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, page[:500]
    return found.group(1)


def cookie_shape(answer: requests.Response) -> dict[str, set[str]]:
    """Cookie -> its attributes without the values that differ."""
    shape = {}
    for line in answer.raw.headers.getlist("Set-Cookie"):
        name, *attributes = (part.strip() for part in line.split(";"))
        kept = {text.lower() for text in attributes if not text.lower().startswith("expires")}
        shape[name.partition("=")[0]] = kept
    return shape


def same(answers: list[requests.Response], status: int) -> None:
    theirs, ours = answers
    assert (theirs.status_code, ours.status_code) == (status, status), ours.text[:500]
    assert theirs.headers.get("Location") == ours.headers.get("Location")


@pytest.mark.parametrize(
    "path", ["/user/login/", "/user/login", "/user/login/?next=/projects/1", "/user/login/?next=//evil"]
)
@pytest.mark.parametrize("persist", ["on", ""])
def test_signing_in_leaves_the_same_cookies_and_rows(twin: Twin, path: str, persist: str):
    answers = submit(twin, path, email="Alice@Example.com", password=f" {PASSWORD} ", persist_session=persist)
    same(answers, 302)
    assert cookie_shape(answers[0]) == cookie_shape(answers[1])
    twin.get("/api/current-user/whoami", cookies=True, expect=200)
    twin.rows()


def test_a_session_of_either_server_is_good_on_the_other(twin: Twin):
    same(submit(twin, "/user/login/", email="bob@example.com", password=PASSWORD, persist_session="on"), 302)
    swapped = Each(*reversed([side.jar.cookies.get("sessionid") for side in twin.sides]))
    cookies = {"cookies": Each({"sessionid": swapped.theirs}, {"sessionid": swapped.ours})}
    found = twin.get("/api/current-user/whoami", as_user=None, expect=200, **cookies)
    assert found["email"] == "bob@example.com"
    twin.patch("/api/users/2/", as_user=None, json={"phone": "1"}, expect=200, ignore=("last_activity",), **cookies)
    twin.rows()


def test_a_session_without_an_active_organization(twin: Twin):
    """Label Studio makes the first organization of the database the active one, member or not."""
    same(submit(twin, "/user/login/", email="erin@example.com", password=PASSWORD), 302)
    twin.rows()
    twin.execute("UPDATE htx_user SET active_organization_id = NULL WHERE id = 5")
    found = twin.get("/api/projects/?include=id", cookies=True, differs="session-first-organization")
    assert [project["id"] for project in found.ours.json()["results"]] == [4]
    twin.rows(differs={"htx_user.active_organization_id": "session-first-organization"})


def test_another_sites_page_changes_nothing(twin: Twin):
    same(submit(twin, "/user/login/", email="alice@example.com", password=PASSWORD), 302)
    foreign = {"Origin": "https://evil.example"}
    found = twin.patch(
        "/api/users/2/", json={"phone": "666"}, cookies=True, headers=foreign, differs="cross-site-cookie"
    )
    assert (found.theirs.status_code, found.ours.status_code) == (200, 403)
    twin.get("/api/users/1/", cookies=True, headers=foreign, expect=200, ignore=("last_activity",))
    reason = "cross-site-cookie"
    twin.rows(differs={"htx_user.phone": reason, "htx_user.activity_at": reason, "htx_user.last_activity": reason})


REFUSED = {
    "wrong": {"email": "alice@example.com", "password": "x"}, "nobody": {"email": "no@example.com", "password": PASSWORD},
    "capitals": {"email": "Dave.Capital@Example.com", "password": PASSWORD}, "empty": {},
    "no address": {"email": "alice", "password": PASSWORD},
    "sql": {"email": "' or 1=1 --@e.de", "password": "' or 1=1 --"},
    "null": {"email": "a\0@e.de", "password": "\0"},
}  # fmt: skip


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED.keys())
def test_refused_sign_ins(twin: Twin, fields: dict[str, str]):
    answers = submit(twin, "/user/login/", **fields)
    same(answers, 200)
    for answer in answers:
        assert "The email and password you entered don't match." in html.unescape(answer.text)
    twin.get("/api/current-user/whoami", cookies=True, expect=401)
    twin.rows()


def test_an_address_that_is_too_long_is_told(twin: Twin):
    answers = submit(twin, "/user/login/", email="a" * 300 + "@e.de", password="x")
    same(answers, 200)
    assert all("Email is too long" in answer.text for answer in answers)
    twin.rows()


def test_an_account_switched_off_is_refused(twin: Twin):
    twin.execute("UPDATE htx_user SET is_active = false WHERE id = 2")
    same(submit(twin, "/user/login/", email="bob@example.com", password=PASSWORD), 200)
    twin.rows()


def test_an_account_without_a_membership(twin: Twin):
    twin.execute("DELETE FROM organizations_organizationmember WHERE user_id = 2")
    theirs, ours = submit(twin, "/user/login/", email="bob@example.com", password=PASSWORD)
    assert (theirs.status_code, ours.status_code) == (500, 403)
    twin.rows(differs={"htx_user.last_login": "sign-in-without-membership"})


def test_somebody_removed_is_led_back(twin: Twin):
    twin.execute("UPDATE htx_user SET active_organization_id = NULL WHERE id = 7")
    same(submit(twin, "/user/login/", email="grace@example.com", password=PASSWORD), 302)
    twin.rows()


def test_forms_without_the_secret_are_forged(twin: Twin):
    for path in ("/user/login/", "/user/signup/"):
        for side in twin.sides:
            fields = {"email": "alice@example.com", "password": PASSWORD}
            assert requests.post(f"{side.url}{path}", data=fields, timeout=20).status_code == 403
            side.jar.get(f"{side.url}{path}", timeout=20)
            assert side.jar.post(f"{side.url}{path}", data=fields, timeout=20).status_code == 403
            wrong = {**fields, "csrfmiddlewaretoken": "x" * 64}
            assert side.jar.post(f"{side.url}{path}", data=wrong, timeout=20).status_code == 403
    twin.rows()


def test_leaving(twin: Twin):
    same([_get(side, "/logout") for side in twin.sides], 302)
    same(submit(twin, "/user/login/", email="alice@example.com", password=PASSWORD), 302)
    same([_get(side, "/user/login/?next=/x") for side in twin.sides], 302)
    same([_get(side, "/logout") for side in twin.sides], 302)
    twin.get("/api/current-user/whoami", cookies=True, expect=401)
    twin.rows()


def _get(side: Side, path: str) -> requests.Response:
    return side.jar.get(f"{side.url}{path}", allow_redirects=False, timeout=20)


@pytest.mark.parametrize("newsletters", ["true", "on", "false", ""])
def test_signing_up(twin: Twin, newsletters: str):
    answers = submit(twin, "/user/signup/?next=/x", email="Zoe@Example.com", password="zoe@example.com",
                     allow_newsletters=newsletters, how_find_us="Github")  # fmt: skip
    same(answers, 302)
    assert cookie_shape(answers[0]) == cookie_shape(answers[1])
    found = twin.get("/api/current-user/whoami", cookies=True, expect=200)
    assert found["username"] == "zoe"
    twin.rows()


WRONG = {
    "short": {"email": "zoe@example.com", "password": "abc"}, "long": {"email": "zoe@example.com", "password": "x" * 129},
    "taken": {"email": "ALICE@example.com", "password": PASSWORD}, "empty": {},
    "no address": {"email": "zoe", "password": PASSWORD}, "no password": {"email": "zoe@example.com"},
}  # fmt: skip


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG.keys())
def test_refused_sign_ups(twin: Twin, fields: dict[str, str]):
    answers = submit(twin, "/user/signup/", **fields)
    same(answers, 200)
    theirs, ours = (html.unescape(answer.text) for answer in answers)
    for problems in re.findall(r'class="field_errors">(.*?)</ul>', theirs, re.DOTALL):
        assert re.sub(r"<[^>]+>", "", problems).strip() in ours
    twin.rows()


def test_invitation_links(twin: Twin):
    token = twin.get("/api/invite")["token"]
    same(submit(twin, "/user/signup/?token=wrong", email="zoe@example.com", password=PASSWORD), 403)
    same(submit(twin, f"/user/signup/?token={token}", email="zoe@example.com", password=PASSWORD), 302)
    twin.rows()


def test_the_first_sign_up_founds_the_organization(twin: Twin):
    _empty(twin)
    same(submit(twin, "/user/signup/", email="first@example.com", password=PASSWORD), 302)
    found: Pair = twin.get("/api/current-user/whoami", cookies=True, expect=200)
    assert found["active_organization_meta"] == {"title": "Label Studio", "email": "first@example.com"}
    twin.get("/api/jwt/settings", cookies=True, expect=200)
    twin.rows(
        ignore={"organization.token": "a random text"},
        differs={"session_policy_sessiontimeoutpolicy": "session-policy-row"},
    )


def _empty(twin: Twin) -> None:
    """Both databases as after the installation: tables without people and their work."""
    kept = {"django_migrations", "django_content_type", "auth_permission", "core_asyncmigrationstatus"}
    for side in twin.sides:
        with side.database.begin() as connection:
            tables = [name for name in inspect(connection).get_table_names() if name not in kept]
            if connection.dialect.name == "postgresql":
                named = ", ".join(f'"{table}"' for table in tables)
                connection.execute(text(f"TRUNCATE {named} RESTART IDENTITY CASCADE"))
                continue
            for table in tables:
                connection.execute(text(f'DELETE FROM "{table}"'))
            connection.execute(text("DELETE FROM sqlite_sequence"))
