"""The page "Why does this file not show?": one text in, the cause out, nothing kept that is secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.config import Settings
from console.service import Console
from tests.views.conftest import Browser

SIGNED = "https://files.invalid/a.jpg?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60&X-Amz-Signature=abcdef0123456789&X-Amz-Security-Token=SECRETTOKEN"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, label_studio_url="https://label.example.com")


def asked(browser: Browser, value: str, **form: str) -> str:
    """The page that a text leads to."""
    response = browser.send("/media/", text=value, **form)
    assert response.status_code == 303, response.get_data(as_text=True)
    return browser.text(response.location)


def test_the_form_says_what_it_does_and_keeps_what_was_pasted(support: Browser):
    page = support.text("/media/?text=s3://bucket/a%20b.jpg&project=3")
    assert 'value="s3://bucket/a b.jpg"' in page and 'value="3"' in page
    assert "https://label.example.com" in page and "Changes nothing" in page


def test_a_link_that_no_storage_claims(support: Browser):
    page = asked(support, "s3://LS-demo-images/a.jpg", project="3")
    assert "case counts" in page and "s3:2" in page
    assert "Reply for the ticket" in page and "lsconsole media" in page
    assert "case counts" in support.text("/media/"), "it is listed among those looked at before"
    assert "Why does s3://LS-demo-images/a.jpg not show?" in support.text("/jobs/")


def test_no_secret_is_shown_or_kept(support: Browser, console: Console):
    page = asked(support, SIGNED)
    assert "It ended" in page
    with console.store.read() as session:
        kept = str(session.execute(text("select * from job")).mappings().all())
    for place in (page, kept, support.text("/media/"), support.text("/jobs/")):
        assert "abcdef0123456789" not in place and "SECRETTOKEN" not in place


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"text": ""}, "Paste an address"), ({"text": "x" * 5000}, "up to 4,000 characters"),
        ({"text": "1", "project": "three"}, "three is no id"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(support: Browser, form: dict[str, str], told: str):
    response = support.send("/media/", **form)
    assert response.status_code == 400 and told in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "pasted",
    ["<script>alert(1)</script>", "http://[", "s3://a\x00/b", "𝕏" * 50, "%", "task 99999999", "../../etc/passwd"],
)
def test_hostile_text_is_told_plainly(support: Browser, pasted: str):
    page = asked(support, pasted)
    assert "<script>alert" not in page and "Traceback" not in page


def test_what_is_not_there(support: Browser):
    assert support.get("/media/none").status_code == 404


def test_people_without_a_role_get_nothing(anonymous: Browser):
    assert anonymous.get("/media/").status_code == 302
    assert anonymous.post("/media/", data={"text": "1"}).status_code in {302, 400}


def test_the_database_is_only_read(support: Browser, session: Session):
    before = session.execute(text("select count(*), max(updated_at) from task")).one()
    asked(support, "task 41")
    assert session.execute(text("select count(*), max(updated_at) from task")).one() == before
