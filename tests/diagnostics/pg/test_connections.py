"""pg.connections: how many are left."""

from __future__ import annotations

from contextlib import ExitStack

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.connections import connections
from tests.diagnostics.postgresql import connected, execute, limited, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_there_is_room(ctx: Context) -> None:
    assert connections.run(ctx) == []


def test_a_server_near_its_limit(settings, ctx: Context) -> None:
    limited(ctx, connections, warn_percent=1, alarm_percent=90)
    with connected(ctx, "gunicorn"), connected(ctx, "gunicorn"):
        [finding] = connections.run(ctx)
        assert (finding.subject, finding.severity) == ("deployment:connections", Severity.WARNING)
        assert finding.summary.endswith("of 97 connections in use")
        used = {row["application"]: row["sessions"] for row in finding.evidence.rows}
        assert used["gunicorn"] == 2
        with looking_role(settings, ctx) as looking:
            [seen] = connections.run(looking)
            assert {row["application"]: row["sessions"] for row in seen.evidence.rows}["gunicorn"] == 2
    limited(ctx, connections, alarm_percent=1)
    assert connections.run(ctx)[0].severity is Severity.ERROR


def test_limits_of_the_role_and_the_database(ctx: Context) -> None:
    [(name,)] = execute(ctx, "select current_database()")
    execute(
        ctx,
        "drop role if exists few",
        "create role few login connection limit 3",
        f'alter database "{name}" connection limit 5',
    )
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connected(ctx, "gunicorn", user="few"))
        found = {finding.subject: finding for finding in connections.run(ctx)}
    assert set(found) == {"deployment:connections-of-few", "deployment:connections-of-the-database"}
    assert found["deployment:connections-of-few"].summary == "Role few has 3 of 3 connections in use"
    assert found["deployment:connections-of-few"].severity is Severity.ERROR
    execute(ctx, "drop role few")
