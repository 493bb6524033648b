"""Starts the demo's servers behind a guard, and waits until they answer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from console.errors import ConsoleError

GUARD = Path(__file__).with_name("guard.py")
HOST = "127.0.0.1"
STOP_SECONDS = 10.0
RUN_MODULE = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


class DemoError(ConsoleError):
    """The demo could not start; the message names the part and the log to read."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def python_module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package with this interpreter, installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    return [sys.executable, "-c", RUN_MODULE, root, name, *arguments]


class Child:
    """A server under guard: it ends with `stop()`, with Ctrl-C, and when this process is killed."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        polite: signal.Signals = signal.SIGTERM,
        at_once: signal.Signals = signal.SIGKILL,
        user: int | None = None,
        environment: Mapping[str, str] | None = None,
        keep_open: tuple[int, ...] = (),
    ) -> None:
        """`polite` ends it on `stop()`, `at_once` when the demo has vanished; `user` is who it runs as (root only)."""
        self.name = name
        self.log = log
        words = [str(os.getpid()), str(int(polite)), str(int(at_once)), "-" if user is None else str(user)]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *words, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else {**os.environ, **environment},
                start_new_session=True,
                pass_fds=keep_open,
            )

    @property
    def pid(self) -> int:
        """The guard's process id; the server and what it starts are its descendants."""
        return self._guard.pid

    @property
    def running(self) -> bool:
        """Whether the server (through its guard) is still there."""
        return self._guard.poll() is None

    def wait_for_port(self, port: int, seconds: float = 20.0) -> None:
        """Returns once the server accepts connections, or raises DemoError."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if not self.running:
                raise DemoError(f"The demo's {self.name} ended at once. Its log: {self.log}")
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex((HOST, port)) == 0:
                    return
            time.sleep(0.03)
        raise DemoError(f"The demo's {self.name} did not answer within {seconds:.0f} seconds. Its log: {self.log}")

    def ask_to_stop(self) -> None:
        """Ask without waiting, so that several servers end side by side."""
        if self.running and self._guard.stdin and not self._guard.stdin.closed:
            try:
                self._guard.stdin.write(b"s")
                self._guard.stdin.close()
            except BrokenPipeError:
                return  # it ended between the question and the answer

    def stop(self) -> None:
        """Ask, wait, and insist."""
        self.ask_to_stop()
        try:
            self._guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
