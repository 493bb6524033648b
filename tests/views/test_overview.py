"""The first page: before any run, while one runs, after it, and without a deployment."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from console.service import Console
from console.views import frame
from tests.factories import make_user
from tests.views.conftest import Browser, assert_queries


def test_signed_out_leads_to_the_sign_in(anonymous: Browser) -> None:
    response = anonymous.get("/")
    assert response.status_code == 302
    assert "/sign-in" in response.location


def test_before_the_first_run_it_offers_one(admin: Browser) -> None:
    body = admin.text("/")
    assert "This deployment has not been checked" in body
    assert "1.23.2" in body


def test_after_a_run_it_shows_findings_areas_and_numbers(admin: Browser, session: Session) -> None:
    make_user(session, email="Big.Letters@Example.com")
    assert admin.send("/checks/run").status_code == 303
    body = admin.text("/")
    assert "Big.Letters@Example.com cannot sign in" in body
    assert "Tasks" in body and "Sign-in" in body
    assert "Recent changes" in body


def test_few_statements_however_much_there_is(admin: Browser, console: Console) -> None:
    admin.send("/checks/run")
    admin.get("/")
    frame._attached.clear()
    with assert_queries(console.deployment.engine, at_most=4), assert_queries(console.store.engine, at_most=14):
        admin.text("/")


def test_a_deployment_that_went_away_is_said_and_explained(admin: Browser, console: Console) -> None:
    admin.text("/")
    path = Path(console.deployment.engine.url.database or "")
    console.deployment.engine.dispose()
    path.rename(path.with_suffix(".away"))
    frame._attached.clear()
    body = admin.text("/", 503)
    assert "Not attached" in body and "LSCONSOLE_DATABASE_URL" in body
    assert "Traceback" not in body


def test_the_sign_in_outlives_a_deployment_that_went_away(admin: Browser, console: Console) -> None:
    from console import auth

    admin.text("/")
    path = Path(console.deployment.engine.url.database or "")
    console.deployment.engine.dispose()
    path.rename(path.with_suffix(".away"))
    frame._attached.clear()
    key, (_, person) = next(iter(auth._remembered.items()))
    auth._remembered[key] = (-1000.0, person)
    assert "How to mend it" in admin.text("/", 503)
