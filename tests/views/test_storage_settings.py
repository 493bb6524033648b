"""Settings of a storage, changed by a plan: typed, refused, previewed, applied, undone, and never a secret on a page."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.service import Console
from tests.factories import BOTH_ENGINES, change_row
from tests.views.conftest import Browser

TABLE = "io_storages_s3importstorage"
OLD, NEW = "oldSecretOldSecretOldSecret", "newSecretNewSecretNewSecret"


def fields(body: str) -> dict[str, str]:
    """What the form would send unchanged."""
    found = {
        match[1]: match[2] for match in re.finditer(r'<input id="\w+" name="(\w+)" type="\w+" value="([^"]*)"', body)
    }
    return found | dict.fromkeys(re.findall(r'name="(\w+)" value="true" checked', body), "true")


def row(session: Session) -> dict:
    session.rollback()
    found = dict(session.execute(text(f"SELECT * FROM {TABLE} WHERE id = 1")).mappings().one())
    session.rollback()  # an open reader keeps SQLite from committing
    return found


@BOTH_ENGINES
def test_a_filter_and_keys_change_and_come_back(admin: Browser, session: Session, console: Console) -> None:
    change_row(session, TABLE, 1, aws_secret_access_key=OLD, aws_session_token="sessionOld")
    before = row(session)
    form = fields(admin.text("/storages/s3:1/settings"))
    assert OLD not in str(form) and form["aws_secret_access_key"] == ""
    form |= {
        "regex_filter": r"tasks/.*\.json$",
        "aws_secret_access_key": NEW,
        "clear_aws_session_token": "true",
        "presign_ttl": "60",
    }
    planned = admin.send("/storages/s3:1/settings", **form)
    assert planned.status_code == 303
    assert row(session) == before
    page = admin.text(planned.location)
    assert "tasks/.*\\.json$" in page and NEW not in page and OLD not in page and "••••••" in page
    fingerprint = re.search(r'name="fingerprint" value="(\w+)"', page)
    admin.send(f"{planned.location}/apply", reason="T-1", fingerprint=fingerprint[1] if fingerprint else "")
    now = row(session)
    assert (now["aws_secret_access_key"], now["regex_filter"], now["presign_ttl"]) == (NEW, r"tasks/.*\.json$", 60)
    assert not now["aws_session_token"]
    admin.send(f"{planned.location}/undo", reason="T-1")
    assert row(session) == before


def test_nothing_of_ours_holds_the_secret(admin: Browser, session: Session, console: Console) -> None:
    change_row(session, TABLE, 1, aws_secret_access_key=OLD)
    planned = admin.send(
        "/storages/s3:1/settings", **fields(admin.text("/storages/s3:1/settings")) | {"aws_secret_access_key": NEW}
    )
    page = admin.text(planned.location)
    found = re.search(r'name="fingerprint" value="(\w+)"', page)
    admin.send(f"{planned.location}/apply", reason="T-2", fingerprint=found[1] if found else "")
    assert row(session)["aws_secret_access_key"] == NEW
    with console.store.read() as store:
        for table in ("plan", "audit_event", "finding", "run", "job"):
            for kept in store.execute(text(f'SELECT * FROM "{table}"')):
                assert OLD not in str(kept) and NEW not in str(kept), table


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("regex_filter", "*.jpg", "not a valid regular expression"),
        ("s3_endpoint", "minio:9000", "whole address"),
        ("s3_endpoint", "http://169.254.169.254/latest", "metadata service"),
        ("s3_endpoint", "http://ann:pw12345678@s3.example.com", "Leave the login out"),
        ("presign_ttl", "0", "whole number of minutes"),
        ("presign_ttl", "9" * 40, "whole number of minutes"),
        ("bucket", "", "cannot be empty"),
        ("bucket", "s3://bad bucket/..", "no bucket name"),
        ("prefix", "p" * 5000, "at most 1,024 bytes"),
        ("aws_secret_access_key", "two words", "blank"),
        ("region_name", "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00", "looks like a secret"),
        ("prefix", "a\x00b", "NUL"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_by_its_field(
    admin: Browser, session: Session, field: str, value: str, told: str
) -> None:
    before = row(session)
    answer = admin.send("/storages/s3:1/settings", **fields(admin.text("/storages/s3:1/settings")) | {field: value})
    assert answer.status_code == 422
    assert told in answer.get_data(as_text=True)
    assert row(session) == before


def test_the_same_values_make_no_plan(admin: Browser) -> None:
    answer = admin.send("/storages/s3:1/settings", **fields(admin.text("/storages/s3:1/settings")))
    assert answer.status_code == 422 and "holds these values already" in answer.get_data(as_text=True)


def test_a_parents_column_is_changed_in_the_parent(admin: Browser, session: Session) -> None:
    form = fields(admin.text("/storages/gcs:1/settings")) | {"prefix": "other/", "presign_ttl": "30"}
    page = admin.text(admin.send("/storages/gcs:1/settings", **form).location)
    assert "io_storages_gcsstoragemixin 1" in page and "io_storages_gcsimportstorage 1" in page


def test_a_key_that_nobody_can_read_is_refused(admin: Browser) -> None:
    form = fields(admin.text("/storages/gcs:1/settings")) | {"google_application_credentials": "[" * 15_000}
    answer = admin.send("/storages/gcs:1/settings", **form)
    assert answer.status_code == 422 and "It is no JSON" in answer.get_data(as_text=True)


@BOTH_ENGINES
def test_a_sync_that_hangs_is_marked_failed(admin: Browser, session: Session) -> None:
    assert "The sync hangs" not in admin.text("/storages/s3:1/settings")
    assert admin.send("/storages/s3:1/settings", mark_failed="true").status_code == 422
    change_row(session, TABLE, 1, status="in_progress")
    assert "The sync hangs" in admin.text("/storages/s3:1/settings")
    planned = admin.send("/storages/s3:1/settings", mark_failed="true")
    page = admin.text(planned.location)
    found = re.search(r'name="fingerprint" value="(\w+)"', page)
    admin.send(f"{planned.location}/apply", reason="stuck", fingerprint=found[1] if found else "")
    assert row(session)["status"] == "failed" and "LS Console marked" in row(session)["traceback"]


def test_support_may_plan_and_not_apply(support: Browser, session: Session) -> None:
    planned = support.send(
        "/storages/s3:1/settings", **fields(support.text("/storages/s3:1/settings")) | {"regex_filter": ".*"}
    )
    assert planned.status_code == 303
    assert support.send(f"{planned.location}/apply", reason="x").status_code == 403


def test_an_empty_path_of_redis_is_a_text(admin: Browser, session: Session, console: Console) -> None:
    change_row(session, "io_storages_redisstoragemixin", 1, path=None)
    planned = console.plan_settings("redis:1", {"path": ""}, by="test")
    console.apply(planned.id, by="test", reason="T-4", seen=planned.fingerprint)
    session.rollback()
    assert session.execute(text("SELECT path FROM io_storages_redisstoragemixin WHERE id = 1")).scalar_one() == ""
