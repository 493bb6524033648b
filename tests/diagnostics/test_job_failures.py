"""How failed jobs ended, as real workers of every rq release write it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
import redis

from console.deployment.queues import JobState, QueueReader
from console.deployment.rq_values import gone_job
from console.diagnostics.job_failures import Ending, ending_of, function_of, reason_of
from tests import rq_releases, servers

#: A call whose argument is of a class that is nowhere to be found.
UNREADABLE = b"\x80\x02(U\x13jobs_for_tests.echoNcno_such_module\nThing\n\x85}t."


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_endings_are_told_apart(url: str, release: str) -> None:
    raw = redis.Redis.from_url(url)
    raw.flushall()
    with rq_releases.Library(release, url) as library:
        ids = {
            "module": library.enqueue("low", "no_such_module.work", 1),
            "function": library.enqueue("low", "jobs_for_tests.taken_out"),
            "class": library.enqueue("low", "jobs_for_tests.echo", 1),
            "slow": library.enqueue("low", "jobs_for_tests.slow", 5, job_timeout=1),
            "die": library.enqueue("low", "jobs_for_tests.die"),
            "fail": library.enqueue("low", "jobs_for_tests.fail", "ModuleNotFoundError: a tale"),
        }
        raw.hset(f"rq:job:{ids['class']}", "data", zlib.compress(UNREADABLE))
        rq_releases.work(release, url, ["low"])
    reader = QueueReader(url)
    _, jobs = reader.failed("low", 10)
    reader.close()
    told = {name: job for name, id_ in ids.items() for job in jobs if job.id == id_}
    assert {name: ending_of(job) for name, job in told.items()} == {
        "module": Ending.UNREADABLE, "function": Ending.UNREADABLE, "class": Ending.UNREADABLE,
        "slow": Ending.TIMEOUT, "die": Ending.KILLED, "fail": Ending.ERROR,
    }  # fmt: skip
    assert reason_of(told["class"]) == "ModuleNotFoundError: No module named 'no_such_module'"
    assert reason_of(told["fail"]) == "ValueError: ModuleNotFoundError: a tale"
    raw.close()


def job(exception: str | None) -> JobState:
    state = gone_job("a")
    return JobState(**(vars(state) | {"exception": exception, "gone": False}))


@pytest.mark.parametrize(
    ("exception", "ending"),
    [
        ("Moved to FailedJobRegistry at 2026-01-01 10:00:00", Ending.LOST),  # rq 1.10
        ("Moved to FailedJobRegistry, due to AbandonedJobError, at 2026-01-01 10:00:00", Ending.LOST),
        ("Job stopped by user, work-horse terminated.", Ending.STOPPED),
        (None, Ending.ERROR),
        ('  File "/app/io_storages/utils.py", line 3, in import_attribute\nKeyError: 1', Ending.ERROR),
        ("Traceback\n  File broken, line\n" * 50 + "\x00", Ending.ERROR),
    ],
)
def test_other_endings(exception: str | None, ending: Ending) -> None:
    assert ending_of(job(exception)) is ending


def test_a_job_without_anything_still_has_words() -> None:
    assert function_of(gone_job("a")) == "a job whose data has expired"
    assert function_of(job(None)) == "a job that cannot be told" and reason_of(job(None)) == "none recorded"
