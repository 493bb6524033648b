"""Symptoms: finding the runbook, naming the object, watching the steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from console import runbook_search, runbooks, subjects
from console.errors import Refused
from console.service import Console
from tests.factories import make_project, make_user
from tests.views.conftest import Browser, assert_queries

SLUG = "cannot-sign-in"


def test_every_runbook_is_listed_and_words_narrow_them(support: Browser) -> None:
    body = support.text("/symptoms/")
    for book in runbooks.all_runbooks():
        assert book.slug in body
    assert SLUG in support.text("/symptoms/?q=capital+PASSWORD")
    assert "No runbook holds" in support.text("/symptoms/?q=%3Cb%3Ezebra")
    support.text("/symptoms/?q=%00")


def test_the_page_of_every_runbook(support: Browser, console: Console) -> None:
    for book in runbooks.all_runbooks():
        with assert_queries(console.deployment.engine, at_most=4):
            body = support.text(f"/symptoms/{book.slug}")
        assert book.codes[0] in body
    assert support.get("/symptoms/nothing").status_code == 404


def test_three_clicks_from_symptom_to_plan(support: Browser, session: Session) -> None:
    make_user(session, email="Big.Letters@Example.com")
    response = support.send(f"/symptoms/{SLUG}", subject=" big.LETTERS@example.com ")
    assert response.status_code == 303
    body = support.text(response.location)
    assert "Big.Letters@Example.com cannot sign in" in body
    assert "Reply for the ticket" in body and "thank you for writing" in body
    assert "/plan/lower" in body and "hx-get" not in body
    assert "Big.Letters@Example.com" in support.text(f"/symptoms/{SLUG}")  # among the earlier runs


def test_a_healthy_account_gets_an_answer_as_well(support: Browser, session: Session) -> None:
    make_user(session, email="healthy@example.com")
    body = support.text(support.send(f"/symptoms/{SLUG}", subject="healthy@example.com").location)
    assert "Nothing found" in body and "To go on we need" in body
    assert "reset_password" in body


@pytest.mark.parametrize("typed", ["", "   ", "nobody@nowhere.example", "999999999", "9" * 4000, "\x00", "<script>alert(1)</script>",
                                   "user:", "user:x", "%", "_", "雪"])  # fmt: skip
def test_nobody_fits(support: Browser, typed: str) -> None:
    response = support.send(f"/symptoms/{SLUG}", subject=typed)
    body = response.get_data(as_text=True)
    assert response.status_code == 422
    assert 'aria-invalid="true"' in body and "<script>alert" not in body


def test_an_ambiguous_address_offers_each(support: Browser, session: Session) -> None:
    one = make_user(session, email="Twin@Example.com", username="twin-1")
    make_user(session, email="twin@example.com", username="twin-2")
    response = support.send(f"/symptoms/{SLUG}", subject="TWIN@example.com")
    body = response.get_data(as_text=True)
    assert response.status_code == 422 and "fits 2 users" in body and f'value="user:{one.id}"' in body
    assert support.send(f"/symptoms/{SLUG}", subject=f"user:{one.id}").status_code == 303


def test_a_link_fills_the_form(support: Browser, session: Session) -> None:
    user = make_user(session, email="Big.Letters@Example.com")
    assert 'value="Big.Letters@Example.com"' in support.text(f"/symptoms/{SLUG}?subject=user:{user.id}")
    assert 'value="user:x&#34;&gt;"' not in support.text(f"/symptoms/{SLUG}?subject=user:x%22%3E")


@pytest.mark.parametrize(
    "form", ["{id}", "project:{id}", "http://labels.example/projects/{id}/data?tab=3", "street signs 9", "Street Sig"]
)
def test_a_project_by_id_address_or_title(console: Console, session: Session, form: str) -> None:
    project = make_project(session, title="Street Signs 9")
    [found] = subjects.candidates(console, "project", form.format(id=project.id))
    assert (found.subject, found.name) == (f"project:{project.id}", "Street Signs 9")


def test_an_address_of_a_missing_project_is_no_title(console: Console) -> None:
    assert subjects.candidates(console, "project", "http://labels.example/projects/424242/data") == []


def test_a_storage_by_reference_or_title(console: Console) -> None:
    known = subjects.candidates(console, "storage", "s3:1") or subjects.candidates(console, "storage", "localfiles:1")
    assert known, "the database of the release holds a storage"
    assert subjects.candidates(console, "storage", known[0].subject) == known
    assert (
        subjects.candidates(console, "storage", "s3:99999") == subjects.candidates(console, "storage", "zebra:1") == []
    )
    with console.deployment.read():
        assert any(item.subject == known[0].subject for item in subjects.candidates(console, "storage", known[0].name))


def test_starting_needs_a_token(support: Browser, anonymous: Browser) -> None:
    assert support.post(f"/symptoms/{SLUG}", data={"subject": "a@b.c"}).status_code == 400
    assert anonymous.get(f"/symptoms/{SLUG}").status_code == 302


def test_a_walk_under_way_is_polled_and_ends_with_its_job(admin: Browser, console: Console, session: Session) -> None:
    user = make_user(session, email="walker@example.com")
    console.settings = replace(console.settings, jobs="threads")
    run = runbooks.begin(console, SLUG, f"user:{user.id}", by="test")
    body = admin.text(f"/symptoms/runs/{run.id}")
    assert f"/symptoms/runs/{run.id}/partial" in body and "waiting" in body and "Reply for the ticket" not in body
    from tests.views.test_jobs import make_job

    make_job(console, "dead", kind="runbook", status="failed", error="cut off", arguments={"run_id": run.id})
    with console.store.session() as store:
        store.get_one(type(run), run.id).job_id = "dead"
    body = admin.text(f"/symptoms/runs/{run.id}/partial")
    assert "cut off before it had an answer" in body and "hx-get" not in body


def test_a_repaired_finding_is_told_as_gone(admin: Browser, console: Console, session: Session) -> None:
    make_user(session, email="Big.Letters@Example.com")
    run = admin.send(f"/symptoms/{SLUG}", subject="big.letters@example.com").location
    path = admin.text(run).split('action="/findings/')[1].split('"')[0]
    plan = admin.send(f"/findings/{path}").location
    fingerprint = admin.text(plan).split('name="fingerprint" value="')[1].split('"')[0]
    admin.send(f"{plan}/apply", reason="ticket", fingerprint=fingerprint)
    body = admin.text(run)
    assert "No longer found since" in body and "Review fix" not in body


def test_few_statements_on_the_run_page(support: Browser, console: Console, session: Session) -> None:
    make_user(session, email="Big.Letters@Example.com")
    location = support.send(f"/symptoms/{SLUG}", subject="big.letters@example.com").location
    with assert_queries(console.deployment.engine, at_most=4), assert_queries(console.store.engine, at_most=12):
        support.text(location)


def test_an_unknown_run_is_not_found(admin: Browser) -> None:
    assert admin.get("/symptoms/runs/nothing").status_code == 404
    assert admin.get("/symptoms/runs/nothing/partial").status_code == 404


@pytest.mark.parametrize(("query", "slug"), [
    ("New tabs of the Data Manager fail with duplicate key", "duplicate-key-after-a-restore"),
    ("Export of project Tunnels never ends", "export-never-ends"),
])  # fmt: skip
def test_words_that_no_runbook_holds_all_of_find_the_nearest(support: Browser, query: str, slug: str) -> None:
    assert runbook_search.fitting(query)[0].slug == slug
    assert slug in support.get("/symptoms/", query_string={"q": query}).get_data(as_text=True).split('id="symptoms"')[1]
    found = support.get("/search", query_string={"q": query}, follow_redirects=True).get_data(as_text=True)
    assert f"/symptoms/{slug}" in found


def test_several_titles_that_hold_the_words_are_offered(support: Browser, console: Console, session: Session) -> None:
    one, other = make_project(session, title="Tunnels"), make_project(session, title="Old tunnels, north")
    response = support.send("/symptoms/export-never-ends", subject="tunnels")
    body = response.get_data(as_text=True)
    assert response.status_code == 422 and "fits 2 projects" in body
    assert f'value="project:{one.id}"' in body and f'value="project:{other.id}"' in body
    with pytest.raises(Refused, match=f"{one.id} “Tunnels”, {other.id} “Old tunnels, north”. Give the number"):
        subjects.one_project(console, "Tunnels")
    assert subjects.one_project(console, "Old tunnels") == other.id
