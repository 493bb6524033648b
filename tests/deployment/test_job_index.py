"""What was read of a registry is kept, follows what changes, and never claims more than it looked at."""

from __future__ import annotations

import threading
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from rq import Queue, SimpleWorker

from console.deployment import job_index
from console.deployment.queues import Filter, QueueReader
from console.errors import Unknown
from tests.deployment.rq_keys import raw, reader, server
from tests.many_jobs import SYNC, add_failed, job_id, many_failed

__all__ = ["raw", "reader", "server"]
IMPORT = "data_import.functions.async_import_background"


def answers(reader: QueueReader, wanted: Filter, **options: Any) -> list[str]:
    found = reader.search("low", "failed", wanted, budget_seconds=None, **options)
    assert found.complete and found.looked_at == found.total and found.matched >= len(found.jobs)
    return [job.id for job in found.jobs]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(), range(39, -1, -1)),
        (Filter(function="async_IMPORT"), range(39, -1, -3)),
        (Filter(function=SYNC, project_id=6), [5]),
        (Filter(storage="s3:6"), [5]),
        (Filter(text="task 27 has"), [27]),
        (Filter(text="ACCESSDENIED", function="import_background"), [36, 24, 12, 0]),
        (Filter(text=job_id(17)[4:]), [17]),
        (Filter(text="project_id=12)"), [11]),
        (Filter(error="ValueError: task N has no data", function=IMPORT), [39, 27, 15, 3]),
        (Filter(error="ValueError: task N has no data", function="async_import"), []),
        (Filter(text="no such words"), []),
        (Filter(project_id=899), []),
    ],
)
def test_filters(reader: QueueReader, raw: redis.Redis, wanted: Filter, numbers: Any):
    many_failed(raw, 40)
    expected = [job_id(number) for number in numbers]
    assert answers(reader, wanted) == expected
    assert answers(reader, wanted, newest_first=False, limit=3) == expected[::-1][:3]
    assert answers(reader, wanted, offset=1, limit=2) == expected[1:3]
    assert reader.matching_ids("low", "failed", wanted, 2) == (len(expected), expected[:2])


def test_groups_count_what_is_alike(reader: QueueReader, raw: redis.Redis):
    many_failed(raw, 48)
    raw.zadd("rq:failed:low", {"vanished": 1})
    told = reader.groups("low", since=datetime.now(UTC) - timedelta(seconds=24.5))
    assert (told.total, told.looked_at, told.complete) == (49, 49, True)
    assert [group.jobs for group in told.groups] == [8] * 4 + [4] * 4 + [1]
    [values] = [group for group in told.groups if group.function == IMPORT and "ValueError" in str(group.exception)]
    assert values.exception == "ValueError: task N has no data" and values.example_id == job_id(39)
    assert values.recent == 2 and values.project_ids == (4, 16, 28, 40)
    assert values.newest_at and values.oldest_at and values.newest_at - values.oldest_at == timedelta(seconds=36)
    gone = told.groups[-1]
    assert gone.gone and (gone.function, gone.exception, gone.example_id) == (None, None, "vanished")


def test_the_error_of_a_job_that_was_requeued_and_failed_again_is_known(reader: QueueReader, raw: redis.Redis):
    """rq leaves an empty text, packed, where the traceback stood; the new one is among the results."""
    queue = Queue("low", connection=raw)
    job = queue.enqueue("time.sleep", "no number")
    SimpleWorker([queue], connection=raw).work(burst=True, logging_level="CRITICAL")
    raw.hset(f"rq:job:{job.id}", "exc_info", zlib.compress(b""))
    [group] = reader.groups("low", "failed", budget_seconds=None).groups
    assert group.exception and group.exception.startswith("TypeError")


def test_it_follows_what_changes(reader: QueueReader, raw: redis.Redis):
    many_failed(raw, 20)
    assert len(answers(reader, Filter(function=SYNC))) == 13
    raw.zrem("rq:failed:low", job_id(19), job_id(4))
    many_failed(raw, 2, first=22)
    assert answers(reader, Filter(function=SYNC), limit=2) == [job_id(23), job_id(22)]
    assert reader.groups("low").total == 20
    # The same job failed again, of another cause.
    raw.delete(f"rq:results:{job_id(23)}")
    raw.hset(f"rq:job:{job_id(23)}", "exc_info", "Traceback\nKeyError: 'again'")
    raw.zincrby("rq:failed:low", 50, job_id(23))
    assert answers(reader, Filter(text="keyerror: 'again'")) == [job_id(23)]
    raw.delete("rq:failed:low")
    assert answers(reader, Filter()) == [] and reader.groups("low").groups == ()


def test_what_has_left_is_forgotten(reader: QueueReader, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job_index, "SMALL", 10)
    many_failed(raw, 60)
    assert len(answers(reader, Filter(), limit=100)) == 60
    raw.zrem("rq:failed:low", *(job_id(number) for number in range(55) if number != 15))
    assert answers(reader, Filter()) == [job_id(number) for number in (59, 58, 57, 56, 55, 15)]
    assert answers(reader, Filter(function=IMPORT, project_id=16)) == [job_id(15)]
    [registry] = reader._index._registries.values()
    assert len(registry.known.ids) == 6 and len(registry.known.alike) == 5
    assert {group.example_id for group in reader.groups("low").groups} >= {job_id(59), job_id(57)}


def test_a_job_whose_description_is_its_own(reader: QueueReader, raw: redis.Redis):
    many_failed(raw, 3)
    raw.hset(f"rq:job:{job_id(2)}", "description", "nightly sync")
    assert answers(reader, Filter(function="import_sync", project_id=3, storage="s3:3")) == [job_id(2)]


