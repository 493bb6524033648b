"""The page of a storage and what is started from it: access, dry run, filters, plans of suggestions, syncs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console import jobs
from console.config import Settings
from console.service import Console
from console.state import storage_reports
from tests.factories import make_project, make_row
from tests.s3_server import SECRET, Cors, FakeBucket, S3Server
from tests.views.conftest import Browser, assert_queries
from tests.views.test_findings import make_finding

TABLE = "io_storages_s3importstorage"
TASK = b'{"text": "a task"}'


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, label_studio_url="http://label.example.com", bucket_endpoints=("127.0.0.1",))


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> FakeBucket:
    return s3.bucket("data", {f"tasks/{n}.json": TASK for n in range(4)} | {"tasks/<b>.png": b"png"}, cors=[Cors()])


def planted(session: Session, s3: S3Server, table: str = TABLE, **columns: Any) -> str:
    """A storage of a project of its own; its reference."""
    row = s3.row("data", prefix="tasks") | {
        "title": "Tasks of <i>ours</i>", "project_id": make_project(session).id, "use_blob_urls": False, "presign": True,
        "presign_ttl": 1, "recursive_scan": True, "regex_filter": r".*\.json$", "status": "initialized",
        "synchronizable": True, "meta": {}, "can_delete_objects": None,
    }  # fmt: skip
    made = make_row(session, table, **row | columns)
    return f"{'s3' if table == TABLE else 's3-export'}:{made.id}"


def looked_at(admin: Browser, reference: str, what: str = "look", **form: Any) -> str:
    """Start it and give the text of the page afterwards; jobs run inside the request."""
    response = admin.send(f"/storages/{reference}/{what}", **form)
    assert response.status_code == 303, response.get_data(as_text=True)
    return admin.text(f"/storages/{reference}")


def shown(body: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", body[body.index("<main") :]))


def test_nothing_seen_yet(admin: Browser, session: Session, s3: S3Server, bucket: FakeBucket) -> None:
    body = shown(admin.text(f"/storages/{planted(session, s3)}"))
    assert "Nobody has looked into this bucket yet" in body and "No dry run yet" in body
    assert "Try a filter" not in body and "which way?" not in body and "IAM policy of a source" in body
    assert not s3.log  # looking at a page asks no bucket


def test_access_is_looked_at_and_shown(admin: Browser, session: Session, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["GET"] = "deny"
    body = looked_at(admin, planted(session, s3))
    text = shown(body)
    assert "2 cells are red" not in text and "1 cell is red: GET" in text
    assert "AccessDenied" in text and "s3:GetObject" in text and 'data-copy="{&#34;Effect&#34;' in body
    assert "Tasks of &lt;i&gt;ours" in body and SECRET not in body
    assert "GET is missing" in text and "Try a filter on the real keys" in text


def test_writing_takes_the_right_to_fix(
    admin: Browser, support: Browser, session: Session, s3: S3Server, bucket: FakeBucket
) -> None:
    reference = planted(session, s3)
    assert support.send(f"/storages/{reference}/look", consent="yes").status_code == 403
    assert "marker object too" not in support.text(f"/storages/{reference}")
    assert support.send(f"/storages/{reference}/look").status_code == 303
    assert not [seen for seen in s3.log if seen.operation in {"PUT", "DELETE"}]
    looked_at(admin, reference, consent="yes")
    assert [seen.operation for seen in s3.log if seen.operation in {"PUT", "DELETE"}] == ["PUT", "DELETE"]


def test_a_dry_run_counts_and_suggests(admin: Browser, session: Session, s3: S3Server, bucket: FakeBucket) -> None:
    reference = planted(session, s3, regex_filter="*.json")
    body = looked_at(admin, reference, "dry-run")
    assert "Every sync fails before it lists anything" in body and "Review fix" in body
    text = shown(
        looked_at(
            admin, reference, "dry-run", changed="yes", boxes="yes", prefix="tasks", regex_filter="", recursive="true"
        )
    )
    assert "With other settings than stored: filter empty" in text
    assert "Listed below tasks 5" in text and "Would fail" in text and "sync would stop at tasks/&lt;b&gt;.png" in text


def test_what_is_suggested_becomes_a_plan(
    admin: Browser, console: Console, session: Session, s3: S3Server, bucket: FakeBucket
) -> None:
    reference = planted(session, s3, regex_filter="*.json")
    response = admin.send(f"/storages/{reference}/suggestion", regex_filter=r".*\.json$")
    assert response.status_code == 303 and "/plans/" in response.location
    assert r".*\.json$" in admin.text(response.location)
    assert admin.send(f"/storages/{reference}/suggestion", regex_filter="[").status_code == 400
    assert admin.send(f"/storages/{reference}/suggestion").status_code == 400


def test_what_was_seen_before_a_change_is_told_as_old(
    admin: Browser, session: Session, s3: S3Server, bucket: FakeBucket
) -> None:
    reference = planted(session, s3)
    looked_at(admin, reference)
    body = looked_at(admin, reference, "dry-run")
    assert "after this" not in body
    text = shown(looked_at(admin, reference, "sync"))
    assert text.count("A sync ran after this") == 2  # the access is as it was
    assert "A sync ran after this" not in looked_at(admin, reference, "dry-run").partition('id="keys"')[0]
    plan = admin.send(f"/storages/{reference}/suggestion", regex_filter=r".*\.csv$").location
    fingerprint = re.search(r'name="fingerprint" value="([^"]+)"', admin.text(plan))
    assert fingerprint
    assert admin.send(f"{plan}/apply", fingerprint=fingerprint[1], reason="a test").status_code == 303
    text = shown(admin.text(f"/storages/{reference}"))
    assert text.count("The settings were changed after this") == 3 and r'value=".*\.csv$"' not in text


def test_a_filter_is_tried_while_typing(admin: Browser, session: Session, s3: S3Server, bucket: FakeBucket) -> None:
    reference = planted(session, s3)
    looked_at(admin, reference)
    s3.log.clear()

    def tried(pattern: str) -> str:
        token = re.search(r'name="csrf_token" value="([^"]+)"', admin.get("/jobs/").get_data(as_text=True))
        assert token
        form = {"csrf_token": token[1], "filter": pattern}
        answer = admin.post(f"/storages/{reference}/filter", data=form, headers={"HX-Request": "true"})
        assert answer.status_code == 200
        return answer.get_data(as_text=True)

    assert "<strong>4</strong> of 5 keys match" in tried(r".*\.json$")
    assert "<strong>5</strong>" in tried("")
    assert "tasks/&lt;b&gt;.png" in tried(".*png") and "<strong>0</strong>" in tried("png")
    assert "not a valid regular expression" in tried("[")
    assert "up to 2,000 are tried" in tried("a" * 5000)
    assert not s3.log  # the bucket is not asked again
    response = admin.send(f"/storages/{reference}/filter", filter=".*png")
    assert response.status_code == 303 and "1</strong> of 5 keys" in admin.text(response.location)


def test_a_catastrophic_filter_ends_in_time(admin: Browser, session: Session, s3: S3Server) -> None:
    s3.bucket("data", {"tasks/" + "a" * 60: b"x"})
    reference = planted(session, s3, regex_filter=None)
    looked_at(admin, reference)
    body = admin.text(f"/storages/{reference}?filter=(?=t)tasks/(a|a)*b")
    assert "took longer than 1 s" in body


def test_a_sync_takes_the_right_to_fix_and_makes_tasks(
    admin: Browser, support: Browser, console: Console, session: Session, s3: S3Server, bucket: FakeBucket
) -> None:
    reference = planted(session, s3)
    assert support.send(f"/storages/{reference}/sync").status_code == 403
    assert "Sync now" not in support.text(f"/storages/{reference}")
    make_finding(console, subject=f"storage:{reference}", summary="Objects wait")
    assert "A sync ran after these" not in admin.text(f"/storages/{reference}")
    text = shown(looked_at(admin, reference, "sync"))
    assert "A sync ran after these were seen" in text and "Objects wait" in text
    assert "4 tasks" in text and "completed" in text
    assert "4 new tasks; 5 objects listed, 0 tasks were there before" in text and "Open result" not in text
    assert "Linked already to 4 tasks" in shown(looked_at(admin, reference, "dry-run"))


def test_a_job_that_fails_says_why_on_the_page(admin: Browser, session: Session, s3: S3Server) -> None:
    text = shown(looked_at(admin, planted(session, s3), "dry-run"))  # there is no such bucket
    assert "Dry run of" in text and "There is no bucket data" in text


def test_the_same_look_is_not_started_twice(
    admin: Browser,
    console: Console,
    session: Session,
    s3: S3Server,
    bucket: FakeBucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "perform", lambda *_: None)
    reference = planted(session, s3)
    admin.send(f"/storages/{reference}/look")
    admin.send(f"/storages/{reference}/look")
    assert len(jobs.running(console.store, "matrix")) == 1
    body = admin.text(f"/storages/{reference}")
    assert "is under way already" in body and 'hx-get="/jobs/' in body
    admin.send("/storages/look")
    admin.send("/storages/look")
    assert len(jobs.running(console.store, "matrix")) == 2
    assert "Look at all storages" in admin.text("/storages/")


def test_all_storages_as_a_matrix(
    admin: Browser, console: Console, session: Session, s3: S3Server, bucket: FakeBucket
) -> None:
    reference = planted(session, s3)
    looked_at(admin, reference)
    body = admin.text("/storages/")
    assert "1 has been looked at, 0 have a red cell" in body and "bucket seen" in body
    with assert_queries(console.deployment.engine, at_most=2):
        admin.text("/storages/")
    row = next(part for part in body.split("<tr>") if f'/storages/{reference}"' in part)
    assert row.count("Works") == 4 and row.count("Not needed") == 4 and row.count("Not tried") == 2


def test_the_storages_of_a_project(admin: Browser, session: Session, s3: S3Server, bucket: FakeBucket) -> None:
    reference = planted(session, s3)
    project = session.execute(session.info["schema"].table(TABLE).select()).mappings().all()[-1]["project_id"]
    body = admin.text(f"/storages/?project={project}")
    assert f'/storages/{reference}"' in body and "/storages/s3:1" not in body
    assert f"Look at the 1 of project {project}" in body
    assert admin.send("/storages/look", project=str(project)).location.endswith(f"/storages/?project={project}")
    assert "1 has been looked at" in admin.text(f"/storages/?project={project}")
    assert "This project has no storage" in admin.text("/storages/?project=999999")


def test_who_else_sees_the_objects(admin: Browser, session: Session, s3: S3Server) -> None:
    mine, other = (
        planted(session, s3),
        planted(session, s3, "io_storages_s3exportstorage", title="Labels", prefix="tasks/out"),
    )
    text = shown(admin.text(f"/storages/{mine}"))
    assert "On the same objects" in text and "Labels lies inside; Amazon S3, target" in text
    project = session.execute(session.info["schema"].table(TABLE).select()).mappings().all()[-1]["project_id"]
    text = shown(admin.text(f"/records/project/details/?id={project}"))
    assert "Storages on the same objects" in text and other in text


def test_a_target_shows_what_a_target_has(admin: Browser, session: Session, s3: S3Server, bucket: FakeBucket) -> None:
    text = shown(looked_at(admin, planted(session, s3, "io_storages_s3exportstorage")))
    assert "connection test passes" in text and "s3:PutObject" in text
    assert "What Sync would do" not in text and "which way?" not in text


def test_a_storage_that_is_switched_off(admin: Browser, session: Session, s3: S3Server) -> None:
    text = shown(admin.text(f"/storages/{planted(session, s3, synchronizable=False)}"))
    assert "switched off" in text and "Sync now" not in text


@pytest.mark.parametrize("what", ["look", "dry-run", "sync", "filter", "suggestion"])
def test_a_storage_that_is_not_there(admin: Browser, what: str) -> None:
    assert admin.send(f"/storages/s3:999/{what}").status_code == 404


def test_reports_of_odd_shapes_are_not_ours_to_guess(
    admin: Browser, console: Console, session: Session, s3: S3Server
) -> None:
    reference = planted(session, s3)
    identity = console.deployment.identity
    storage_reports.save(
        console.store,
        identity,
        reference,
        "keys",
        {"keys": [], "more": False, "names_only": False, "deeper": False},
        by="x",
    )
    assert "Try a filter" not in admin.text(f"/storages/{reference}")
