"""State stores on both databases, empty and migrated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.state import Store
from tests import servers


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store may be made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.sqlite3'}"
    return servers.empty_database(request.getfixturevalue("postgres"))


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    store = Store.open(state_url)
    yield store
    store.close()