def test_a_small_budget_says_how_far_it_got(reader: QueueReader, raw: redis.Redis):
    many_failed(raw, 3000)
    first = reader.search("low", "failed", Filter(), budget_seconds=0.001, limit=5)
    assert first.total == 3000 and first.looked_at < 3000 and not first.complete
    assert first.looked_at == first.matched
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        again = reader.search("low", "failed", Filter(), budget_seconds=0.0, limit=5)
        if again.complete:
            break
        time.sleep(0.05)  # the thread reads on
    assert again.complete and again.looked_at == again.matched == 3000
    assert [job.id for job in again.jobs] == [job_id(number) for number in range(2999, 2994, -1)]


def test_a_large_registry_is_read_anew_while_questions_are_answered(
    reader: QueueReader, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job_index, "SMALL", 10)
    monkeypatch.setattr(job_index, "STALE_SECONDS", 0.05)
    monkeypatch.setattr(job_index, "MEMBERS_BITE", 30)
    many_failed(raw, 100)
    assert len(answers(reader, Filter(), limit=200)) == 100
    raw.zrem("rq:failed:low", job_id(99))
    many_failed(raw, 1, first=100)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        time.sleep(0.06)
        found = reader.search("low", "failed", Filter(), limit=1)
        if found.jobs[0].id == job_id(100) and found.complete:
            break
    assert found.jobs[0].id == job_id(100) and found.matched == found.total == 100
    unchanged = found.as_of
    time.sleep(0.1)
    assert reader.search("low", "failed", Filter(), limit=1).as_of > unchanged


def test_more_than_is_kept_is_told(reader: QueueReader, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job_index, "MOST_KNOWN", 30)
    many_failed(raw, 40)
    many_failed(raw, 5, queue="high", first=100)
    found = reader.search("low", "failed", Filter(), budget_seconds=None, limit=100)
    assert (found.total, found.looked_at, found.complete) == (40, 30, False)
    assert found.jobs[0].id == job_id(39)
    assert reader.search("high", "failed", Filter()).complete  # makes room
    assert list(reader._index._registries) == [(b"high", "failed")]


def test_pages_and_what_lies_behind_their_end(reader: QueueReader, raw: redis.Redis):
    many_failed(raw, 25)
    page = reader.page("low", "failed", offset=20, limit=10)
    assert (page.total, page.offset) == (25, 20)
    assert [job.id for job in page.jobs] == [job_id(number) for number in range(4, -1, -1)]
    oldest = reader.page("low", "failed", limit=2, newest_first=False)
    assert [job.id for job in oldest.jobs] == [job_id(0), job_id(1)]
    assert oldest.jobs[0].until and oldest.jobs[0].until > datetime.now(UTC) + timedelta(days=29)
    for offset, limit in ((25, 10), (10**9, 1), (0, 0), (-5, 0), (3, -1)):
        assert reader.page("low", "failed", offset, limit).jobs == ()
    assert len(reader.page("low", "failed", -5, 10**9).jobs) == 25


def test_waiting_jobs_from_both_ends(reader: QueueReader, raw: redis.Redis):
    raw.rpush("rq:queue:low", *(f"j{number}" for number in range(10)))
    assert [job.id for job in reader.page("low", "queued", 2, 3).jobs] == ["j2", "j3", "j4"]
    assert [job.id for job in reader.page("low", "queued", 2, 3, newest_first=True).jobs] == ["j7", "j6", "j5"]
    assert [job.id for job in reader.page("low", "queued", 8, 5, newest_first=True).jobs] == ["j1", "j0"]
    found = reader.search("low", "queued", Filter(text="j"), limit=2)
    assert (found.matched, [job.id for job in found.jobs]) == (10, ["j9", "j8"])


def test_threads_share_a_reader(reader: QueueReader, raw: redis.Redis):
    many_failed(raw, 2000)
    told: list[int] = []

    def ask() -> None:
        found = reader.search("low", "failed", Filter(function="import_sync"), budget_seconds=None)
        told.append(found.matched)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    final = reader.search("low", "failed", Filter(function="import_sync"), budget_seconds=None)
    assert len(told) == 4 and final.complete and final.matched == 1333
    assert final.looked_at == 2000


def test_a_server_that_goes_away_is_told(raw: redis.Redis, server: int):
    many_failed(raw, 10)
    reader = QueueReader(f"redis://127.0.0.1:{server}/0")
    assert reader.search("low", "failed", Filter()).matched == 10
    raw.config_set("requirepass", "hunter2")
    reader._redis.close()
    try:
        with pytest.raises(Unknown, match="asks for a password"):
            reader.search("low", "failed", Filter())
    finally:
        redis.Redis(port=server, password="hunter2").config_set("requirepass", "")
    assert reader.search("low", "failed", Filter()).matched == 10
    reader.close()


def test_what_is_done_is_counted_by_when_it_ended(reader: QueueReader, raw: redis.Redis):
    many_failed(raw, 100)
    now = datetime.now(UTC)
    told = reader.throughput("low", now - timedelta(seconds=30.5))
    assert abs(told.failed - 30) <= 3 and told.exact and told.finished == 0
    pipeline = raw.pipeline(transaction=False)
    add_failed(pipeline, 200, now)
    pipeline.execute()
    raw.zincrby("rq:failed:low", 86400, job_id(200))
    assert not reader.throughput("low", now - timedelta(seconds=30.5)).exact
