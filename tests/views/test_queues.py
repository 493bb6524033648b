"""The queues page: without Redis, with a Redis that is down, and with what rq leaves behind in a real one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis as redis_client
from rq import Queue, SimpleWorker

from console.app import build
from console.config import Settings
from console.service import Console
from console.views import frame
from tests import servers
from tests.factories import change_row
from tests.views.conftest import Browser, signed_in


def explode(number: int) -> None:
    """A job that fails, each time with another number."""
    raise FileNotFoundError(f"no file /data/{number}.json, password=hunter22222")


@pytest.fixture
def redis_url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


def page(console: Console) -> str:
    frame._attached.clear()
    app = build(console=console)
    app.test_client_class = Browser
    return signed_in(app, console, "alice@example.com").text("/queues/")  # type: ignore[attr-defined]


@pytest.fixture
def alice(session: object, deployment: object) -> None:
    change_row(session, "htx_user", 1, is_superuser=True)  # type: ignore[arg-type]


def test_without_redis_it_explains(admin: Browser) -> None:
    body = admin.text("/queues/")
    assert "No Redis is attached" in body and "LSCONSOLE_REDIS_URL" in body


@pytest.mark.usefixtures("alice")
def test_a_redis_that_is_down_is_said_on_a_page_that_works(settings: Settings) -> None:
    console = Console(replace(settings, redis_url="redis://someone:s3cretpassword@127.0.0.1:1/3"))
    body = page(console)
    console.close()
    assert "Redis cannot be read" in body and "127.0.0.1:1" in body
    assert "s3cretpassword" not in body


@pytest.mark.usefixtures("alice")
def test_an_empty_redis_is_healthy_but_has_no_worker(settings: Settings, redis_url: str) -> None:
    console = Console(replace(settings, redis_url=redis_url))
    body = page(console)
    console.close()
    assert "No worker is registered" in body and "No failed job is kept" in body


@pytest.mark.usefixtures("alice")
def test_failed_jobs_are_grouped_masked_and_explained(settings: Settings, redis_url: str) -> None:
    connection = redis_client.Redis.from_url(redis_url)
    queue = Queue("default", connection=connection)
    for number in range(5):
        queue.enqueue(explode, number)
    SimpleWorker([queue], connection=connection).work(burst=True, logging_level="ERROR")
    Queue("low", connection=connection).enqueue(time.sleep, 1)
    before = {key: connection.dump(key) for key in connection.scan_iter()}
    console = Console(replace(settings, redis_url=redis_url))
    body = page(console)
    console.close()
    assert {key: connection.dump(key) for key in connection.scan_iter()} == before
    assert "5 jobs" in body and body.count("data-pick=") == 1, "errors that differ in numbers are one group"
    assert "both need the same volume" in body
    assert "hunter22222" not in body
    assert body.count("<code>tests.views.test_queues.explode</code>") + body.count("test_queues.explode</code>") >= 1
    assert "state-error" in body  # `low` has a job waiting and no worker
