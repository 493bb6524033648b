"""Label Studio's rows: every release on both databases, nothing secret, nothing to change, little asked."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.deployment import Deployment, records
from console.errors import NotFound
from console.masking import is_secret_column
from console.service import Console
from tests.factories import (
    BOTH_ENGINES,
    make_annotation,
    make_membership,
    make_organization,
    make_project,
    make_task,
    make_tasks,
    make_user,
)
from tests.servers import dump_versions
from tests.views.conftest import Browser, assert_queries

KINDS = ("user", "organization", "organizationmember", "project", "task", "annotation")
EVERY_RELEASE = pytest.mark.parametrize("version", dump_versions())
BAD_IDS = ("0", "-1", "1" + "0" * 30, "abc", "1;drop table task", "%00", "", "1.5", "²")


def secrets_of(deployment: Deployment) -> set[str]:
    """Every value that stands in a column for secrets, password hashes and tokens among them."""
    found: set[str] = set()
    with deployment.read() as session:
        for table, columns in deployment.schema.columns.items():
            secret = [name for name in columns if is_secret_column(name) or (table, name) == ("authtoken_token", "key")]
            if not secret or table.startswith(("django_session", "auth_permission")):
                continue
            chosen = [deployment.schema.table(table).c[name] for name in secret]
            for row in session.query(*chosen):
                found |= {value for value in row if isinstance(value, str) and len(value) > 7}
    return found


@EVERY_RELEASE
@BOTH_ENGINES
def test_lists_and_pages_of_every_release_hold_no_secret(admin: Browser, deployment: Deployment) -> None:
    secrets = secrets_of(deployment)
    assert len(secrets) > 10
    pages = [
        "/records/",
        *(f"/records/{kind}/" for kind in KINDS),
        "/storages/",
        "/database/",
        "/queues/",
        "/search?q=e",
    ]
    pages += [f"/records/{kind}/details/?id={number}" for kind in KINDS for number in (1, 2)]
    pages += ["/storages/s3:1", "/storages/s3-export:1", "/storages/gcs:1", "/storages/azure:1", "/storages/redis:1"]
    for page in pages:
        body = admin.text(page)
        leaked = {secret for secret in secrets if secret in body}
        assert not leaked, (page, leaked)


@EVERY_RELEASE
def test_every_column_of_every_list_sorts_both_ways(admin: Browser) -> None:
    for kind in KINDS:
        heads = re.findall(r'<th scope="col"[^>]*><a href="([^"]+)"', admin.text(f"/records/{kind}/"))
        assert heads
        for url in heads:
            admin.text(url.replace("&amp;", "&"))
            admin.text(url.replace("&amp;", "&") + "&desc=1")


def test_an_id_that_cannot_be_is_not_found(admin: Browser) -> None:
    for bad in BAD_IDS:
        for kind in KINDS:
            assert admin.get(f"/records/{kind}/details/", query_string={"id": bad}).status_code == 404, (kind, bad)
        assert admin.get(f"/records/user/details/?id={bad}").status_code == 404
    assert admin.get("/records/user/details/").status_code == 404


HOSTILE = ("%", "_", "'", '"', "\\", "a\x00b", "x" * 10_000, "' or 1=1 --", "9" * 40, "<script>alert(1)</script>", "-5")


@BOTH_ENGINES
def test_hostile_searches_and_filters_are_only_text(admin: Browser) -> None:
    for kind, query in itertools.product(KINDS, HOSTILE):
        for name in ("search", "page", "sort", "flt0_project_equals", "flt0_active_equals"):
            response = admin.get(f"/records/{kind}/", query_string={name: query})
            assert response.status_code == 200, (kind, name, query)
            assert "<script>alert" not in response.get_data(as_text=True)


def test_a_percent_sign_finds_percent_signs_alone(admin: Browser, session: Session) -> None:
    make_user(session, email="100%_sure@example.com")
    body = admin.get("/records/user/", query_string={"search": "%_"}).get_data(as_text=True)
    assert "100%_sure@example.com" in body and "alice@example.com" not in body


def test_search_ignores_capitals_and_wants_every_word(admin: Browser, session: Session) -> None:
    make_user(session, email="Ada@example.com", first_name="Ada", last_name="Byron")
    assert "Ada@example.com" in admin.text("/records/user/?search=BYRON+ada")
    assert "Ada@example.com" not in admin.text("/records/user/?search=byron+bob")
    assert "bob@example.com" in admin.text("/records/user/?search=2")


def test_filters_narrow_and_a_wrong_one_is_named(admin: Browser) -> None:
    body = admin.text("/records/task/?flt0_project_equals=2")
    assert "News entities" in body and "Review sentiment" not in body
    assert "no id" in admin.text("/records/task/?flt0_project_equals=abc")
    assert "No row fits this filter" in admin.text("/records/task/?flt0_project_equals=99999999999")
    inactive = admin.text("/records/user/?flt0_active_equals=0")
    assert "alice@example.com" not in inactive


@BOTH_ENGINES
def test_at_most_four_statements(admin: Browser, console: Console) -> None:
    pages = ["/records/", "/records/task/?flt0_project_equals=1", "/records/user/?search=example"]
    pages += [f"/records/{kind}/{rest}" for kind in KINDS for rest in ("", "details/?id=1")]
    for page in pages:
        admin.text("/jobs/")  # the person and the state of the deployment are fresh
        with assert_queries(console.deployment.engine, at_most=4):
            admin.text(page)


def test_pages_turn_and_counting_stops(admin: Browser, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "COUNT_LIMIT", 60)
    project = make_project(session, title="Many")
    make_tasks(session, project, 120)
    body = admin.text(f"/records/task/?flt0_project_equals={project.id}")
    assert "1 to 50 of" in body and 'rel="next"' in body
    second = admin.text(f"/records/task/?flt0_project_equals={project.id}&page=1")
    assert "51 to 100" in second
    assert f"flt0_project_equals={project.id}" in second


def test_reading_is_all_there_is(admin: Browser) -> None:
    for kind in KINDS:
        for path in ("new/", "edit/?id=1", "delete/", "action/", "export/csv/", "ajax/update/", "ajax/lookup/"):
            assert admin.get(f"/records/{kind}/{path}").status_code in {404, 405}
            assert admin.send(f"/records/{kind}/{path}").status_code in {404, 405}


def links_of(body: str) -> list[str]:
    return re.findall(r'<li class="link( link-\w+)?"><svg class="glyph g-\w+"', body)


def test_the_first_broken_link_is_marked_and_later_ones_are_quiet(admin: Browser, session: Session) -> None:
    user = make_user(session, email="Up.Per@Example.com", password="pbkdf2_sha256$1$salt$hash", is_active=False)
    body = admin.text(f"/records/user/details/?id={user.id}")
    assert "Cannot sign in" in body and "stored with capitals" in body
    assert links_of(body) == ["", " link-broken", *[" link-after"] * 4]
    assert "6 links, 2 broken" in body
    assert "salt$hash" not in body


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"is_active": False}, "switched off"),
        ({"password": "!x"}, "marked unusable"),
        ({"password": ""}, "no password is stored"),
        ({"password": "md5$x$y"}, "does not know"),
        ({"active_organization_id": 2}, "does not belong to"),
        ({"active_organization_id": None}, "takes the first membership"),
        ({"member_of": ()}, "belongs to no organization"),
    ],
)
def test_each_link_says_what_is_wrong(admin: Browser, session: Session, values: dict[str, Any], said: str) -> None:
    user = make_user(session, **{"password": "pbkdf2_sha256$1$salt$hash"} | values)
    assert said in admin.text(f"/records/user/details/?id={user.id}")


def test_a_healthy_account_is_drawn_as_healthy(admin: Browser, session: Session) -> None:
    user = make_user(session, password="argon2$argon2id$x")
    body = admin.text(f"/records/user/details/?id={user.id}")
    assert links_of(body) == [""] * 6
    assert "What a sign-in passes" in body and "Cannot sign in" not in body


def test_an_ended_membership_lets_in_and_shows_nothing(admin: Browser, session: Session) -> None:
    from datetime import UTC, datetime

    user = make_user(session, member_of=(), active_organization_id=1, password="argon2$argon2id$x")
    make_membership(session, user=user, organization_id=1, deleted_at=datetime.now(UTC))
    body = admin.text(f"/records/user/details/?id={user.id}")
    assert "removed from Example Org" in body and "Why does this person find nothing?" in body


def test_a_record_shows_its_findings_and_leads_to_its_runbook(admin: Browser, session: Session) -> None:
    user = make_user(session, email="Big@Example.com")
    before = admin.text(f"/records/user/details/?id={user.id}")
    assert "Nothing has looked at this user yet" in before
    admin.send("/checks/run")
    after = admin.text(f"/records/user/details/?id={user.id}")
    assert "Review fix" in after
    assert f"/symptoms/cannot-sign-in?subject={user.id}" in after
    assert "Nothing is known to be wrong with this user" in admin.text("/records/user/details/?id=1")


def test_related_objects_are_linked(admin: Browser) -> None:
    assert "flt0_made_by_equals=1" in admin.text("/records/user/details/?id=1")
    project = admin.text("/records/project/details/?id=1")
    assert "/storages/s3:1" in project and "/records/user/details/?id=1" in project
    assert "/records/organization/details/?id=1" in project
    task = admin.text("/records/task/details/?id=1")
    assert "/records/annotation/details/?id=" in task and "/records/project/details/?id=1" in task
    assert "carol@example.com" in admin.text("/records/organization/details/?id=1")


def test_long_and_broken_values_are_bounded(admin: Browser, session: Session) -> None:
    project = make_project(session, title="Wide")
    task = make_task(session, project=project, data={"text": "x" * 100_000, "password": "hunter22222"})
    make_annotation(session, task=task)
    response = admin.get(f"/records/task/details/?id={task.id}")
    assert len(response.data) < 60_000
    body = response.get_data(as_text=True)
    assert "the first 20,000 characters" in body
    assert "hunter22222" not in body


def test_names_from_strangers_are_escaped(admin: Browser, session: Session) -> None:
    organization = make_organization(session, title="<img src=x onerror=alert(1)>")
    make_user(session, email="x@example.com", member_of=(organization.id,), first_name="<script>alert(1)</script>")
    for page in (
        "/records/user/",
        "/records/organization/",
        "/records/organizationmember/",
        f"/records/organization/details/?id={organization.id}",
    ):
        body = admin.text(page)
        assert "<img src=x" not in body and "<script>alert" not in body


def test_row_id_takes_numbers_alone() -> None:
    assert records.row_id(" 12 ") == 12
    for bad in (None, "", "-1", "1e3", "9" * 19):
        with pytest.raises(NotFound):
            records.row_id(bad)
