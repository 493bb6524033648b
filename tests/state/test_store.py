"""The store opens by itself, on either database, once and for all of several consoles."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import inspect, text

from console.errors import CannotAttach
from console.state import Store
from console.state.models import GrantRow, State
from console.state.store import is_alive, this_process


def test_an_empty_database_gets_the_tables_of_the_models(store):
    real = inspect(store.engine)
    for table in State.metadata.tables.values():
        columns = {column["name"]: column["nullable"] for column in real.get_columns(table.name)}
        assert columns == {column.name: bool(column.nullable) for column in table.columns}, table.name


def test_the_newest_migration_makes_just_the_models(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [item for item in compare_metadata(context, State.metadata) if "alembic_version" not in str(item)]
    assert found == []


def test_opening_again_changes_nothing_and_loads_no_alembic(state_url, store):
    with store.session() as session:
        session.add(GrantRow(email="a@example.com", role="admin", by="test", at=datetime.now(UTC)))
    again = Store.open(state_url)
    with again.read() as session:
        assert session.get_one(GrantRow, "a@example.com").role == "admin"
    again.close()


def test_eight_threads_open_an_empty_store_at_once(state_url):
    with ThreadPoolExecutor(8) as pool:
        for store in pool.map(Store.open, [state_url] * 8):
            with store.read() as session:
                assert session.scalar(text("select seq from audit_head")) == 0
            store.close()


def test_two_processes_open_an_empty_store_at_once(state_url):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_open, [state_url] * 4) == [0] * 4


def _open(url: str) -> int:
    store = Store.open(url)
    try:
        with store.read() as session:
            return session.scalar(text("select seq from audit_head"))
    finally:
        store.close()


def test_writers_wait_for_each_other(store):
    with store.session() as session:
        session.add(GrantRow(email="n@example.com", role="0", by="test", at=datetime.now(UTC)))

    def count(_: int) -> None:
        with store.session() as session:
            row = session.get_one(GrantRow, "n@example.com", with_for_update=True)
            row.role = str(int(row.role) + 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(40)))
    with store.read() as session:
        assert session.get_one(GrantRow, "n@example.com").role == "40"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://u:secret-word@h/db", "sqlite:/// file or a postgresql:// database"),
        ("sqlite:////proc/nowhere/state.sqlite3", "cannot be opened"),
        ("postgresql://someone:secret-word@127.0.0.1:1/db", "cannot be opened"),
        ("nonsense", "cannot be opened"),
    ],
)
def test_a_store_that_cannot_be_opened_says_so_without_a_secret(url, told):
    with pytest.raises(CannotAttach, match=told) as caught:
        Store.open(url)
    assert "secret-word" not in str(caught.value)


def test_a_damaged_file_is_no_traceback(tmp_path):
    path = tmp_path / "state.sqlite3"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(CannotAttach, match="not a database"):
        Store.open(f"sqlite:///{path}")


def test_a_process_knows_itself_and_the_dead():
    own = this_process()
    host, pid, started = own.rsplit(":", 2)
    assert is_alive(own) is True
    assert is_alive(f"{host}:{pid}:{int(started) + 1}") is False  # the number was given to another process since
    assert is_alive(f"{host}:4194304:1") is False
    assert is_alive(f"elsewhere:{pid}:{started}") is None
    assert is_alive(None) is False


def test_a_new_file_and_its_directory_are_for_our_eyes_alone(tmp_path):
    path = tmp_path / "data" / "state.sqlite3"
    store = Store.open(f"sqlite:///{path}")
    with store.session() as session:
        session.add(GrantRow(email="a@example.com", role="admin", by="test", at=datetime.now(UTC)))
        assert {item.name: item.stat().st_mode & 0o777 for item in path.parent.iterdir()} == dict.fromkeys(
            ("state.sqlite3", "state.sqlite3-wal", "state.sqlite3-shm"), 0o600
        )
    assert path.parent.stat().st_mode & 0o777 == 0o700
    store.close()
