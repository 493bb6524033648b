"""`lsconsole queues` as an operator types it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from tests import servers
from tests.factories import make_row
from tests.many_jobs import many_failed
from tests.seven_states import HOSTILE, fill, keys
from tests.test_cli import document
from tests.test_cli_storage import Terminal


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
def lsconsole(settings, redis_url: str, raw: redis.Redis) -> Terminal:
    return Terminal(settings, LSCONSOLE_REDIS_URL=redis_url)


def test_queues_workers_and_jobs_are_shown_and_nothing_is_touched(lsconsole, raw):
    jobs = fill(raw)
    before = keys(raw)
    shown = lsconsole("queues")
    assert shown.returncode == 0 and "low" in shown.stdout and "No worker is registered" in shown.stdout, shown.stderr
    told = document(lsconsole("queues", "show", "--format", "json"))
    assert {queue["name"]: queue["failed"] for queue in told["queues"]}["low"] == 3
    for state, job_id in jobs.items():
        assert job_id in lsconsole("queues", "jobs", "low", "--state", state).stdout
        if state == "failed":
            continue  # its traceback is meant to be printed
        listed = document(lsconsole("queues", "jobs", "low", "--state", state, "--format", "json"))
        assert job_id in [job["id"] for job in listed["jobs"]]
        one = lsconsole("queues", "job", job_id)
        assert one.returncode == 0 and job_id in one.stdout
    assert "AccessDenied" in lsconsole("queues", "errors").stdout
    assert keys(raw) == before


def test_the_bare_command_takes_the_same_options(lsconsole, raw):
    fill(raw)
    assert document(lsconsole("queues", "--format", "json"))["queues"]
    early = lsconsole("queues", "--format", "json", "errors")
    assert early.returncode == 2 and "Write options behind errors" in early.stderr


@pytest.mark.parametrize("arguments", [("jobs", "nonsense"), ("requeue", "nonsense", "--all")])
def test_a_queue_that_is_none_is_named(lsconsole, raw, arguments):
    refused = lsconsole("queues", *arguments)
    assert refused.returncode == 2 and "There is no queue nonsense. There is: critical, high" in refused.stderr


def test_a_project_is_named_by_number_or_title(lsconsole, raw):
    by_number = document(lsconsole("queues", "why", "--project", "1", "--format", "json"))
    assert document(lsconsole("queues", "why", "--project", "review SENTIMENT", "--format", "json")) == by_number
    several = lsconsole("queues", "why", "--project", "e")
    assert several.returncode == 2 and "Give the number" in several.stderr
    none = lsconsole("queues", "why", "--project", "no such title")
    assert none.returncode == 2 and "No project has" in none.stderr


def test_control_characters_do_not_reach_the_terminal(lsconsole, raw):
    raw.sadd("rq:queues", "rq:queue:low")
    raw.rpush("rq:queue:low", "evil\x1b[2J")
    raw.hset(
        "rq:job:evil\x1b[2J",
        mapping={"description": f"\x1b[31mred({HOSTILE}\x1b]0;x\x07)", "origin": "low", "status": "queued"},
    )
    for arguments in (("queues",), ("queues", "jobs", "low", "--state", "queued"), ("queues", "job", "evil\x1b[2J")):
        shown = lsconsole(*arguments)
        assert shown.returncode == 0 and "\x1b[2J" not in shown.stdout and "\x1b]0" not in shown.stdout, arguments


def test_a_plan_is_printed_applied_with_a_reason_and_taken_back(lsconsole, raw):
    many_failed(raw, 6)
    before = keys(raw)
    planned = lsconsole("queues", "requeue", "low", "--function", "import_sync", "--format", "text")
    assert (
        planned.returncode == 0
        and "Mind: Sync of a source (4)" in planned.stdout
        and "Nothing was done" in planned.stdout
    )
    assert keys(raw) == before
    assert lsconsole("queues", "requeue", "low", "--function", "import_sync", "--apply").returncode == 2
    done = document(
        lsconsole(
            "queues", "requeue", "low", "--function", "import_sync", "--apply", "--reason", "T-1", "--format", "json"
        )
    )
    assert (done["status"], done["done"]) == ("applied", 4) and raw.llen("rq:queue:low") == 4
    undone = lsconsole("undo", str(done["audit_id"]), "--reason", "T-2")
    assert undone.returncode == 0 and raw.llen("rq:queue:low") == 0 and raw.zcard("rq:failed:low") == 6


@pytest.mark.parametrize(("arguments", "told"), [
    (("requeue", "low"), "--all"),
    (("requeue", "low", "some-id", "--all"), "not both"),
    (("requeue", "low", "--all"), "fits any more"),
    (("stop", "low", "--all", "--state", "failed"), "cannot be told to"),
    (("job", "nothing\x1b[31m"), "There is no job"),
    (("forget", "nobody"), "No worker"),
    (("probe",), "LSCONSOLE_WRITE_PROBES"),
    (("try-export",), "LSCONSOLE_LABEL_STUDIO_URL"),
    (("why", "--project", "99999999999999999999"), "no project"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_sentence(lsconsole, raw, arguments, told):
    shown = lsconsole("queues", *arguments)
    assert shown.returncode == 2 and told in shown.stderr and "Traceback" not in shown.stderr, shown.stderr
    assert shown.stdout == "" and "\x1b[31m" not in shown.stderr


def test_why_an_export_hangs_ends_with_exit_code_1_and_the_fix(lsconsole, raw, session):
    make_row(session, "data_export_export", created_at="2024-01-01 00:00:00", file="", md5="", status="in_progress", counters="{}",
             project_id=2, title="For the audit")  # fmt: skip
    shown = lsconsole("queues", "why", "--project", "2")
    assert shown.returncode == 1 and "lost" in shown.stdout and "lsconsole fix export.snapshot_stuck" in shown.stdout
    lines = json.loads(lsconsole("queues", "why", "--project", "2", "--format", "json").stdout)
    assert lines[0]["state"] == "lost" and lines[0]["is_wrong"]


def test_without_redis_or_with_one_that_is_down(settings):
    assert "LSCONSOLE_REDIS_URL" in Terminal(settings)("queues").stderr
    down = Terminal(settings, LSCONSOLE_REDIS_URL="redis://:s3cretpassword@127.0.0.1:1/0")("queues")
    assert down.returncode == 2 and "127.0.0.1:1" in down.stderr and "s3cretpassword" not in down.stderr
