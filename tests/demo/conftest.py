"""One running demo for all tests of this folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import demo


@pytest.fixture(scope="session")
def deployment() -> Iterator[demo.Deployment]:
    """The demo in its default scenario, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="lsconsole-demo-") as directory:
        Path(directory).chmod(0o711)  # as root, PostgreSQL runs as a user who has to get there
        with demo.start(Path(directory)) as running:
            yield running
