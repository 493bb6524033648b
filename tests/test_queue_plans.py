"""Plans about jobs that a person chose: caps, warnings, jobs that moved on, and a Redis that does not let us."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from console import queue_plans
from console.config import Settings
from console.deployment.queues import Filter
from console.diagnostics import plan as plans
from console.errors import Conflict, ConsoleError, NotApplicable, NotFound, Refused
from console.queue_plans import Chosen
from console.service import Console
from tests import servers
from tests.many_jobs import many_failed
from tests.seven_states import fill, keys

BY = "admin@example.com"


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
    return settings.with_(redis_url=redis_url)


def failed(**wanted: object) -> Chosen:
    return Chosen("low", "failed", (), Filter(**wanted))  # type: ignore[arg-type]


def test_a_plan_holds_so_many_jobs_and_tells_of_the_rest(
    console: Console, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_failed(raw, 60)
    monkeypatch.setattr(queue_plans, "MOST_JOBS", 25)
    plan = queue_plans.plan_jobs(console, "delete", failed(), by=BY)
    assert (plan.total, plan.left_out, len(plan.changes)) == (25, 35, 25)
    both = queue_plans.plan_groups(console, "delete", [failed(project_id=1), failed(text="denied")], by=BY)
    assert both.total <= 25 and both.title.startswith("Delete")


def test_thousands_of_jobs_are_deleted_and_come_back(
    console: Console, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queue_plans.MOST_JOBS == plans.PLAN_LIMIT, "no title promises more than a plan holds"
    monkeypatch.setattr(queue_plans, "MOST_JOBS", 2_000)
    many_failed(raw, 2_005)
    plan = queue_plans.plan_jobs(console, "delete", failed(), by=BY)
    assert (plan.total, plan.left_out) == (2_000, 5)
    steps: list[int] = []
    done = console.apply(plan.id, by=BY, reason="T-1", verify=False, progress=lambda at, total, label: steps.append(at))
    assert done.status == "applied" and raw.zcard("rq:failed:low") == 5
    assert len(steps) >= 10 and steps == sorted(steps), "told chunk by chunk"
    console.undo(plan.id, by=BY, reason="T-2", verify=False)
    assert raw.zcard("rq:failed:low") == 2_005


def test_a_plan_can_be_stopped_and_keeps_what_is_done(console: Console, raw: redis.Redis) -> None:
    many_failed(raw, 600)
    plan = queue_plans.plan_jobs(console, "delete", failed(), by=BY)
    done = console.apply(plan.id, by=BY, reason="T-1", verify=False, stopped=lambda: raw.zcard("rq:failed:low") < 600)
    assert 0 < done.rows < 600 and "not begun" in plans.get(console.store, plan.id).message
    assert raw.zcard("rq:failed:low") == 600 - done.rows


def test_jobs_that_moved_on_are_left_alone_and_told(console: Console, raw: redis.Redis) -> None:
    many_failed(raw, 5)
    plan = queue_plans.plan_jobs(console, "requeue", failed(), by=BY)
    first, second = (document["job_id"] for document in plan.changes[:2])
    raw.zrem("rq:failed:low", first)
    raw.delete(f"rq:job:{second}")
    outcome = console.apply(plan.id, by=BY, reason="T-1", verify=False)
    assert outcome.rows == 3 and "2 moved on since and left alone" in outcome.message
    assert raw.llen("rq:queue:low") == 3
    with pytest.raises(ConsoleError):
        console.apply(plan.id, by=BY, reason="again", verify=False)
    assert raw.llen("rq:queue:low") == 3


def test_nothing_is_left_when_all_moved_on(console: Console, raw: redis.Redis) -> None:
    many_failed(raw, 2)
    plan = queue_plans.plan_jobs(console, "delete", failed(), by=BY)
    raw.flushall()
    with pytest.raises(Conflict, match="Nothing was done, 2 moved on"):
        console.apply(plan.id, by=BY, reason="T-1", verify=False)
    assert plans.get(console.store, plan.id).status == "conflict"
    with pytest.raises(NotFound, match="fits any more"):
        queue_plans.plan_jobs(console, "delete", failed(), by=BY)


def test_a_redis_that_goes_away_before_the_apply_is_told(console: Console, raw: redis.Redis) -> None:
    many_failed(raw, 2)
    plan = queue_plans.plan_jobs(console, "delete", failed(), by=BY)
    before = keys(raw)
    # nothing listens on port 1
    object.__setattr__(console.deployment.settings, "fix_redis_url", "redis://:s3cretpassword@127.0.0.1:1/0")
    with pytest.raises(ConsoleError) as told:
        console.apply(plan.id, by=BY, reason="T-1", verify=False)
    object.__setattr__(console.deployment.settings, "fix_redis_url", None)
    assert "127.0.0.1:1" in str(told.value) and "s3cretpassword" not in str(told.value)
    assert keys(raw) == before


def test_a_user_of_redis_that_may_only_read_is_told_the_grant(
    console: Console, raw: redis.Redis, redis_url: str
) -> None:
    fill(raw)
    may = ["+@read", "+ping", "+info", "+watch", "+unwatch", "+multi", "+exec", "+discard"]
    raw.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", *may)
    try:
        object.__setattr__(
            console.deployment.settings, "fix_redis_url", redis_url.replace("redis://", "redis://reader:secret@")
        )
        plan = queue_plans.plan_jobs(console, "delete", failed(), by=BY)
        before = keys(raw)
        with pytest.raises(Refused, match="ACL SETUSER"):
            console.apply(plan.id, by=BY, reason="T-1", verify=False)
        assert keys(raw) == before
    finally:
        object.__setattr__(console.deployment.settings, "fix_redis_url", None)
        raw.execute_command("ACL", "DELUSER", "reader")


def test_every_action_of_every_state_does_what_it_says_and_comes_back(console: Console, raw: redis.Redis) -> None:
    for state, actions in queue_plans.ACTIONS.items():
        for action in actions:
            if action == "stop":
                continue  # takes a worker that listens
            raw.flushall()
            jobs = fill(raw, failed=1)
            plan = queue_plans.plan_jobs(console, action, Chosen("low", state, (jobs[state],)), by=BY)
            outcome = console.apply(plan.id, by=BY, reason="T-1", verify=False)
            assert (outcome.status, outcome.rows) == ("applied", 1), (state, action, outcome.message)
            places = {"requeue": "rq:queue:low", "cancel": "rq:canceled:low"}
            if action == "delete":
                assert not raw.exists(f"rq:job:{jobs[state]}")
            elif action == "requeue":
                assert raw.lpos(places[action], jobs[state]) is not None
            else:
                assert raw.zscore(places[action], jobs[state]) is not None
            back = console.undo(plan.id, by=BY, reason="T-2", verify=False)
            assert back.status == "undone", (state, action, back.message)
            assert console.deployment.redis.detail(jobs[state]).places == (state,), (state, action)  # type: ignore[union-attr]


def test_warnings_name_what_a_second_run_would_do(console: Console, raw: redis.Redis) -> None:
    many_failed(raw, 9)
    raw.hset(
        "rq:job:unknown", mapping={"status": "failed", "origin": "low", "description": "somebody.elses_function(1)"}
    )
    raw.zadd("rq:failed:low", {"unknown": 9e9})
    plan = queue_plans.plan_jobs(console, "requeue", failed(), by=BY)
    told = queue_plans.warnings(plan)
    assert any("Sync of a source (6) does nothing when run again" in line for line in told)
    assert any("somebody.elses_function (1)" in line and "not known" in line for line in told)
    assert queue_plans.warnings(queue_plans.plan_jobs(console, "delete", failed(), by=BY)) == []


def test_workers_that_live_are_not_forgotten(console: Console, raw: redis.Redis) -> None:
    from rq import Queue, SimpleWorker

    worker = SimpleWorker([Queue("low", connection=raw)], connection=raw, name="alive")
    worker.register_birth()
    with pytest.raises(Refused, match="is alive"):
        queue_plans.plan_forget(console, ["alive"], by=BY)
    with pytest.raises(NotFound):
        queue_plans.plan_forget(console, ["nobody"], by=BY)
    raw.hset("rq:worker:alive", "last_heartbeat", "2024-01-01T00:00:00.000000Z")
    plan = queue_plans.plan_forget(console, ["alive", "alive"], by=BY)
    assert plan.total == 1 and not plan.reversible
    assert console.apply(plan.id, by=BY, reason="T-1", verify=False).status == "applied"
    assert not raw.exists("rq:worker:alive")


def test_without_redis_it_says_which_setting(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.deployment, "redis", None)
    with pytest.raises(NotApplicable, match="LSCONSOLE_REDIS_URL"):
        queue_plans.plan_jobs(console, "delete", failed(), by=BY)


def test_warnings_name_errors_that_a_second_run_meets_again(console: Console, raw: redis.Redis) -> None:
    for name, error in {"one": "FileNotFoundError: [Errno 2] No such file: '/data/export/1.zip'", "two": "KeyError: 'x'",
                        "three": "tasks.models.Task.DoesNotExist: none"}.items():  # fmt: skip
        raw.hset(f"rq:job:{name}", mapping={"status": "failed", "origin": "low", "exc_info": f"Traceback\n{error}",
                                            "description": "data_export.mixins.export_background(1)"})  # fmt: skip
        raw.zadd("rq:failed:low", {name: 9e9})
    plan = queue_plans.plan_jobs(console, "requeue", failed(), by=BY)
    told = queue_plans.warnings(plan, console.deployment.redis)
    assert sorted(line.partition(":")[0] for line in told) == [
        "They failed with FileNotFoundError", "They failed with tasks.models.Task.DoesNotExist",
    ]  # fmt: skip
    assert all("Mend that first" in line for line in told)
