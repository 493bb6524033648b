"""db.wrong_target: an empty database where there was a full one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from console.config import Settings
from console.diagnostics.check import Context, Severity
from console.diagnostics.db.wrong_target import wrong_target
from console.diagnostics.probes import BucketProbes
from console.service import Console
from console.state.models import Run
from tests.factories import BOTH_ENGINES


def emptied(source: Path, path: Path) -> Path:
    """A database of Label Studio's without a project."""
    shutil.copy(source, path)
    connection = sqlite3.connect(path)
    connection.execute("pragma foreign_keys = off")
    for table in ("task", "project"):
        connection.execute(f"delete from {table}")
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def moved(console: Console, sqlite_dumps, tmp_path: Path) -> Iterator[Console]:
    """A console with the same memory on an empty database of another directory."""
    (tmp_path / "fresh").mkdir()
    empty = emptied(sqlite_dumps("1.23.2"), tmp_path / "fresh" / "label_studio.sqlite3")
    other = Console(replace(console.settings, database_url=f"sqlite:///{empty}"))
    yield other
    other.close()


def run(console: Console) -> list:
    ctx = Context(console.deployment, BucketProbes(console.deployment))
    try:
        return wrong_target.run(ctx)
    finally:
        ctx.close()


@BOTH_ENGINES
def test_a_full_database_is_right(console: Console) -> None:
    console.check(["auth.inactive"], by="test")
    assert run(console) == []


def test_a_new_deployment_without_a_memory_is_right(moved: Console) -> None:
    assert run(moved) == []
    moved.check(["auth.inactive"], by="test")
    assert run(moved) == []


@BOTH_ENGINES
def test_a_console_that_saw_a_full_one_before(console: Console, moved: Console) -> None:
    console.check(["auth.inactive"], by="test")
    [finding] = run(moved)
    assert (finding.subject, finding.severity) == ("deployment:database", Severity.ERROR)
    assert finding.summary.startswith("The database holds 0 projects and no task, while on 2")
    assert finding.summary.endswith(f"another {console.deployment.kind} database held 5 projects and 267 tasks")
    assert [row["tasks"] for row in finding.evidence] == [0, 267]
    moved.check(["db.wrong_target"], by="test")
    assert len(run(moved)) == 1  # as long as the other one is not seen again
    console.check(["auth.inactive"], by="test")
    assert run(moved) == []  # one console for two deployments


def test_a_memory_of_long_ago_does_not_count(console: Console, moved: Console) -> None:
    console.check(["auth.inactive"], by="test")
    with console.store.session() as session:
        session.execute(update(Run).values(started_at=datetime.now(UTC) - timedelta(days=90)))
    assert run(moved) == []


def test_the_same_file_lost_its_tasks(console: Console, ctx: Context) -> None:
    console.check(["auth.inactive"], by="test")
    path = Path(console.deployment.engine.url.database or "")
    emptied(path, path.with_name("copy"))
    shutil.copy(path.with_name("copy"), path)
    [finding] = wrong_target.run(ctx)
    assert finding.summary.endswith("this database held 5 projects and 267 tasks")


def test_another_file_where_label_studio_puts_it(moved: Console, sqlite_dumps, settings: Settings) -> None:
    folder = Path(moved.deployment.engine.url.database or "").parent
    shutil.copy(sqlite_dumps("1.13.1"), folder / "backup.sqlite3")
    (folder / "notes.sqlite3").write_text("no database")
    sqlite3.connect(folder / "other.db").close()
    settings.base_data_dir.mkdir()
    shutil.copy(sqlite_dumps("1.18.0"), settings.base_data_dir / "label_studio.sqlite3")
    [finding] = run(moved)
    assert sorted(row["tasks"] for row in finding.evidence) == [0, 267, 267]
    assert f"{folder / 'backup.sqlite3'} holds 5 projects and 267 tasks" in finding.summary
    assert str(settings.base_data_dir) in finding.summary


def test_a_postgresql_that_is_passed_over(moved: Console, dump_url) -> None:
    url = dump_url("postgresql", "1.23.2")
    moved.deployment.settings = replace(
        moved.settings, unused_postgresql_url=url.replace("postgres@", "postgres:hidden@")
    )
    [finding] = run(moved)
    assert "on 127.0.0.1 (passed over, as DJANGO_DB is sqlite) holds 5 projects and 267 tasks" in finding.summary
    assert "hidden" not in str(finding)
    moved.deployment.settings = replace(moved.settings, unused_postgresql_url="postgresql://nobody@127.0.0.1:9/ls")
    assert run(moved) == []
