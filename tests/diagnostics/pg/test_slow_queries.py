"""pg.slow_queries: on a server of its own, since counting statements has to be loaded at the start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.diagnostics.check import Context
from console.diagnostics.pg.slow_queries import slow_queries
from console.diagnostics.runner import ask
from tests import servers
from tests.diagnostics.postgresql import execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
QUERY = "select count(*), pg_sleep(0.003) from task where data::text like '%secret word%'"


@pytest.fixture(scope="module")
def counting() -> Iterator[str]:
    with servers.debian_postgres(shared_preload_libraries="pg_stat_statements") as url:
        yield url


@pytest.fixture
def dump_url(counting: str):
    return lambda engine, version: servers.load_dump(counting, version)


def test_a_slow_search_is_found_without_what_was_searched(settings, ctx: Context) -> None:
    assert (
        ask(slow_queries, ctx).reason
        == "Statements are not counted: the extension pg_stat_statements is not installed here."
    )
    execute(ctx, "create extension pg_stat_statements", "select pg_stat_statements_reset()", *[QUERY] * 6)
    execute(ctx, "select pg_sleep(0.01)", "vacuum task", "select count(*) from project")
    assert slow_queries.run(ctx) == []
    limited(ctx, slow_queries, min_milliseconds=2)
    ctx.close()
    [finding] = slow_queries.run(ctx)
    assert finding.subject == "deployment:database"
    assert finding.summary.startswith("1 query on tasks take")
    [row] = finding.evidence.rows
    assert row["calls"] == 6 and row["statement"].startswith("select count(*), pg_sleep($1) from task where")
    assert "secret word" not in str(finding)

    with looking_role(settings, ctx) as looking:
        result = ask(slow_queries, looking)
    assert result.outcome == "unknown" and "GRANT pg_read_all_stats TO only_looks;" in result.reason


def test_an_extension_that_is_not_loaded(settings, postgres: str) -> None:
    from console.deployment import Deployment

    url = servers.load_dump(postgres, "1.23.2")
    deployment = Deployment.attach(settings.with_(database_url=url))
    ctx = Context(deployment, None)  # type: ignore[arg-type]
    execute(ctx, "create extension pg_stat_statements")
    assert "shared_preload_libraries does not name it" in ask(slow_queries, ctx).reason
    deployment.close()
