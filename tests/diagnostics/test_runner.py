"""One check that hangs, spins or crashes delays and hides nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from console.diagnostics import Check, Evidence, Finding, NotApplicable, Severity, Unknown
from console.diagnostics.runner import run_checks
from console.errors import BadSetting
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL
from tests.servers import ROOT


def make(slug: str, body: Callable, **options) -> Check:
    return Check(f"tests.{slug}", "All is well", Severity.ERROR, body, "doc", **options)


def finds(ctx):
    yield Finding("deployment:1", "one thing", Evidence("here", ("n",), [{"n": 1}], 1))


def passes(ctx):
    assert ctx.read.scalar(text("select count(*) from htx_user")) == 7
    return iter(())


def sleeps(ctx):
    time.sleep(600)
    yield from ()


def spins(ctx):
    while True:
        pass
    yield


def crashes(ctx):
    yield Finding("deployment:1", "seen before the crash")
    raise KeyError("postgresql://u:hunter2secret@h/db")


def bad_subject(ctx):
    yield Finding("planet:1", "somewhere")


def unknown(ctx):
    raise Unknown("needs a GRANT")


def half_unknown(ctx):
    yield Finding("deployment:1", "one is wrong")
    yield Unknown("the other did not answer")


def nothing_there(ctx):
    raise NotApplicable("no storage")


def outcomes(report) -> dict[str, str]:
    return {result.code.removeprefix("tests."): result.outcome for result in report.results}


def test_every_outcome_beside_the_others(deployment):
    bodies = [sleeps, spins, crashes, bad_subject, unknown, half_unknown, nothing_there, finds, passes]
    checks = [make(body.__name__, body, budget_seconds=2) for body in bodies]
    seen: list[tuple[int, int, str]] = []
    started = time.monotonic()
    report = run_checks(deployment, checks, progress=lambda *step: seen.append(step))
    assert time.monotonic() - started < 20
    assert outcomes(report) == {
        "sleeps": "unknown", "spins": "unknown", "crashes": "crashed", "bad_subject": "crashed", "unknown": "unknown",
        "half_unknown": "findings", "nothing_there": "not_applicable", "finds": "findings", "passes": "pass",
    }  # fmt: skip
    told = {result.code: result.reason for result in report.results}
    assert "Did not finish within 2 s" in told["tests.sleeps"]
    assert "KeyError" in told["tests.crashes"] and "hunter2secret" not in told["tests.crashes"]
    assert "names no subject" in told["tests.bad_subject"]
    assert told["tests.half_unknown"] == "the other did not answer"
    assert [finding.summary for finding in report.findings] == ["seen before the crash", "one thing", "one is wrong"]
    assert report.summary() == {"critical": 0, "error": 3, "warning": 0, "info": 0, "unknown": 4}
    assert seen[0][:2] == (0, 9) and seen[-1] == (9, 9, "")
    assert report.deployment["label_studio_version"] == "1.23.2"


def test_the_process_ends_while_checks_hang(settings):
    script = f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from console.config import Settings
        from console.deployment import Deployment
        from console.diagnostics import Check, Severity
        from console.diagnostics.runner import run_checks

        def hangs(ctx):
            ctx.read.connection()
            time.sleep(600)
            yield

        def spins(ctx):
            while True:
                pass
            yield

        deployment = Deployment.attach(Settings.load({{}}, database_url={settings.database_url!r}))
        checks = [Check(f"tests.{{body.__name__}}", "t", Severity.ERROR, body, "", budget_seconds=1) for body in (hangs, spins)]
        report = run_checks(deployment, checks)
        deployment.close()
        print([result.outcome for result in report.results])
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout.strip()) == (0, "['unknown', 'unknown']"), ended.stderr


def test_more_checks_than_places_and_one_that_hangs(deployment):
    checks = [make("sleeps", sleeps, budget_seconds=1), *(make(f"p{number}", passes) for number in range(30))]
    deployment.settings = deployment.settings.with_(checks_at_a_time=2)
    report = run_checks(deployment, checks)
    assert [result.code for result in report.results] == [check.code for check in checks]
    assert set(outcomes(report).values()) == {"unknown", "pass"}


def test_cancelling_keeps_the_answers_there_are(deployment):
    done: list[int] = []
    deployment.settings = deployment.settings.with_(checks_at_a_time=2)
    checks = [make("passes", passes), make("sleeps", sleeps), *(make(f"p{number}", sleeps) for number in range(5))]
    started = time.monotonic()
    report = run_checks(
        deployment,
        checks,
        progress=lambda finished, *_: done.append(finished),
        cancelled=lambda: bool(done and done[-1]),
    )
    assert time.monotonic() - started < 10
    assert report.cancelled
    assert outcomes(report) == {"passes": "pass"}


def test_a_scope_leaves_out_what_cannot_be_narrowed(deployment):
    from console.diagnostics.check import Scope

    checks = [make("all", passes), make("projects", passes, scopes=frozenset({"project"}))]
    assert outcomes(run_checks(deployment, checks, scope=Scope(project_id=1))) == {"projects": "pass"}


@BOTH_ENGINES
def test_a_statement_over_its_time_is_unknown(console, engine):
    def slow(ctx):
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
        yield Finding("deployment:1", str(ctx.read.scalar(text(endless))))

    from console.deployment import Deployment

    short = Deployment.attach(console.settings.with_(statement_timeout_seconds=1))
    report = run_checks(short, [make("slow", slow), make("passes", passes)])
    assert outcomes(report) == {"slow": "unknown", "passes": "pass"}
    assert "LSCONSOLE_STATEMENT_TIMEOUT_SECONDS" in report.results[0].reason
    short.close()


@ON_POSTGRESQL
def test_a_table_somebody_holds_is_unknown(console, session):
    session.execute(text("lock table htx_user in access exclusive mode"))
    report = run_checks(console.deployment, [make("passes", passes)], about=False)
    assert "locked by somebody else" in report.results[0].reason and report.results[0].outcome == "unknown"


@ON_POSTGRESQL
def test_a_connection_that_breaks_is_unknown_and_the_next_check_goes_on(console, session):
    def broken(ctx):
        pid = ctx.read.scalar(text("select pg_backend_pid()"))
        session.execute(text(f"select pg_terminate_backend({pid})"))
        ctx.read.scalar(text("select 1"))
        yield

    report = run_checks(console.deployment, [make("broken", broken)])
    assert outcomes(report) == {"broken": "unknown"} and "does not answer" in report.results[0].reason
    assert outcomes(run_checks(console.deployment, [make("passes", passes)])) == {"passes": "pass"}


def test_a_check_cannot_write(deployment):
    def writes(ctx):
        ctx.read.execute(text("update htx_user set email = 'x'"))
        yield

    assert outcomes(run_checks(deployment, [make("writes", writes)])) != {"writes": "pass"}
    with deployment.read() as session:
        assert session.scalar(text("select count(*) from htx_user where email = 'x'")) == 0


@ON_POSTGRESQL
def test_a_check_cannot_write_on_postgresql(deployment):
    test_a_check_cannot_write(deployment)


def test_limits_come_from_the_settings(deployment):
    def limited(ctx, older_than_minutes: int = 30):
        yield Finding("deployment:1", f"older than {older_than_minutes}")

    check = make("limited", limited)
    assert check.thresholds == {"older_than_minutes": 30}
    assert run_checks(deployment, [check]).findings[0].summary == "older than 30"
    deployment.settings = deployment.settings.with_(thresholds={"tests.limited.older_than_minutes": 5})
    assert run_checks(deployment, [check]).findings[0].summary == "older than 5"
    deployment.settings = deployment.settings.with_(thresholds={"tests.limited.younger": 5})
    [result] = run_checks(deployment, [check]).results
    assert result.outcome == "crashed" and "no limit named younger; it has: older_than_minutes" in result.reason


@pytest.mark.parametrize("name", ["pg.nonsense.limit", "pg.dead_tuples.nonsense", "nonsense.check.limit"])
def test_a_limit_of_no_check_stops_the_start(console, name):
    from console.service import Console

    mistaken = Console(console.settings.with_(thresholds={name: 1}))
    with pytest.raises(BadSetting, match=f"LSCONSOLE_THRESHOLDS.*{name}"):
        _ = mistaken.deployment
