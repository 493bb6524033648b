"""The grid stands on real releases: what each environment has, and that its workers work and die."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests import rq_releases, servers


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.mark.parametrize("release", rq_releases.RELEASES)
def test_a_worker_of_the_release_works_and_dies(url: str, release: str):
    raw = redis.Redis.from_url(url)
    raw.flushall()
    with rq_releases.Library(release, url) as library:
        assert library.versions()[0].startswith(f"{release}.")
        echoed = library.enqueue("low", "echo", 1, kwargs={"a": "b"}, json_serializer=True)
        rq_releases.work(release, url, ["low"], json_serializer=True)
        assert library.result(echoed, json_serializer=True) == [[1], {"a": "b"}]
        slow = library.enqueue("low", "slow", 60)
        with rq_releases.worker(release, url, ["low"], name="lost") as worker:
            worker.wait_until(lambda: library.status(slow) == "started")
            assert raw.hget("rq:worker:lost", "pid") == str(worker.pid).encode()
            worker.kill()
        assert raw.exists("rq:worker:lost")
        with pytest.raises(RuntimeError, match=release):
            library.status("no such job")
