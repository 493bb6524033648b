"""Every state of a job and of a worker, made by real workers of four release lines of rq, read the same way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import redis

from console.deployment.queues import STATES, Filter, QueueReader
from console.deployment.redis_reading import READ_COMMANDS
from tests import rq_releases, servers
from tests.redis_watch import Monitor, everything

SYNC = "io_storages.base_models.import_sync_background"


@dataclass
class Scene:
    """One Redis after a day with workers of one release."""

    release: str
    url: str
    library: rq_releases.Library
    raw: redis.Redis
    reader: QueueReader
    jobs: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2].partition("/")[0])


@pytest.fixture(scope="module", params=rq_releases.RELEASES)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    release = request.param
    with ExitStack() as stack:
        url = stack.enter_context(servers.redis_server())
        library = stack.enter_context(rq_releases.Library(release, url))
        scene = Scene(release, url, library, redis.Redis.from_url(url), QueueReader(url))
        stack.callback(scene.reader.close)
        jobs = scene.jobs
        jobs["lost"] = library.enqueue("critical", "slow", 60)
        jobs["started"] = library.enqueue("default", "slow", 60, kwargs={}, job_timeout=3600)
        lost = stack.enter_context(rq_releases.worker(release, url, ["critical"], name="lost"))
        stack.enter_context(rq_releases.worker(release, url, ["default", "high"], name="busy"))
        jobs["finished"] = library.enqueue("low", "echo", "fine", meta={"user_id": 3, "organization_id": 1})
        jobs["failed"] = library.enqueue("low", "fail", "password=hunter2 is wrong")
        rq_releases.work(release, url, ["low"])
        lost.wait_until(lambda: library.status(jobs["lost"]) == library.status(jobs["started"]) == "started")
        lost.kill()
        meta = {"project": 12, "storage": 4}
        jobs["queued"] = library.enqueue("low", SYNC, "S3ImportStorage", 4, kwargs={"organization_id": 1}, meta=meta)
        jobs["next"] = library.enqueue("low", "ok", at_front=True)
        jobs["json"] = library.enqueue("nightly", "echo", {"token": "hunter2"}, json_serializer=True)
        jobs["scheduled"] = library.enqueue("low", "ok", in_seconds=3600, retry={"max": 3, "interval": 60})
        jobs["deferred"] = library.enqueue("low", "ok", depends_on=jobs["queued"])
        jobs["canceled"] = library.enqueue("low", "ok")
        library.cancel(jobs["canceled"])
        yield scene


PLACES = {
    "queued": ("low", "queued"), "next": ("low", "queued"), "json": ("nightly", "queued"), "finished": ("low", "finished"),
    "failed": ("low", "failed"), "scheduled": ("low", "scheduled"), "deferred": ("low", "deferred"),
    "canceled": ("low", "canceled"), "started": ("default", "started"), "lost": ("critical", "started"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_a_job_is_found_where_it_is(scene: Scene, name: str):
    queue, state = PLACES[name]
    page = scene.reader.page(queue, state)
    [job] = [job for job in page.jobs if job.id == scene.jobs[name]]
    assert page.total == len(page.jobs)
    assert job.status == state and job.origin == queue and not job.gone and not job.problems
    assert job.status == scene.library.status(job.id, json_serializer=name == "json")
    assert job.created_at and abs(datetime.now(UTC) - job.created_at) < timedelta(minutes=5)
    detail = scene.reader.detail(job.id)
    assert detail and detail.places == (state,) and detail.job == scene.reader.job(job.id)
    search = scene.reader.search(queue, state, Filter(text=job.id[4:20]))
    assert [found.id for found in search.jobs] == [job.id] and search.complete


def test_every_other_list_of_the_queue_is_told_too(scene: Scene):
    counts = {queue.name: queue for queue in scene.reader.queues()}
    low = counts["low"]
    assert (low.waiting, low.started, low.failed, low.deferred) == (2, 0, 1, 1)
    assert (low.scheduled, low.finished, low.canceled) == (1, 1, 1)
    assert counts["default"].started == counts["critical"].started == counts["nightly"].waiting == 1
    assert low.oldest_enqueued_at and low.next_scheduled_at and low.next_scheduled_at > datetime.now(UTC)
    assert not low.problems and list(counts)[:4] == ["critical", "high", "default", "low"]
    for state in STATES:
        assert scene.reader.page("high", state).total == 0


def test_order_and_position_of_waiting_jobs(scene: Scene):
    ids = [scene.jobs["next"], scene.jobs["queued"]]
    assert [job.id for job in scene.reader.page("low", "queued").jobs] == ids
    assert [job.id for job in scene.reader.page("low", "queued", newest_first=True).jobs] == ids[::-1]
    assert [job.id for job in scene.reader.page("low", "queued", 1, 1).jobs] == ids[1:]
    detail = scene.reader.detail(scene.jobs["queued"])
    assert detail and (detail.position, detail.waiting) == (2, 2)


def test_a_failed_job_tells_its_error_without_its_secret(scene: Scene):
    [job] = scene.reader.failed("low")[1]
    assert job.function == "jobs_for_tests.fail"
    assert job.exception_line == "ValueError: password=•••••••• is wrong"
    assert job.exception and "Traceback" in job.exception and "hunter2" not in repr(scene.reader.detail(job.id))
    assert job.started_at and job.ended_at and job.ended_at >= job.started_at
    [page_job] = scene.reader.page("low", "failed").jobs
    assert page_job.until and page_job.until > datetime.now(UTC) + timedelta(days=300)  # rq's own year
    [group] = scene.reader.groups("low").groups
    assert (group.function, group.jobs, group.example_id) == ("jobs_for_tests.fail", 1, job.id)
    assert group.exception == "ValueError: password=•••••••• is wrong" == group.example_error


def test_arguments_and_what_a_sync_belongs_to(scene: Scene):
    detail = scene.reader.detail(scene.jobs["queued"])
    assert detail and detail.serializer == "pickle" and detail.job.function == SYNC
    assert [(item.name, item.text) for item in detail.arguments] == [
        ("", "'S3ImportStorage'"), ("", "4"), ("organization_id", "1"),
    ]  # fmt: skip
    assert {item.name: item.text for item in detail.meta} == {"project": "12", "storage": "4"}
    assert (detail.about.project_id, detail.about.storage, detail.about.organization_id) == (12, "s3:4", 1)
    assert detail.about.row == ("storage", "s3:4")
    assert detail.dependents == (scene.jobs["deferred"],)
    done = scene.reader.detail(scene.jobs["finished"])
    assert done and (done.about.user_id, done.about.organization_id) == (3, 1)
    found = scene.reader.search("low", "queued", Filter(project_id=12, storage="s3:4", function="import_sync"))
    assert [job.id for job in found.jobs] == [scene.jobs["queued"]] and (found.total, found.looked_at) == (2, 2)


def test_a_job_of_the_json_serializer(scene: Scene):
    detail = scene.reader.detail(scene.jobs["json"])
    assert detail and detail.serializer == "json"
    assert [item.text for item in detail.arguments] == ["{'token': ••••••••}"]


def test_what_a_deferred_and_a_scheduled_job_wait_for(scene: Scene):
    deferred = scene.reader.detail(scene.jobs["deferred"])
    assert deferred and deferred.depends_on == ((scene.jobs["queued"], "queued"),)
    [scheduled] = scene.reader.page("low", "scheduled").jobs
    assert scheduled.until and abs(scheduled.until - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=2)
    assert scheduled.retries_left == 3


def test_running_jobs_and_their_executions(scene: Scene):
    detail = scene.reader.detail(scene.jobs["started"])
    assert detail and detail.executions == (0 if scene.release.startswith("1.") else 1)
    assert detail.job.worker_name == "busy" and detail.job.timeout_seconds == 3600 and detail.job.started_at
    [job] = scene.reader.page("default", "started").jobs
    assert job.until and job.until > datetime.now(UTC)


def test_workers_and_the_one_that_was_killed(scene: Scene):
    now = datetime.now(UTC)
    workers = {worker.name: worker for worker in scene.reader.workers(now)}
    assert set(workers) == {"busy", "lost"}
    busy = workers["busy"]
    assert busy.alive and busy.state == "busy" and busy.current_job == scene.jobs["started"]
    assert busy.queues == ("default", "high") and busy.hostname and busy.pid and busy.birth and busy.ip_address
    assert busy.rq_version == scene.library.versions()[0]
    assert busy.python_version and busy.python_version.startswith("3.")
    assert busy.heartbeat_age_seconds is not None and busy.heartbeat_age_seconds < 60
    assert (busy.jobs_done, busy.jobs_failed, busy.stopping_since) == (0, 0, None)
    later = {worker.name: worker for worker in scene.reader.workers(now + timedelta(minutes=11))}
    assert not later["lost"].alive and "last heartbeat" in str(later["lost"].why_dead)
    assert later["lost"].current_job == scene.jobs["lost"] and later["lost"].state == "busy"
    queues = {queue.name: queue.workers_alive for queue in scene.reader.queues(now)}
    assert (queues["critical"], queues["high"], queues["low"]) == (1, 1, 0)


def test_what_was_done_lately(scene: Scene):
    hour = scene.reader.throughput("low", datetime.now(UTC) - timedelta(hours=1))
    assert (hour.finished, hour.failed, hour.exact) == (1, 1, True)
    assert hour.finished_since > hour.since  # rq keeps a finished job for 500 s
    none = scene.reader.throughput("low", datetime.now(UTC) + timedelta(minutes=5))
    assert (none.finished, none.failed) == (0, 0)


def test_looking_at_all_of_it_changes_nothing(scene: Scene):
    before = everything(scene.raw)
    reader = QueueReader(scene.url)
    with Monitor(scene.port) as monitor:
        reader.ping()
        reader.info()
        reader.suspended()
        reader.workers()
        for queue in reader.queues():
            reader.throughput(queue.name, datetime.now(UTC))
            for state in STATES:
                for job in reader.page(queue.name, state).jobs:
                    reader.detail(job.id)
                reader.search(queue.name, state, Filter(text="a"), budget_seconds=None)
                reader.groups(queue.name, state)
                reader.matching_ids(queue.name, state, Filter(function="echo"), 10)
    assert monitor.commands and monitor.commands <= READ_COMMANDS
    assert everything(scene.raw) == before
    reader.close()


def test_rq_itself_goes_on_afterwards(scene: Scene):
    """Last of the story: a worker of the release takes what waits, and every count follows."""
    reader, library = scene.reader, scene.library
    rq_releases.work(scene.release, scene.url, ["nightly"], json_serializer=True)
    assert library.result(scene.jobs["json"], json_serializer=True)
    assert [job.id for job in reader.page("nightly", "finished").jobs] == [scene.jobs["json"]]
    library.requeue(scene.jobs["failed"])
    assert reader.page("low", "failed").total == 0
    assert reader.search("low", "failed", Filter(function="fail")).matched == 0
    rq_releases.work(scene.release, scene.url, ["low"])
    assert reader.groups("low").groups[0].function in {"jobs_for_tests.fail", SYNC}
    assert {queue.name: queue.waiting for queue in reader.queues()}["low"] == 0
