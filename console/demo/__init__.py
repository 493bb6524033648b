"""The throw-away deployment with planted faults that `lsconsole demo` starts.

`start` brings up an embedded PostgreSQL with Label Studio's real 1.23.2 database, a Redis with real rq workers and an
S3 server that checks signatures and access rules, all on free ports of the loopback interface, beside a directory of
local files, and plants faults with healthy twins. Everything ends with `stop()`, with Ctrl-C, and when the calling process is killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql

from console.demo import buckets, postgres, queue_load, redis, restore
from console.demo.planted import (
    addresses,
    database,
    exports,
    local_files,
    people,
    redis_storages,
    rows,
    storages,
    targets,
    tasks,
)
from console.demo.processes import Child, DemoError
from console.demo.story import HealthyTwin, Person, PlantedFault, Story

__all__ = ["DemoError", "Deployment", "HealthyTwin", "Person", "PlantedFault", "start"]

Scenario = Literal["default", "no-workers"]
DATABASE = "label_studio"
PRISTINE = f"restored_{hashlib.sha256(restore.DUMP.read_bytes()).hexdigest()[:12]}"  # another dump, another name
LOCK_SECONDS = 4.0


@dataclass
class Deployment:
    """A running demo. `people` can sign in; `faults` are there to be found, `twins` to be passed over."""

    database_url: str
    redis_url: str
    s3_endpoint: str
    local_files: Path
    data_dir: Path
    people: list[Person]
    faults: list[PlantedFault]
    twins: list[HealthyTwin]
    _servers: list[postgres.Postgres | Child | queue_load.Workers] = field(default_factory=list, repr=False)
    _lock: int = field(default=-1, repr=False)
    _owner: int = field(default_factory=os.getpid, repr=False)

    def settings(self, address: str) -> dict[str, Any]:
        """What a console on this deployment is told, by field of `Settings`; it answers for Label Studio at `address`.

        Everything here is throw-away, so checks may write to its targets.
        """
        return {
            "database_url": self.database_url, "redis_url": self.redis_url, "label_studio_url": address,
            "base_data_dir": self.data_dir,
            "label_studio_token": self.people[0].token, "write_probes": True, "local_files_serving": True,
            "local_files_root": self.local_files,
            "bucket_endpoints": tuple(urlsplit(url).netloc for url in (self.s3_endpoint, self.redis_url)),
        }  # fmt: skip

    def stop(self) -> None:
        """End every process of the demo; the directory stays for a quicker start.

        Calling it twice is harmless, and so is calling it in a fork (a web worker that unwinds the caller's stack).
        """
        if os.getpid() != self._owner:
            return
        for server in reversed(self._servers):
            server.stop()
        self._servers.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Deployment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    directory: Path,
    progress: Callable[[str], None] = lambda message: None,
    *,
    scenario: Scenario = "default",
    keep: bool = False,
) -> Deployment:
    """Start the demo in this directory; it is made when missing, and holds nothing but the demo.

    `progress` is told in a few words what happens. Every start plants all faults afresh; `keep` leaves the database as
    it was, repairs included, and plants the queues only (they live in memory). In the scenario `no-workers` no rq
    worker is left, which is the fault of `jobs.no_worker` and hides that of `jobs.queue_starved`.
    Raises DemoError when a server does not start, or when another demo runs in the directory.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    local = directory / "lsconsole-demo-local-files"
    files = directory / "lsconsole-demo-files"
    deployment = Deployment("", "", "", local, files, [], [], [], _lock=_take(directory / "lock"))
    try:
        _bring_up(deployment, directory, progress, scenario, keep)
    except BaseException:
        deployment.stop()
        raise
    return deployment


def _bring_up(
    deployment: Deployment, directory: Path, progress: Callable[[str], None], scenario: Scenario, keep: bool
) -> None:
    running = deployment._servers
    for log in directory.glob("*.log"):
        log.unlink()
    progress("Starting PostgreSQL")
    server = postgres.start(directory, keep_open=(deployment._lock,))
    running.append(server)
    progress("Starting the S3 server and Redis")
    store = buckets.start(
        directory, [*storages.folders(), *rows.folders(), *targets.folders(), *addresses.folders()], server.password
    )
    running.append(store.child)
    redis_child, deployment.redis_url = redis.start(directory)
    running.append(redis_child)
    deployment.database_url, deployment.s3_endpoint = server.url(DATABASE), store.endpoint
    workers = queue_load.Workers(directory, deployment.redis_url, deployment.database_url)
    running.append(workers)
    if scenario == "default":
        workers.start(queue_load.DEAD, "default")  # it dies below; until then it starts while the faults are planted
    saved = directory / "story.json"
    if keep and saved.exists() and _exists(server, DATABASE):
        story = Story.load(saved)
        with _transaction(server.url(DATABASE)) as cursor:
            storages.point_at(cursor, store)
            redis_storages.point_at(cursor, deployment.redis_url)
            database.count_again(cursor)
    else:
        story = _plant(server, store, deployment, progress)
        story.save(saved)
    progress("Filling the queues and breaking some jobs")
    store.child.wait_for_port(int(store.endpoint.rpartition(":")[2]))
    if scenario == "default":
        queue_load.leave_dead_worker(workers)
    queue_load.load(workers, story, scenario)
    deployment.people, deployment.faults, deployment.twins = story.people, story.faults, story.twins


def _plant(
    server: postgres.Postgres, store: buckets.ObjectStore, deployment: Deployment, progress: Callable[[str], None]
) -> Story:
    """A fresh copy of the restored database with every fault in it."""
    if not _exists(server, PRISTINE):
        progress("Restoring Label Studio's database (first start only)")
        _restore_pristine(server)
    progress("Planting faults")
    story = Story()
    _administer(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", DATABASE)
    _administer(server, "CREATE DATABASE {} TEMPLATE {} OWNER {}", DATABASE, PRISTINE, postgres.OWNER)
    _administer(server, "GRANT pg_monitor TO {}", postgres.OWNER)  # sessions, settings and the disk can be told
    with _transaction(server.url(DATABASE)) as cursor:
        people.plant(cursor, story)
        storages.plant(cursor, story, store)
        rows.plant(cursor, story, store)
        targets.plant(cursor, story, store)
        addresses.plant(cursor, story, store)
        tasks.plant(cursor, story)
        local_files.plant(cursor, story, deployment.local_files)
        shutil.rmtree(deployment.data_dir, ignore_errors=True)
        exports.plant(cursor, story, deployment.data_dir)
        redis_storages.plant(cursor, story)
        redis_storages.point_at(cursor, deployment.redis_url)
        database.plant(cursor, story)
    database.leave_dead_rows(server.url(DATABASE, "postgres"), story)
    return story


def _restore_pristine(server: postgres.Postgres) -> None:
    """Begin anew in this cluster. Restored under another name first: an interrupted start never passes for done."""
    unfinished = f"{PRISTINE}_unfinished"
    with _transaction(server.url("postgres", "postgres")) as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")
        leftovers = [row[0] for row in cursor.fetchall()]
    for name in leftovers:
        _administer(server, "DROP DATABASE {} WITH (FORCE)", name)
    _administer(server, "DROP ROLE IF EXISTS {}", postgres.OWNER)
    with _transaction(server.url("postgres", "postgres")) as cursor:
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(sql.Identifier(postgres.OWNER))
        cursor.execute(create, [server.password])
    _administer(server, "CREATE DATABASE {} OWNER {}", unfinished, postgres.OWNER)
    restore.restore(server.url(unfinished))
    _administer(server, "ALTER DATABASE {} RENAME TO {}", unfinished, PRISTINE)


def _exists(server: postgres.Postgres, name: str) -> bool:
    with _transaction(server.url("postgres", "postgres")) as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def _administer(server: postgres.Postgres, statement: str, *names: str) -> None:
    """Run a statement that no transaction may hold."""
    connection = psycopg2.connect(server.url("postgres", "postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    connection.close()


class _transaction:
    """A cursor whose work is committed at the end, or undone by an error; the connection is closed either way."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)

    def __enter__(self) -> psycopg2.extensions.cursor:
        return self._connection.__enter__().cursor()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.__exit__(kind, error, trace)
        self._connection.close()


def _take(path: Path) -> int:
    """Lock the directory. PostgreSQL's guard holds the lock too, until a killed demo is really gone."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise DemoError(f"{path.parent} belongs to somebody else. Choose another directory.") from error
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > give_up:
                os.close(lock)
                raise DemoError(
                    f"Another demo runs in {path.parent}. Stop it, or choose another --directory."
                ) from None
            time.sleep(0.1)
