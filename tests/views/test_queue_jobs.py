"""Jobs of a queue by state, the page of one job, plans made from both, and why a project's exports hang."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from rq import Queue
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment.queues import STATES, QueueReader
from console.diagnostics import plan as plans
from console.service import Console
from console.state.models import PlanRow
from console.views import queue_jobs
from tests import servers
from tests.factories import make_row
from tests.many_jobs import many_failed
from tests.seven_states import HOSTILE, fill, keys
from tests.views.conftest import Browser

REFUSED = {400, 403, 409, 422}


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def settings(settings: Settings, redis_url: str, raw: redis.Redis) -> Settings:
    return replace(settings, redis_url=redis_url)


def made(console: Console, response: object) -> PlanRow:
    """The plan that a form led to."""
    location = response.location  # type: ignore[attr-defined]
    assert "/plans/" in (location or ""), response.get_data(as_text=True)  # type: ignore[attr-defined]
    return plans.get(console.store, location.rsplit("/", 1)[1])


def test_every_state_has_its_list_and_every_job_its_page(admin: Browser, raw: redis.Redis) -> None:
    jobs = fill(raw)
    before = keys(raw)
    actions = {"queued": {"cancel", "delete"}, "started": {"stop", "requeue"}, "failed": {"requeue", "delete"},
               "deferred": {"requeue", "cancel", "delete"}, "scheduled": {"requeue", "cancel", "delete"},
               "finished": {"requeue", "delete"}, "canceled": {"requeue", "delete"}}  # fmt: skip
    for state in STATES:
        body = admin.text(f"/queues/jobs?queue=low&state={state}")
        assert jobs[state] in body, state
        assert set(re.findall(r'name="action" value="(\w+)"', body)) == actions[state]
        assert HOSTILE not in body
        detail = admin.text(f"/queues/job?id={jobs[state]}")
        assert jobs[state] in detail and HOSTILE not in detail
    assert keys(raw) == before


def test_a_job_whose_worker_is_gone_may_be_requeued_and_not_stopped(admin: Browser, raw: redis.Redis) -> None:
    body = admin.text(f"/queues/job?id={fill(raw)['started']}")
    assert "nobody runs this job" in body and "Plan requeue" in body and "Plan stop" not in body


def test_the_page_of_a_job_tells_what_it_belongs_to(admin: Browser, raw: redis.Redis) -> None:
    jobs = fill(raw)
    body = admin.text(f"/queues/job?id={jobs['queued']}")
    for link in ("/records/project/details/?id=2", "/storages/s3:13", "/records/user/details/?id=1", "/queues/why/2"):
        assert link in body.replace("&#39;", "'"), link
    assert "never unpickled" in body and "organization_id" in body
    deferred = admin.text(f"/queues/job?id={jobs['deferred']}")
    assert "it-is-due" in deferred, "what it waits for"
    assert "An error occurred" in admin.text(f"/queues/job?id={jobs['failed']}") or "Traceback" in admin.text(
        f"/queues/job?id={jobs['failed']}"
    )


NOWHERE = (
    "/queues/job?id=", "/queues/job?id=nothing", "/queues/job?id=%00%0a%1b[31m", f"/queues/job?id={'x' * 20_000}",
    "/queues/jobs?queue=nowhere", "/queues/jobs", "/queues/jobs?queue=low&state=lost", f"/queues/jobs?queue=low&state={'x' * 9000}",
    "/queues/jobs?queue=%3Cscript%3E", "/queues/why/999999", "/queues/why/99999999999999999999",
)  # fmt: skip


def test_what_does_not_exist_is_not_found(admin: Browser, raw: redis.Redis) -> None:
    many_failed(raw, 1)
    for place in NOWHERE:
        body = admin.text(place, 404)
        assert "<script>alert" not in body and "Traceback" not in body


FILTERS = (
    "text=%00", "text=%3Cb%3E%22", f"text={'x' * 20_000}", "function=%00%1b", "project=abc", "project=-1", "project=%00",
    "project=99999999999999999999", "project=%D9%A3", "storage=%27%3B--", "page=0", "page=-1", "page=x", "page=99999999999999",
    "error=", "error=%00", "text=%F0%9F%92%A9", "text=%ff",
)  # fmt: skip


def test_filters_take_anything(admin: Browser, raw: redis.Redis) -> None:
    many_failed(raw, 3)
    for given in FILTERS:
        body = admin.text(f"/queues/jobs?queue=low&state=failed&{given}")
        assert "<b>&#34;" not in body and "Failed jobs of low" in body


def test_a_project_that_is_no_number_fits_nothing_instead_of_everything(
    admin: Browser, console: Console, raw: redis.Redis
) -> None:
    fill(raw)
    form = {"queue": "low", "state": "failed", "action": "delete", "scope": "all", "project": "twelve"}
    response = admin.send("/queues/jobs/plan", **form)
    assert response.status_code == 404
    assert "No job fits" in admin.text("/queues/jobs?queue=low&state=failed&project=twelve")


def test_filters_narrow_and_stay_in_the_form(admin: Browser, raw: redis.Redis) -> None:
    many_failed(raw, 40)
    body = admin.text("/queues/jobs?queue=low&state=failed&function=async_import&project=4")
    assert "1 to 1 of 1 jobs" in body and 'name="project" value="4"' in body
    again = admin.text("/queues/jobs?queue=low&state=failed&text=AccessDenied")
    assert "1 to 10 of 10 jobs" in again


def test_chosen_jobs_become_a_plan_that_is_applied_and_undone(
    admin: Browser, console: Console, raw: redis.Redis
) -> None:
    jobs = fill(raw)
    before = keys(raw)
    form = {"queue": "low", "state": "failed", "action": "requeue", "job": jobs["failed"]}
    plan = made(console, admin.send("/queues/jobs/plan", **form))
    assert plan.title == f"Requeue failed job {jobs['failed']} of low" and plan.total == 1
    body = admin.text(f"/plans/{plan.id}")
    assert "Before you run it again" in body and "Plan again" not in body
    assert keys(raw) == before, "a plan writes nothing"
    admin.send(f"/plans/{plan.id}/apply", reason="T-1", fingerprint=plan.fingerprint)
    assert raw.lpos("rq:queue:low", jobs["failed"]) is not None
    again = admin.send(f"/plans/{plan.id}/apply", reason="T-1", fingerprint=plan.fingerprint)
    assert again.status_code == 303 and raw.lrange("rq:queue:low", 0, -1).count(jobs["failed"].encode()) == 1
    assert "brings each job back" in admin.text(f"/plans/{plan.id}")
    admin.send(f"/plans/{plan.id}/undo", reason="T-2")
    assert plans.get(console.store, plan.id).status == "undone"
    assert raw.zscore("rq:failed:low", jobs["failed"]) is not None and raw.lpos("rq:queue:low", jobs["failed"]) is None


def test_groups_of_failed_jobs_become_one_plan(admin: Browser, console: Console, raw: redis.Redis) -> None:
    many_failed(raw, 12, "low")
    many_failed(raw, 6, "default", first=500)
    for _ in range(20):
        body = admin.text("/queues/")
        groups = re.findall(r'name="group" value="([^"]+)" data-pick="(\d+)"', body)
        if sum(int(number) for _, number in groups) == 18:
            break
    assert "18</b> all" in body and "6</b> default" in body
    only = admin.text("/queues/?queue=default")
    assert len(re.findall('name="group"', only)) < len(groups)
    values = [value.replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
              for value, _ in groups]  # fmt: skip
    response = admin.send("/queues/jobs/plan", groups="1", action="delete", group=values)
    plan = made(console, response)
    assert plan.total == 18 and plan.subject == "" and plan.title == "Delete 18 failed jobs of low and default"
    first = made(console, admin.send("/queues/jobs/plan", groups="1", action="requeue", group=values[:1]))
    assert first.total == int(groups[0][1])


def test_a_group_that_cannot_be_read_is_refused(admin: Browser, raw: redis.Redis) -> None:
    many_failed(raw, 1)
    for value in ("", "[]", "{}", "null", "[1,2]", "\x00", "[" * 100_000, '["low","x","y","z"]', '["\\ud800","x","y"]'):
        response = admin.send("/queues/jobs/plan", groups="1", action="requeue", group=value)
        assert response.status_code in REFUSED | {404, 413}, (value[:20], response.status_code)


MISFITS = (
    {"action": "stop", "state": "failed"}, {"action": "explode", "state": "failed"}, {"action": "requeue", "state": "queued"},
    {"action": "requeue", "state": "nowhere"}, {"action": "", "state": ""}, {"action": "cancel", "state": "started"},
)  # fmt: skip


def test_an_action_that_does_not_fit_is_refused_in_words(admin: Browser, raw: redis.Redis) -> None:
    many_failed(raw, 1)
    for form in MISFITS:
        response = admin.send("/queues/jobs/plan", queue="low", job="some-job", **form)
        assert response.status_code in REFUSED and "cannot be told to" in response.get_data(as_text=True)


def test_nothing_chosen_leads_back_with_the_filter(admin: Browser, raw: redis.Redis) -> None:
    fill(raw)
    response = admin.send("/queues/jobs/plan", queue="low", state="failed", action="requeue", text="denied")
    assert response.status_code == 303 and "text=denied" in response.location
    assert "Choose at least one job" in admin.text("/queues/jobs?queue=low&state=failed")
    empty = admin.send("/queues/jobs/plan", groups="1", action="requeue")
    assert empty.location == "/queues/"


def test_the_consoles_own_queue_is_no_business_of_this_page(admin: Browser, raw: redis.Redis) -> None:
    fill(raw, "lsconsole")
    response = admin.send("/queues/jobs/plan", queue="lsconsole", state="failed", action="delete", scope="all")
    assert response.status_code in REFUSED and "own jobs" in response.get_data(as_text=True)


def test_ids_of_any_size_and_kind_do_no_harm(admin: Browser, console: Console, raw: redis.Redis) -> None:
    fill(raw)
    for job_id in ("x" * 10_000_000, "\x00\x1b[31m", HOSTILE, "é" * 400, "it-waits\n"):
        response = admin.send("/queues/jobs/plan", queue="low", state="queued", action="delete", job=job_id)
        assert response.status_code in {303, 400, 404, 413}, response.status_code
        if response.status_code == 303:
            plan = made(console, response)
            assert HOSTILE not in admin.text(f"/plans/{plan.id}")
            admin.send(f"/plans/{plan.id}/apply", reason="T-1", fingerprint=plan.fingerprint)
            assert plans.get(console.store, plan.id).status in {"conflict", "failed"}
    assert raw.lpos("rq:queue:low", "it-waits") is not None


def test_support_looks_and_is_offered_nothing(support: Browser, raw: redis.Redis) -> None:
    jobs = fill(raw)
    for page in ("/queues/", "/queues/jobs?queue=low&state=failed", f"/queues/job?id={jobs['failed']}"):
        body = support.text(page)
        assert "data-pick=" not in body and "Plan requeue" not in body and "Plan to forget" not in body, page
        assert "Test the queues" not in body
    response = support.send("/queues/jobs/plan", queue="low", state="failed", action="requeue", job=jobs["failed"])
    assert response.status_code == 403


def stuck_snapshot(session: Session) -> int:
    """A snapshot of project 2 that has been under way for days, and no job."""
    row = make_row(session, "data_export_export", created_at="2024-01-01 00:00:00", file="", md5="", status="in_progress", counters="{}",
                   project_id=2, title="For the audit")  # fmt: skip
    return int(row.id)


def test_why_an_export_hangs_and_its_fix(admin: Browser, console: Console, session: Session, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", "rq:queue:default")
    number = stuck_snapshot(session)
    assert "/queues/why/2" in admin.text("/records/project/details/?id=2")
    body = admin.text("/queues/why/2")
    assert "For the audit" in body and "1 of 1 needs somebody" in body and "export.snapshot_stuck" in body
    plan = made(console, admin.send("/queues/why/2/fix/export.snapshot_stuck"))
    assert plan.total == 1 and plan.code == "export.snapshot_stuck" and plan.finding_id
    admin.send(f"/plans/{plan.id}/apply", reason="T-1", fingerprint=plan.fingerprint)
    assert plans.get(console.store, plan.id).status == "applied"
    again = admin.send("/queues/why/2/fix/export.snapshot_stuck")
    assert again.location == "/queues/why/2", f"snapshot {number} is failed by now"
    assert admin.send("/queues/why/2/fix/jobs.failed").status_code == 404


def test_a_job_leads_to_the_project_of_its_export(admin: Browser, session: Session, raw: redis.Redis) -> None:
    number = stuck_snapshot(session)
    Queue("default", connection=raw).enqueue(
        "data_export.mixins.export_background", number, {}, None, None, job_id="an-export"
    )
    assert "/queues/why/2" in admin.text("/queues/job?id=an-export")
    Queue("default", connection=raw).enqueue(
        "data_export.mixins.export_background", 999_999, {}, None, None, job_id="orphan"
    )
    assert "no such row" in admin.text("/queues/job?id=orphan")


def test_names_that_are_no_text_are_shown_all_the_same(admin: Browser, raw: redis.Redis) -> None:
    fill(raw)
    raw.sadd("rq:queues", b"rq:queue:\xff\xfe", "rq:queue:" + HOSTILE, "rq:queue:" + "long" * 100)
    raw.rpush(b"rq:queue:\xff\xfe", b"\x00\xff", HOSTILE, "x" * 450)
    raw.zadd("rq:failed:low", {b"\xf0\x28": 9e9, HOSTILE: 9e9, "y" * 450: 9e9})
    raw.hset(
        b"rq:job:\xf0\x28",
        mapping={b"status": b"\xff", b"origin": b"\xfe", b"description": b"\xfd\x00", b"data": b"\x80"},
    )
    raw.sadd("rq:workers", b"rq:worker:\xff")
    raw.hset(
        b"rq:worker:\xff",
        mapping={b"queues": b"\xff,low", b"hostname": HOSTILE, b"state": b"\xff", b"current_job": b"\xf0\x28"},
    )
    seen: set[str] = set()
    for page in ("/queues/", "/queues/jobs?queue=low&state=failed", "/queues/live"):
        body = admin.text(page)
        assert HOSTILE not in body, page
        for link in {link.replace("&amp;", "&") for link in re.findall(r'href="(/queues/job[^"#]*)"', body)} - seen:
            assert HOSTILE not in admin.text(link)
            seen.add(link)
    assert len(seen) > 8


def test_the_search_box_takes_the_id_of_a_job(admin: Browser, raw: redis.Redis) -> None:
    fill(raw)
    response = admin.get("/search", query_string={"q": "rq:job:it-waits"})
    assert response.status_code == 302 and response.location == "/queues/job?id=it-waits"
    assert admin.get("/search", query_string={"q": "rq:job:" + "x" * 300}).status_code == 200


def test_long_registries_are_listed_and_filtered_quickly(admin: Browser, raw: redis.Redis) -> None:
    many_failed(raw, 8_000)
    for _ in range(40):
        if "were compared so far" not in admin.text("/queues/jobs?queue=low&state=failed&text=AccessDenied"):
            break
    for page in ("", "&page=100", "&text=AccessDenied", "&function=async_import&project=7"):
        begun = time.perf_counter()
        admin.text(f"/queues/jobs?queue=low&state=failed{page}")
        assert time.perf_counter() - begun < 0.6, page


def test_a_redis_that_went_away_is_said(admin: Browser, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.deployment, "redis", QueueReader("redis://someone:s3cretpassword@127.0.0.1:1/0", 1))
    for path in (
        "/queues/jobs?queue=low&state=failed",
        "/queues/job?id=x",
        "/queues/why/2",
        "/search?q=rq:job:x",
        "/queues/",
    ):
        body = admin.get(path).get_data(as_text=True)
        assert "s3cretpassword" not in body and "error of its own" not in body, path
    assert "127.0.0.1:1" in admin.get("/queues/job?id=x").get_data(as_text=True)
    assert "127.0.0.1:1" in admin.send(
        "/queues/jobs/plan", queue="low", state="failed", action="requeue", scope="all"
    ).get_data(as_text=True)


def test_a_running_job_near_its_time_limit_carries_a_warning() -> None:
    def near(minutes: int, state: str = "started") -> Any:
        job: Any = SimpleNamespace(started_at=datetime.now(UTC) - timedelta(minutes=minutes), timeout_seconds=6000)
        return queue_jobs._near_limit(job, state)

    assert near(70) is None and near(90, "failed") is None
    assert near(90)["left"] == pytest.approx(600, abs=5) and near(120)["left"] < 0
