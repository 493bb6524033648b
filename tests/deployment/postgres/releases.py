"""Servers of other PostgreSQL releases than Debian's: the two that come in the demo's wheel."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from console.demo import restore
from console.demo.postgres import _open_to_all, _package, _reachable
from console.demo.processes import HOST, Child, free_port
from tests.servers import SETTINGS, _wait_until_started

#: Release -> where the wheel keeps it.
IN_THE_WHEEL = {16: "pginstall", 18: "pginstall18"}


@contextmanager
def label_studio_on(release: int) -> Iterator[str]:
    """The demo's 1.23.2 database (without contrib) on this release; the superuser's URL."""
    user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="lsconsole-postgres-"))
    directory.chmod(0o711)
    programs, data, port = _programs(release, directory, user), directory / "cluster", free_port()
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user, user)
    made = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]
    subprocess.run(made, user=user, extra_groups=None if user is None else [], cwd="/", check=True, capture_output=True)
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-c", f"listen_addresses={HOST}"]
    command += ["-c", "unix_socket_directories="]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    child = Child(
        "PostgreSQL", command, directory / "postgres.log", polite=signal.SIGQUIT, at_once=signal.SIGQUIT, user=user
    )
    try:
        child.wait_for_port(port)
        url = f"postgresql://postgres@{HOST}:{port}/postgres"
        _wait_until_started(url)
        connection = psycopg2.connect(url)
        connection.autocommit = True
        connection.cursor().execute("create database label_studio")
        connection.close()
        url = url.removesuffix("postgres") + "label_studio"
        restore.restore(url)
        yield url
    finally:
        child.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _programs(release: int, directory: Path, user: int | None) -> Path:
    """The wheel's programs, or a copy that PostgreSQL's user can reach."""
    package = _package()
    installed = package / IN_THE_WHEEL[release]
    if user is None or _reachable(installed / "bin"):
        return installed / "bin"
    copy = directory / "program"
    shutil.copytree(installed, copy / package.name / installed.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, copy / libraries.name)
    _open_to_all(copy)
    return copy / package.name / installed.name / "bin"
