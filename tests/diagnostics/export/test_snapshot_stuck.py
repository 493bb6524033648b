"""export.snapshot_stuck: snapshots that no job will end, and none that one may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.job import Job
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics import Finding, Unknown
from console.diagnostics.check import Context, Scope
from console.diagnostics.export.snapshot_stuck import snapshot_stuck
from console.errors import Conflict, ConsoleError
from console.service import Console
from console.state.models import JobRow
from tests.diagnostics.under_way import ago, make_snapshot, put_job, start_job
from tests.factories import BOTH_ENGINES, change_row
from tests.round_trip import assert_round_trip


def test_the_dumps_are_healthy(ctx: Context) -> None:
    assert list(snapshot_stuck.answers(ctx)) == []


@BOTH_ENGINES
def test_without_redis_a_request_that_ended(console: Console, ctx: Context, session: Session) -> None:
    snapshot = make_snapshot(session)
    [finding] = snapshot_stuck.run(ctx)
    assert (finding.subject, finding.name) == ("project:1", "Review sentiment")
    assert finding.summary.startswith(
        f"Snapshot {snapshot.id} has been in progress for 5 h 0 min, and the request that"
    )
    [row] = finding.evidence
    assert (row["id"], row["status"], row["title"], row["created_by_id"]) == (
        snapshot.id, "in_progress", "All of it", 1,
    )  # fmt: skip
    assert_round_trip(console, ctx, snapshot_stuck, "mark_failed", finding)


@pytest.mark.parametrize("version", ["1.8.2.post1", "1.13.1"])
def test_older_releases(console: Console, ctx: Context, session: Session) -> None:
    make_snapshot(session, status="created")
    [finding] = snapshot_stuck.run(ctx)
    assert_round_trip(console, ctx, snapshot_stuck, "mark_failed", finding)


def test_without_redis_a_long_request_is_left_alone(ctx: Context, session: Session) -> None:
    make_snapshot(session, hours=2.9)
    assert list(snapshot_stuck.answers(ctx)) == []


def test_where_snapshots_take_hours_more_is_waited(ctx: Context, session: Session) -> None:
    for number in range(5):
        make_snapshot(session, hours=100 + number, status="completed", finished_at=ago(98 + number))
    make_snapshot(session, hours=5)
    assert list(snapshot_stuck.answers(ctx)) == []
    make_snapshot(session, hours=7)
    assert len(snapshot_stuck.run(ctx)) == 1


def test_a_clock_of_another_zone_does_not_count(ctx: Context, session: Session) -> None:
    change_row(session, "data_export_export", 1, finished_at=datetime.now(UTC) + timedelta(hours=7))
    for number in (1, 2):
        change_row(session, "data_export_export", number, created_at=ago(1), finished_at=ago(-6.9))
    make_snapshot(session, hours=3.5)
    assert len(snapshot_stuck.run(ctx)) == 1


def test_times_that_are_none(ctx: Context, session: Session) -> None:
    make_snapshot(session, status="completed", created_at="yesterday", finished_at="tomorrow")
    snapshot = make_snapshot(session, created_at="never")
    [answer] = list(snapshot_stuck.answers(ctx))
    assert isinstance(answer, Unknown) and f"snapshot {snapshot.id} cannot be told. Its row holds no time" in str(
        answer
    )


def test_the_row_looks_as_after_a_failed_snapshot(console: Console, ctx: Context, session: Session) -> None:
    make_snapshot(session)
    [finding] = snapshot_stuck.run(ctx)
    [change] = console.plan(finding, "mark_failed", by="test").changes
    assert set(change["after"]) == {"status", "finished_at"} and change["after"]["status"] == "failed"


def test_a_label_studio_with_a_redis_that_is_not_attached(ctx: Context, session: Session) -> None:
    change_row(session, "io_storages_s3importstorage", 1, last_sync_job="5f0c6a52")
    snapshot = make_snapshot(session)
    [answer] = list(snapshot_stuck.answers(ctx))
    assert isinstance(answer, Unknown)
    assert f"snapshot {snapshot.id} cannot be told" in str(answer) and "LSCONSOLE_REDIS_URL" in str(answer)


def test_what_the_console_itself_makes_is_left_alone(console: Console, ctx: Context, session: Session) -> None:
    snapshot = make_snapshot(session)
    with console.store.session() as store:
        store.add(JobRow(id="1", kind="export", title="t", arguments={"export_id": snapshot.id, "project_id": 1},
                         status="running", by="alice", created_at=ago(5)))  # fmt: skip
    assert list(snapshot_stuck.answers(ctx)) == []


def test_other_projects_and_deleted_ones_are_left_out(ctx: Context, session: Session) -> None:
    make_snapshot(session, project_id=1)
    ctx.scope = Scope(project_id=2)
    assert snapshot_stuck.run(ctx) == []
    ctx.scope = Scope()
    change_row(session, "project", 1, deleted_at=ago(1))
    assert snapshot_stuck.run(ctx) == []


def test_many_snapshots_of_a_project(console: Console, ctx: Context, session: Session) -> None:
    for number in range(4):
        make_snapshot(session, hours=10 + number)
    [finding] = snapshot_stuck.run(ctx)
    assert finding.summary.startswith("4 snapshots have been under way for 13 h 0 min, and the request")
    assert_round_trip(console, ctx, snapshot_stuck, "mark_failed", finding)


class TestWithRedis:
    @pytest.fixture
    def settings(self, with_redis: Settings) -> Settings:
        return with_redis

    def test_no_job(self, console: Console, ctx: Context, session: Session, raw: redis.Redis) -> None:
        other = make_snapshot(session, hours=3)
        put_job(raw, "export", other.id)
        put_job(raw, "conversion", other.id + 1)
        snapshot = make_snapshot(session, hours=2)
        [finding] = snapshot_stuck.run(ctx)
        assert (
            finding.summary
            == f"Snapshot {snapshot.id} has been in progress for 2 h 0 min, and no job of it is in Redis"
        )
        assert_round_trip(console, ctx, snapshot_stuck, "mark_failed", finding)

    def test_just_begun(self, ctx: Context, session: Session) -> None:
        make_snapshot(session, hours=0.9)
        assert list(snapshot_stuck.answers(ctx)) == []

    def test_a_job_that_waits_for_days_is_healthy(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        put_job(raw, "export", make_snapshot(session, hours=90).id)
        assert list(snapshot_stuck.answers(ctx)) == []

    def test_a_job_that_runs_is_healthy(
        self, ctx: Context, session: Session, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]
    ) -> None:
        job = put_job(raw, "export", make_snapshot(session).id)
        start_job(raw, job, worker_on("default"))
        assert list(snapshot_stuck.answers(ctx)) == []

    def test_a_worker_that_is_gone(
        self, console: Console, ctx: Context, session: Session, raw: redis.Redis, worker_on: Callable[..., SimpleWorker]
    ) -> None:
        job = put_job(raw, "export", make_snapshot(session).id)
        worker = worker_on("default", name="one")
        start_job(raw, job, worker)
        raw.hset(worker.key, "last_heartbeat", "2020-01-01T00:00:00.000000Z")
        [finding] = snapshot_stuck.run(ctx)
        assert "and the worker one that ran its job is gone: its last heartbeat is" in finding.summary
        raw.delete(worker.key)
        raw.srem("rq:workers", worker.key)
        [finding] = snapshot_stuck.run(ctx)
        assert finding.summary.endswith("and the worker one that ran its job is not registered any more")
        assert_round_trip(console, ctx, snapshot_stuck, "mark_failed", finding)

    def test_rq_without_names_of_workers(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        job = put_job(raw, "export", make_snapshot(session).id)
        raw.lrem("rq:queue:default", 0, job.id)
        raw.zadd("rq:wip:default", {job.id: 2_000_000_000})
        raw.hset(job.key, mapping={"status": "started", "started_at": ago(3).strftime("%Y-%m-%dT%H:%M:%S.%fZ")})
        assert list(snapshot_stuck.answers(ctx)) == []
        raw.hset(job.key, "started_at", ago(3.2).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        [finding] = snapshot_stuck.run(ctx)
        assert "and no worker has it" in finding.summary

    def test_a_job_that_failed_says_why(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        job = put_job(raw, "export", make_snapshot(session).id)
        SimpleWorker([Queue("default", connection=raw)], connection=raw).work(burst=True)
        assert Job.fetch(job.id, connection=raw).is_failed
        [finding] = snapshot_stuck.run(ctx)
        assert "and its job failed: ValueError: Invalid attribute name" in finding.summary

    def test_a_job_whose_row_cannot_be_told(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        job = put_job(raw, "export", 4711)
        raw.hset(job.key, "description", "data_export.mixins.export_background('?')")
        make_snapshot(session)
        assert len(snapshot_stuck.run(ctx)) == 1  # the arguments tell another row
        raw.hset(job.key, "data", "x")
        [answer] = list(snapshot_stuck.answers(ctx))
        assert isinstance(answer, Unknown) and job.id in str(answer)

    def test_jobs_of_others_do_not_hide_it(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        Queue("low", connection=raw).enqueue("somebody.else", "x")
        Queue("lsconsole", connection=raw).enqueue("console.jobs.work", 1)
        make_snapshot(session)
        assert len(snapshot_stuck.run(ctx)) == 1

    def test_long_queues_are_searched(
        self, ctx: Context, session: Session, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("console.diagnostics.lost_jobs.SMALL_LIST", 2)
        monkeypatch.setattr("console.diagnostics.lost_jobs.READ_JOBS", 3)
        snapshot, other = make_snapshot(session), make_snapshot(session, project_id=2)
        put_job(raw, "export", snapshot.id)
        for _ in range(9):
            Queue("default", connection=raw).enqueue("somebody.else", 1)
        assert [finding.subject for finding in snapshot_stuck.run(ctx)] == ["project:2"]
        put_job(raw, "export", other.id)
        assert list(snapshot_stuck.answers(ctx)) == []
        make_snapshot(session, project_id=3)
        for number in range(2):
            put_job(raw, "export", 1000 + number)
        [answer] = list(snapshot_stuck.answers(ctx))
        assert isinstance(answer, Unknown) and "default has 4 queued jobs of export_background, and 3 were" in str(
            answer
        )

    def test_a_job_that_came_meanwhile_stops_the_fix(
        self, console: Console, ctx: Context, session: Session, raw: redis.Redis
    ) -> None:
        snapshot = make_snapshot(session)
        [finding] = snapshot_stuck.run(ctx)
        ctx.close()
        put_job(raw, "export", snapshot.id)
        with pytest.raises(ConsoleError, match="nothing to change any more"):
            console.plan(finding, "mark_failed", by="test")

    def test_a_row_that_moved_on_stops_the_plan(self, console: Console, ctx: Context, session: Session) -> None:
        snapshot = make_snapshot(session)
        [finding] = snapshot_stuck.run(ctx)
        ctx.close()
        plan = console.plan(finding, "mark_failed", by="test")
        change_row(session, "data_export_export", snapshot.id, status="completed")
        with pytest.raises(Conflict):
            console.apply(plan.id, by="test", reason="t", seen=plan.fingerprint)

    def test_looking_changes_nothing(self, ctx: Context, session: Session, raw: redis.Redis) -> None:
        put_job(raw, "export", make_snapshot(session).id)
        make_snapshot(session)
        before = {key: raw.dump(key) for key in raw.scan_iter()}
        assert len(snapshot_stuck.run(ctx)) == 1
        assert {key: raw.dump(key) for key in raw.scan_iter()} == before


class TestWithDeadRedis:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(redis_url="redis://127.0.0.1:1/0")

    def test_it_cannot_be_told(self, ctx: Context, session: Session) -> None:
        make_snapshot(session)
        [answer] = list(snapshot_stuck.answers(ctx))
        assert isinstance(answer, Unknown) and not isinstance(answer, Finding)

    def test_nothing_under_way_needs_no_redis(self, ctx: Context) -> None:
        assert list(snapshot_stuck.answers(ctx)) == []
