"""Every check of the database and its fixes on PostgreSQL 16 and 18, for the owner of the tables and for who may only look.

One deployment has all the faults at once, with limits so low that every check has something to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg2
import pytest

from console.config import Settings
from console.diagnostics import Finding, registry
from console.diagnostics.check import Context
from console.diagnostics.runner import ask
from console.service import Console
from tests import servers
from tests.diagnostics.postgresql import EMPTY, FILL, applied, connected, execute, looking_role, until, waiting
from tests.factories import ON_POSTGRESQL

pytestmark = [ON_POSTGRESQL, pytest.mark.parametrize("release", sorted(servers.IN_THE_WHEEL))]

LOW = {
    "pg.blocked.waiting_seconds": 0, "pg.connections.warn_percent": 1, "pg.dead_tuples.min_dead_rows": 100,
    "pg.duplicate_index.min_megabytes": 0, "pg.id_overflow.min_used_percent": 0.00001,
    "pg.idle_in_transaction.idle_minutes": 0, "pg.index_bloat.min_megabytes": 0, "pg.latency.max_milliseconds": 0,
    "pg.migrate_lock.idle_minutes": 0, "pg.replication_slot.min_megabytes": 0, "pg.stale_stats.min_rows": 200,
    "pg.stale_stats.min_changed_rows": 50, "pg.table_bloat.min_megabytes": 0, "pg.unused_index.min_megabytes": 0,
    "pg.unused_index.min_days": 0, "pg.wraparound.warn_transactions": 1,
}  # fmt: skip
FAULTS = (
    FILL, EMPTY, "vacuum analyze", "update task set updated_at = now()",
    "create index again on task (inner_id)", "create index once_more on task (inner_id)", "drop index task_proj_octlen_idx",
    "insert into core_asyncmigrationstatus (name, status, meta, created_at, updated_at)"
    " values ('0059_task_completion_id_updated_at_idx_async', 'ERROR', '{}', now(), now())",
    "select setval('task_id_seq', 5)",
    "select pg_create_physical_replication_slot('left_' || current_database(), true)",
)  # fmt: skip
#: What the demo's server and its settings do not bring about.
WITHOUT_FAULT = {"pg.disk", "pg.pending_migrations", "pg.version_floor"}
NEEDS_GRANT = {"pg.id_overflow", "pg.sequence_behind", "pg.idle_in_transaction", "pg.migrate_lock"}
LINKS = "io_storages_s3importstoragelink"


@pytest.fixture
def dump_url(release: int, other_postgres: Callable[[int], str]) -> Callable[[str, str], str]:
    return lambda engine, version: servers.load_demo(other_postgres(release))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As the owner of Label Studio's tables, who is no superuser."""
    url = str(settings.database_url).replace("postgres@", "labelstudio@")
    return settings.with_(database_url=url, thresholds=LOW, database_free_bytes=100 * 2**30)


@pytest.fixture
def faulty(ctx: Context) -> Context:
    execute(ctx, *FAULTS)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(ctx, "create unique index concurrently half_built on prediction (project_id)")
    return ctx


@contextmanager
def crowded(ctx: Context) -> Iterator[dict[str, int]]:
    """A pod that holds the lock on migrations, an idle transaction, and one that waits for it; their process ids."""
    with ExitStack() as stack:
        names = ("pod", "psql", "gunicorn")
        pod, idle, behind = (stack.enter_context(connected(ctx, name, user="labelstudio")) for name in names)
        pod.cursor().execute("select pg_try_advisory_xact_lock(1000)")
        idle.cursor().execute("update project set title = title where id = 1")
        stack.enter_context(waiting(behind, "update project set title = title where id = 1"))
        yield {name: one.info.backend_pid for name, one in zip(names, (pod, idle, behind), strict=True)}


def answers(ctx: Context) -> dict[str, tuple[str, str]]:
    """Outcome and reason of every check of the database."""
    results = {check.code: ask(check, ctx) for check in registry.select(["pg"])}
    return {code: (result.outcome, result.reason) for code, result in results.items()}


def found(ctx: Context, code: str, subject: str) -> Finding:
    return next(finding for finding in registry.get(code).run(ctx) if finding.subject == subject)


def test_every_check_has_its_answer_for_the_owner_and_for_who_looks(settings: Settings, faulty: Context) -> None:
    with crowded(faulty):
        owner = answers(faulty)
        with looking_role(settings, faulty) as looking:
            looker = answers(looking)
    assert {code for code, (outcome, _) in owner.items() if outcome == "pass"} == WITHOUT_FAULT
    assert owner.pop("pg.slow_queries")[0] == looker.pop("pg.slow_queries")[0] == "not_applicable"
    assert {outcome for outcome, _ in owner.values()} == {"pass", "findings"}
    assert {code for code, (outcome, _) in looker.items() if outcome == "unknown"} == NEEDS_GRANT
    assert all("GRANT" in looker[code][1] for code in NEEDS_GRANT)
    differs = {code for code in owner if owner[code][0] != looker[code][0]}
    assert differs == NEEDS_GRANT


REPAIRS = [
    ("pg.dead_tuples", "table:task", "vacuum"),
    ("pg.stale_stats", f"table:{LINKS}", "analyze"),
    ("pg.index_bloat", f"index:{LINKS}_pkey", "rebuild"),
    ("pg.invalid_index", "index:half_built", "rebuild"),
    ("pg.table_bloat", f"table:{LINKS}", "vacuum"),
    ("pg.table_bloat", f"table:{LINKS}", "rewrite"),
    ("pg.async_migration", "deployment:database", "record"),
    ("pg.sequence_behind", "deployment:sequences", "advance"),
]  # fmt: skip


def test_what_is_offered_repairs_it(console: Console, faulty: Context) -> None:
    execute(faulty, f"update {LINKS} set object_exists = false", "delete from prediction")
    for code, subject, fix in REPAIRS:
        finding = found(faulty, code, subject)
        outcome, plan = applied(console, finding, fix)
        faulty.close()
        assert outcome.status == "applied", (code, outcome.message)
        left = {(finding.subject, fix in (finding.fixes or ())) for finding in registry.get(code).run(faulty)}
        assert (subject, True) not in left, code
        if plan.reversible:
            console.undo(plan.id, by="test", reason="test")
            assert found(faulty, code, subject).evidence.rows == finding.evidence.rows


def test_sessions_are_ended(console: Console, faulty: Context) -> None:
    with crowded(faulty) as pids:
        for code, subject, who in [
            ("pg.blocked", f"deployment:session-{pids['psql']}", "psql"),
            ("pg.migrate_lock", "deployment:migrate-lock", "pod"),
        ]:
            outcome, _ = applied(console, found(faulty, code, subject), "terminate")
            assert outcome.status == "applied", outcome.message
            until(lambda who=who: not execute(faulty, f"select 1 from pg_stat_activity where pid = {pids[who]}"))
        until(lambda: ask(registry.get("pg.blocked"), faulty).outcome == "pass")


def test_maintain_is_enough_for_a_button_where_it_exists(release: int, settings: Settings, faulty: Context) -> None:
    with looking_role(settings, faulty) as looking:
        assert found(looking, "pg.dead_tuples", "table:task").fixes == ()
        if release >= 17:
            execute(faulty, "grant maintain on task to only_looks")
            looking.close()
            assert found(looking, "pg.dead_tuples", "table:task").fixes == ("vacuum",)
