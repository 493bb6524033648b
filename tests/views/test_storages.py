"""Storages: a list of all kinds, one page each, secrets never."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from console.deployment.storage_list import storage_lines
from console.service import Console
from tests.factories import BOTH_ENGINES, change_row, make_row
from tests.views.conftest import Browser, assert_queries

TABLE = "io_storages_s3importstorage"


@BOTH_ENGINES
def test_every_kind_stands_in_the_list(admin: Browser) -> None:
    body = admin.text("/storages/")
    for reference in (
        "s3:1",
        "s3:2",
        "s3-export:1",
        "gcs:1",
        "azure:1",
        "redis:1",
        "localfiles:1",
        "localfiles-export:2",
    ):
        assert f'href="/storages/{reference}"' in body
    assert "Review sentiment" in body and "ls-demo-tasks/tasks/" in body
    assert "Not run yet" in body and "nothing found" not in body


@BOTH_ENGINES
def test_one_statement_for_the_list_and_few_for_a_page(admin: Browser, console: Console) -> None:
    admin.text("/storages/")
    with assert_queries(console.deployment.engine, at_most=2):
        admin.text("/storages/")
    with assert_queries(console.deployment.engine, at_most=3):
        admin.text("/storages/gcs:1")


def test_those_with_findings_come_first(admin: Browser, session: Session) -> None:
    change_row(session, TABLE, 2, regex_filter="[unclosed")
    admin.send("/checks/run")
    body = admin.text("/storages/")
    assert body.index('href="/storages/s3:2"') < body.index('href="/storages/azure:1"')
    assert "1 finding" in body
    assert (
        "Review fix" in admin.text("/storages/s3:2")
        or "storage.regex_invalid" in admin.text("/storages/s3:2")
        or "s3:2" in body
    )


@pytest.mark.parametrize(
    ("wanted", "kept", "hidden"),
    [
        ("street", "s3:2", "s3:1"),
        ("LS-DEMO-TASKS", "s3:1", "s3:2"),
        ("azure", "azure:1", "s3:1"),
        ("s3-export", "s3-export:1", "s3:1"),
    ],
)
def test_the_filter_takes_title_bucket_kind_and_reference(admin: Browser, wanted: str, kept: str, hidden: str) -> None:
    body = admin.text(f"/storages/?text={wanted}")
    assert f'href="/storages/{kept}"' in body and f'href="/storages/{hidden}"' not in body


def test_a_filter_that_hides_everything_says_so(admin: Browser) -> None:
    assert "No storage holds" in admin.text("/storages/?text=%25%25")


@pytest.mark.parametrize("query", ["\x00", "'", "x" * 10_000, "<script>alert(1)</script>"])
def test_hostile_filters_are_only_text(admin: Browser, query: str) -> None:
    response = admin.get("/storages/", query_string={"text": query})
    assert response.status_code == 200
    assert "<script>alert" not in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "reference",
    ["s3:0", "s3:999", "s3:-1", "s3:" + "9" * 30, "s3:abc", "ftp:1", "s3", "s3:1/../x", "%00:1", "'", "s3:²"],
)
def test_a_storage_that_is_not_there(admin: Browser, reference: str) -> None:
    assert admin.get(f"/storages/{reference}").status_code == 404


def test_a_page_tells_settings_story_and_command(admin: Browser) -> None:
    body = admin.text("/storages/s3:1")
    assert "S3 review JSON" in body and "Review sentiment" in body
    assert "lsconsole check storage --storage s3:1" in body
    assert "ls-demo-tasks" in body and "Completed" in body and "AKIA…" in body
    assert "fake-secret" not in body


def test_secrets_in_a_traceback_are_masked(admin: Browser, session: Session) -> None:
    said = "Traceback\nClientError: aws_secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY denied\n"
    change_row(session, TABLE, 1, status="failed", traceback=said)
    body = admin.text("/storages/s3:1")
    assert "ClientError" in body and "wJalrXUtn" not in body


def test_broken_meta_and_a_missing_project_do_no_harm(admin: Browser, session: Session) -> None:
    change_row(session, TABLE, 1, meta=["no", "object"])
    change_row(session, TABLE, 2, meta={"time_queued": "yesterday", "attempts": "x"})
    admin.text("/storages/s3:1")
    admin.text("/storages/s3:2")


def test_a_new_storage_without_status_is_listed(admin: Browser, session: Session, console: Console) -> None:
    make_row(session, TABLE, title="<b>New</b>", bucket="b", project_id=1, status="initialized")
    body = admin.text("/storages/")
    assert "&lt;b&gt;New&lt;/b&gt;" in body
    with console.deployment.read() as reading:
        assert [line.title for line in storage_lines(reading, console.deployment.schema, project_id=5)] == []


def test_no_storage_at_all(admin: Browser, session: Session) -> None:
    from sqlalchemy import text

    for table in session.info["schema"].columns:
        if table.startswith("io_storages_") and "storage" in table and "mixin" not in table:
            session.execute(text(f'delete from "{table}"'))
    session.commit()
    assert "No project has a storage" in admin.text("/storages/")


def test_a_huge_traceback_is_cut_before_it_is_worked_on(admin: Browser, session: Session) -> None:
    change_row(session, TABLE, 1, status="failed", traceback="a line of no use\n" * 500_000 + "ClientError: the end")
    body = admin.text("/storages/s3:1")
    assert "ClientError: the end" in body and len(body) < 100_000


def test_a_bucket_that_cannot_be_reached_is_not_called_healthy(admin: Browser) -> None:
    admin.send("/checks/run")  # nothing listens at the endpoints that the dump names
    body = admin.text("/storages/")
    for reference in ("s3:1", "s3-export:1", "azure:1", "localfiles:1"):
        row = next(part for part in body.split("<tr>") if f'/storages/{reference}"' in part)
        assert "could not be looked into" in row and "nothing found" not in row
    body = admin.text("/storages/s3:1")
    assert "The last run could not look into this storage" in body and body.count("cannot be reached") == 1
    assert "does not resolve" in admin.text("/storages/azure:1")
