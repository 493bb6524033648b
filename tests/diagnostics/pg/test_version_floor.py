"""pg.version_floor: which PostgreSQL the releases accept."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from console.diagnostics import Evidence, Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.version_floor import version_floor
from tests.factories import ON_POSTGRESQL


def on(major: int, release: str, day: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> Any:
    """A context of a server and a release that cannot be had together here."""
    answer = SimpleNamespace(exec_driver_sql=lambda _: SimpleNamespace(scalar_one=lambda: str(major * 10_000 + 4)))
    return SimpleNamespace(
        schema=SimpleNamespace(dialect="postgresql", label_studio_version=release),
        settings=SimpleNamespace(threshold=lambda code: {}), now=day, read=SimpleNamespace(connection=lambda: answer),
        deployment=SimpleNamespace(database_version=f"{major}.4"),
        evidence=Evidence.from_rows,
    )  # fmt: skip


@ON_POSTGRESQL
def test_the_test_servers_own_version_is_new_enough(ctx: Context) -> None:
    ctx.now = datetime(2026, 1, 1, tzinfo=UTC)
    assert version_floor.run(ctx) == []


@pytest.mark.parametrize(
    ("major", "release", "severity", "words"),
    [
        (13, "1.23.1", Severity.ERROR, "PostgreSQL 13 is too old for Label Studio 1.23.1, which needs 14 or later"),
        (12, "1.16.0", Severity.ERROR, "which needs 13 or later"),
        (13, "1.23.0", Severity.WARNING, "PostgreSQL 13 is too old for Label Studio 1.23.1 and later, which need 14"),
        (11, "1.8.2.post1", Severity.WARNING, "which need 14"),
        (11, "unknown", Severity.WARNING, "which need 14"),
    ],
)
def test_floors(major: int, release: str, severity: Severity, words: str) -> None:
    [finding] = version_floor.run(on(major, release))
    assert finding.severity is severity and words in finding.summary


def test_the_end_of_corrections_is_a_note() -> None:
    [finding] = version_floor.run(on(14, "1.23.2", datetime(2026, 11, 13, tzinfo=UTC)))
    assert (finding.severity, finding.summary) == (Severity.INFO, "PostgreSQL 14 gets no corrections since 2026-11-12")
    assert version_floor.run(on(19, "1.23.2")) == []
