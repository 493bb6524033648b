"""Serving: gunicorn in this process, one worker with threads, so that job threads and limits are shared by all."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import ipaddress
import json
import os
import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.http import message
from werkzeug.serving import WSGIRequestHandler, make_server

from . import app as application
from . import clock, terminal
from .config import Settings
from .errors import BadSetting, CannotAttach, Refused
from .service import Console

if TYPE_CHECKING:
    from . import demo as throw_away

THREADS = 16
#: Where gunicorn keeps its heartbeat files: a slow disk there would look like a hanging worker.
MEMORY = Path("/dev/shm")  # noqa: S108
#: Longest first line of a request: hundreds of `ids[]` and long filters stand in it, and Label Studio's server takes them.
LONGEST_REQUEST_LINE = 65_535
#: A shorter secret is as good as none.
LEAST_SECRET = 16


class Server(BaseApplication):
    """gunicorn without its command line."""

    def __init__(self, wsgi: Any, options: dict[str, Any]) -> None:
        self.wsgi, self.options = wsgi, options
        super().__init__()

    def load_config(self) -> None:
        message.MAX_REQUEST_LINE = LONGEST_REQUEST_LINE + 1  # gunicorn cuts the option off there
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self.wsgi() if callable(self.wsgi) else self.wsgi


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until stopped. Raises Refused for a public address without a secret of its own."""
    host, _ = _address(settings.bind)
    if not _is_loopback(host) and len(settings.secret_key or "") < LEAST_SECRET:
        raise Refused(
            f"{settings.bind} can be reached by others, so sessions need a secret of their own: "
            "set LSCONSOLE_SECRET_KEY to 16 characters or more (openssl rand -hex 32), or bind to 127.0.0.1."
        )
    _must_be_free(settings.bind)
    console = Console(settings)
    try:
        _ = console.store
        _ = console.deployment
    except CannotAttach as error:
        if "state store" in str(error):
            raise
        # The console starts all the same: it says on every page what it cannot reach, and tries again.
        click.echo(f"lsconsole: {error} Serving anyway; it attaches as soon as it can.", err=True)
    announce(f"http://{settings.bind}")
    console.close()

    def make() -> Any:
        # Built in the worker: engines must not cross a fork.
        fresh = Console(settings)
        application.prepare(fresh)
        clock.start(fresh)
        return application.build(settings, console=fresh)

    Server(make, {
        "bind": settings.bind, "workers": 1, "threads": THREADS, "worker_class": "gthread", "timeout": 120,
        "graceful_timeout": 5, "loglevel": "warning", "proc_name": "lsconsole", "control_socket_disable": True,
        "worker_tmp_dir": str(MEMORY) if MEMORY.is_dir() else None, "post_worker_init": _settle,
        "limit_request_line": LONGEST_REQUEST_LINE,
    }).run()  # fmt: skip


def _settle(_worker: Any) -> None:
    """What is loaded by now stays for good: the garbage collector need not walk it whenever a request makes many
    objects. An import of ten thousand tasks is spared half of its time now and then."""
    gc.collect()
    gc.freeze()


def demo(bind: str, directory: Path | None, *, keep: bool = False) -> None:
    """The throw-away deployment and the console on it, until Ctrl-C."""
    from . import demo as throw_away

    _must_be_free(bind)  # before anything is started for nothing
    place = directory or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lsconsole-demo"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"The demo cannot keep its files in {place}: {error.strerror}. Name a --directory.") from None

    def say(text: str) -> None:
        click.echo(f"  {text}", err=True)

    click.echo("Starting a throw-away Label Studio deployment with planted faults", err=True)
    address = f"http://{bind}"
    with throw_away.start(place, say, keep=keep) as deployment:
        # Names that nothing else bears: the directory may be one that somebody keeps other things in.
        state = place / "lsconsole-demo-state"
        if not keep:
            shutil.rmtree(state, ignore_errors=True)
        secret = hashlib.sha256(f"secret of {deployment.people[0].token}".encode()).hexdigest()
        told = {**deployment.settings(address), "data_dir": state,
                "label_studio_secret_key": secret}  # fmt: skip
        settings = Settings.load({}, bind=bind, **told)
        console = Console(settings)
        with answering(console), terminal.progress("Checking") as progress:
            report = console.check(by="console", progress=progress)
        console.close()
        say(f"{len(report.findings)} findings")
        click.echo(f"\nLS Console is at {address}\nSign in with", err=True)
        for person in deployment.people:
            click.echo(f"  {person.email}   {person.password}   ({person.role})", err=True)
        reference = _storage_to_open(deployment)
        click.echo(f"A storage whose files do not open in the editor\n  {address}/storages/{reference}", err=True)
        click.echo(f"Label Studio's API is there as well, described at {address}/docs/api", err=True)
        token = deployment.people[0].token
        click.echo(f'  curl -H "Authorization: Token {token}" {address}/api/projects/', err=True)
        config, command = place / "lsconsole-demo.toml", shlex.quote(sys.argv[0])
        _write_config(config, told)
        click.echo(f"From a terminal\n  export LSCONSOLE_CONFIG={shlex.quote(str(config))}", err=True)
        click.echo(f"  {command} check\n  {command} storage look {reference}", err=True)
        click.echo("Ctrl-C ends everything.\n", err=True)
        serve(settings, announce=lambda address: None)


@contextlib.contextmanager
def answering(console: Console) -> Iterator[None]:
    """Serve this console at its address for a while: the demo's console is Label Studio to itself, and checks ask it."""
    host, port = _address(console.settings.bind)
    server = make_server(host, port, application.build(console=console), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name="answer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    """Requests are no news."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def _storage_to_open(deployment: throw_away.Deployment) -> str:
    """The reference of a storage whose page tells something: `s3:19`."""
    shown = next(fault for fault in deployment.faults if fault.code == "storage.cors_missing")
    return shown.subject.removeprefix("storage:")


def _write_config(path: Path, told: Mapping[str, Any]) -> None:
    """What this console was told, for commands in a terminal. It holds passwords: for its owner's eyes alone."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    values = {name: str(value) if isinstance(value, Path) else value for name, value in told.items()}
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))


def _address(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadSetting(f"LSCONSOLE_BIND is {bind!r}; HOST:PORT such as 127.0.0.1:8090 is accepted.")
    return host.strip("[]"), int(port)


def _must_be_free(bind: str) -> None:
    """Refuse an address that cannot be listened on in one sentence, where gunicorn would try for seconds."""
    host, port = _address(bind)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "no such address"
            raise Refused(f"Cannot listen on {bind}: {why}. Give another address with --bind.") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
