"""For the checks of the database: statements outside of transactions, sessions of other people, lower limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from console.config import Settings
from console.deployment import Deployment
from console.diagnostics import Check, Finding
from console.diagnostics.check import Context
from console.service import Console

LOOKER = "only_looks"
#: 12,000 links, of which a tenth stay.
FILL = (
    "set session_replication_role = replica; insert into io_storages_s3importstoragelink"
    " (key, object_exists, created_at, storage_id, task_id)"
    " select 'archive/' || n || '.jpg', true, now(), 1, 1000000 + n from generate_series(1, 12000) n"
)
#: Leaves nine of ten pages' worth of room.
EMPTY = "delete from io_storages_s3importstoragelink where task_id > 1000000 and task_id % 10 <> 0"


def url_of(ctx: Context, user: str = "postgres") -> str:
    """The address of the test's database for psycopg2, as this role."""
    url = str(ctx.settings.database_url)
    host = urlsplit(url).netloc.rpartition("@")[2]
    return urlsplit(url)._replace(netloc=f"{user}@{host}").geturl()


def execute(ctx: Context, *statements: str) -> list[Any]:
    """Run each by itself as superuser, tell the statistics at once; the rows of the last one that has some."""
    ctx.close()
    found: list[Any] = []
    connection = psycopg2.connect(url_of(ctx))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else found
        cursor.execute("select to_regprocedure('pg_stat_force_next_flush()') is not null")
        if cursor.fetchone()[0]:  # type: ignore[index]
            cursor.execute("select pg_stat_force_next_flush()")
    connection.close()
    return found


@contextmanager
def connected(ctx: Context, application: str, *, user: str = "postgres") -> Iterator[Any]:
    """Somebody else's session, in a transaction from its first statement on."""
    connection = psycopg2.connect(url_of(ctx, user), application_name=application)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def working(connection: Any, statement: str) -> Iterator[None]:
    """Somebody whose statement runs meanwhile; it is cancelled at the end of the block."""

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        except psycopg2.Error:
            pass  # cancelled, or its session ended: what the test is about

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        connection.cancel()
        thread.join(5)


@contextmanager
def waiting(connection: Any, statement: str) -> Iterator[None]:
    """Somebody whose statement waits for a lock; it has begun to wait when the block is entered."""
    probe = psycopg2.connect(connection.dsn)
    probe.autocommit = True
    with probe.cursor() as cursor:
        pid = connection.info.backend_pid
        with working(connection, statement):
            until(lambda: _one(cursor, "select count(*) from pg_locks where not granted and pid = %s", pid) > 0)
            yield
    probe.close()


def _one(cursor: Any, statement: str, *values: Any) -> Any:
    cursor.execute(statement, values)
    return cursor.fetchone()[0]


def until(true: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def limited(ctx: Context, check: Check, **limits: Any) -> Context:
    """The same context with lower limits of one check."""
    thresholds = {f"{check.code}.{name}": value for name, value in limits.items()}
    ctx.deployment.settings = replace(ctx.settings, thresholds=dict(ctx.settings.thresholds) | thresholds)
    return ctx


def applied(console: Console, finding: Finding, fix_id: str) -> Any:
    """Plan and apply one fix; the outcome."""
    plan = console.plan(finding, fix_id, by="test")
    return console.apply(plan.id, by="test", reason="test", seen=plan.fingerprint, verify=False), plan


@contextmanager
def looking_role(settings: Settings, ctx: Context, *grants: str) -> Iterator[Context]:
    """The deployment as a role sees it that may only SELECT; fixes would be applied by it as well."""
    role = "do $$ begin create role only_looks login; exception when duplicate_object then null; end $$"
    execute(ctx, role, "grant select on all tables in schema public to only_looks", *grants)
    deployment = Deployment.attach(settings.with_(database_url=url_of(ctx, LOOKER)))
    looking = Context(deployment, None)  # type: ignore[arg-type]
    looking.deployment.settings = replace(deployment.settings, thresholds=dict(ctx.settings.thresholds))
    try:
        yield looking
    finally:
        looking.close()
        deployment.close()
        execute(ctx, "drop owned by only_looks")
