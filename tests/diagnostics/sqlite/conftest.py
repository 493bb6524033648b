"""The SQLite file under care, and mounts of our choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from console.diagnostics.check import Context
from console.diagnostics.sqlite import on_network_or_fuse, readonly

Mounted = Callable[..., None]


@pytest.fixture
def path(ctx: Context) -> Path:
    """The attached file."""
    return Path(ctx.deployment.engine.url.database or "")


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> Mounted:
    """`mounted("nfs4")` makes the root a file system of that kind, as the kernel would tell."""

    def pretend(kind: str, options: str = "rw", ours: str = "rw") -> None:
        told = f"22 1 0:21 / / {ours},relatime shared:1 - {kind} server:/export {options}\n" if kind else ""
        monkeypatch.setattr(on_network_or_fuse, "mountinfo", lambda: told)
        monkeypatch.setattr(readonly, "mountinfo", lambda: told)

    return pretend
