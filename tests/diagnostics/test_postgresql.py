"""What the checks of the database share, and what all of them say on SQLite."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console.diagnostics import registry
from console.diagnostics.check import Context
from console.diagnostics.postgresql import ago, literal, maintainable, may_signal
from console.diagnostics.runner import ask
from tests.diagnostics.postgresql import execute
from tests.factories import ON_POSTGRESQL
from tests.servers import dump_versions

BOTH = {"pg.async_migration", "pg.pending_migrations"}
CHECKS = [check for check in registry.by_area()["pg"] if check.code not in BOTH]


def test_a_file_has_no_server_to_look_at(ctx: Context) -> None:
    outcomes = {check.code: ask(check, ctx) for check in CHECKS}
    assert len(outcomes) > 20
    assert {code: result.outcome for code, result in outcomes.items() if result.outcome != "not_applicable"} == {}
    assert all(result.reason.endswith(".") for result in outcomes.values())


@ON_POSTGRESQL
@pytest.mark.parametrize("version", dump_versions())
def test_a_healthy_database_of_any_release_raises_no_alarm(ctx: Context) -> None:
    """But for the settings of the test server, which are no deployment's."""
    ctx.now = datetime(2026, 1, 1, tzinfo=UTC)
    findings = [finding for check in registry.by_area()["pg"] for finding in ask(check, ctx).findings]
    assert [(finding.code, finding.summary) for finding in findings] == [
        ("pg.cache_and_config", "3 settings are worth a look: autovacuum, fsync, full_page_writes")
    ]


@ON_POSTGRESQL
def test_the_fixing_role_is_asked_not_the_looking_one(settings, ctx: Context) -> None:
    role = "do $$ begin create role only_looks login; exception when duplicate_object then null; end $$"
    execute(ctx, role)
    assert "task" in maintainable(ctx) and may_signal(ctx)[1]
    url = settings.database_url.replace("postgres@", "only_looks@")
    ctx.deployment.settings = settings.with_(fix_database_url=url)
    assert maintainable(ctx) == set()
    anybody, superuser, own = may_signal(ctx)
    assert (anybody, superuser, own) == (False, False, {"only_looks"})


def test_words() -> None:
    assert [ago(seconds) for seconds in (0.4, 59, 60, 3700, 90_000)] == ["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h"]
    assert literal("o'clock") == "'o''clock'"
