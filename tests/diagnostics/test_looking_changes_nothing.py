"""A full run leaves the deployment's rows, files and Redis keys as they were: proof by row, byte and command."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from console.config import Settings
from console.service import Console
from tests import servers
from tests.factories import ON_POSTGRESQL
from tests.round_trip import table_digests

#: Commands of a client that only looks. SCAN and friends may be added; nothing that writes.
READING = {
    "HELLO", "CLIENT", "AUTH", "SELECT", "PING", "INFO", "COMMAND", "TYPE", "EXISTS", "TTL", "PTTL", "OBJECT", "TIME",
    "GET", "MGET", "STRLEN", "HGET", "HMGET", "HGETALL", "HLEN", "HEXISTS", "HSCAN", "SMEMBERS", "SCARD", "SISMEMBER",
    "SSCAN", "LRANGE", "LLEN", "LINDEX", "ZRANGE", "ZCARD", "ZSCORE", "ZCOUNT", "ZRANGEBYSCORE", "ZREVRANGE", "ZSCAN",
    "SCAN", "MEMORY", "QUIT", "DBSIZE", "HSTRLEN", "LPOS", "XREVRANGE", "CONFIG GET",
}  # fmt: skip


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", [servers.dump_versions()[0], servers.dump_versions()[-1]])
def test_every_row_of_every_table_is_as_it_was(console, engine, version):
    before = table_digests(console.deployment)
    assert len(before) > 50
    console.check(by="test")
    console.check(by="test", deep=True)
    assert table_digests(console.deployment) == before


def test_no_byte_of_a_sqlite_file_changes_and_nothing_is_left_beside_it(settings):
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    console = Console(settings)
    console.check(by="test")
    console.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert [found.name for found in path.parent.glob(f"{path.name}*")] == [path.name]


@ON_POSTGRESQL
def test_postgresql_counts_no_written_row_and_a_selecting_role_is_enough(settings, postgres):
    admin = settings.database_url
    _do(admin, "drop role if exists only_looks", "create role only_looks login",
        "grant select on all tables in schema public to only_looks", "select pg_stat_force_next_flush()")  # fmt: skip
    console = Console(settings.with_(database_url=admin.replace("postgres@", "only_looks@")))
    before = _written(admin)
    report = console.check(by="test")
    console.close()
    _do(admin, "select pg_stat_force_next_flush()")
    assert _written(admin) == before
    reasons = {result.code: result.reason for result in report.results}
    assert not [reason for reason in reasons.values() if "ermission" in reason], reasons
    _do(admin, "drop owned by only_looks", "drop role only_looks")


class Monitor(threading.Thread):
    """Every command a Redis is sent, as MONITOR tells it."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.commands: list[str] = []
        self._client = redis.Redis.from_url(url)
        self._ready, self._over = threading.Event(), threading.Event()

    def run(self) -> None:
        with self._client.monitor() as monitor:
            self._ready.set()
            for line in monitor.listen():
                if line["command"].startswith("PING the end"):
                    break
                self.commands.append(line["command"])
        self._over.set()

    def __enter__(self) -> Monitor:
        self.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.execute_command("PING", "the end")
        assert self._over.wait(10)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


def test_redis_is_sent_reading_commands_alone(settings: Settings, redis_url):
    rq = pytest.importorskip("rq")
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    for name in ("critical", "high", "default", "low"):
        queue = rq.Queue(name, connection=client)
        for number in range(5):
            queue.enqueue("tasks.functions.export_project", number)
        for registry in ("failed", "wip", "deferred", "scheduled", "finished", "canceled"):
            client.zadd(f"rq:{registry}:{name}", {f"gone-{registry}": 4e9, queue.enqueue("x.work", registry).id: 1})
    before = {key: client.dump(key) for key in client.keys("*")}
    assert before
    console = Console(settings.with_(redis_url=redis_url))
    with Monitor(redis_url) as seen:
        report = console.check(by="test")
        _ = console.deployment.counts()
    console.close()
    assert report.deployment["redis"] is not None
    verbs = {_verb(command) for command in seen.commands}
    assert verbs and verbs <= READING, verbs - READING
    assert {key: client.dump(key) for key in client.keys("*")} == before


def _verb(command: str) -> str:
    words = command.upper().split(" ")
    return " ".join(words[:2]) if words[0] == "CONFIG" else words[0]


def test_a_redis_that_is_gone_is_unknown_and_hides_nothing(settings):
    console = Console(settings.with_(redis_url="redis://:hunter2secret@127.0.0.1:1/0"))
    report = console.check(by="test")
    told = {result.code: result for result in report.results}
    assert told["jobs.no_worker"].outcome == "unknown" and "hunter2secret" not in told["jobs.no_worker"].reason
    assert told["auth.mixed_case_email"].outcome == "findings"
    assert report.deployment["redis"] is None
    console.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_planning_every_fix_writes_nothing(console, engine):
    report = console.check(by="test")
    before = table_digests(console.deployment)
    planned = [console.plan(found, fix, by="test") for found in report.findings for fix in found.fixes or ()]
    assert planned
    assert table_digests(console.deployment) == before


def _written(url: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname, n_tup_ins, n_tup_upd, n_tup_del, n_dead_tup from pg_stat_user_tables order by 1"
        )
        rows = cursor.fetchall()
    connection.close()
    return rows


def _do(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()
