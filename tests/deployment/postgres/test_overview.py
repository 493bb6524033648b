"""Everything together: quick, whole on every release and under every role, and never waiting for a lock."""

import time

import psycopg2
import pytest
from sqlalchemy import event

from console.deployment import database
from console.deployment.postgres import (
    bloat,
    grants,
    indexes,
    overview,
    sequences,
    server,
    sessions,
    statements,
    tables,
)
from console.errors import NotApplicable
from tests import servers
from tests.deployment.postgres.conftest import Admin
from tests.servers import dump_versions


@pytest.mark.parametrize("version", dump_versions())
def test_quick_and_in_few_statements(url, of_url):
    deployment = of_url(url)
    counted = []
    event.listen(deployment.engine, "before_cursor_execute", lambda *arguments: counted.append(arguments[2]))
    for _ in range(6):
        counted.clear()
        started = time.perf_counter()
        found = overview.read(deployment)
        if (taken := time.perf_counter() - started) < 0.3:
            break
    assert taken < 0.3  # 0.06 on a quiet machine
    assert len(counted) <= 20
    assert found.notes == {} and found.missing == []
    assert all(getattr(found, part) is not None for part in overview.PARTS)
    assert all(table.bloat for table in found.tables.rows) and all(index.bloat for index in found.indexes)


def test_a_role_that_may_only_select(url, of_url, lowly):
    found = overview.read(of_url(url.replace("postgres@", "Only%20Looks@")))
    assert found.notes == {}
    assert found.sessions.grant and found.server.grants and found.disk.free_bytes is None
    assert len(found.grants.needed()) == 6


def test_a_locked_table_holds_nothing_up(url, of_url):
    deployment = of_url(url)
    holder = psycopg2.connect(url)
    holder.cursor().execute("lock table task, project, task_completion in access exclusive mode")
    started = time.monotonic()
    found = overview.read(deployment)
    assert time.monotonic() - started < 2
    holder.close()
    assert found.notes == {} and found.missing == []
    assert {table.name for table in found.tables.rows if table.locked} == {"task", "project", "task_completion"}


def test_a_part_that_cannot_be_read_is_named(url, of_url, admin, monkeypatch):
    deployment = of_url(url)
    monkeypatch.setattr(
        overview.tables, "_SETTINGS", overview.text("lock table task in access share mode; select pg_sleep(60)")
    )
    deployment.engine.dispose()
    monkeypatch.setattr(overview, "_LIMIT", overview.text("select set_config('statement_timeout', :limit, true)"))
    found = overview.read(deployment, only=("tables", "server"))
    assert found.tables is None and "time limit" in found.notes["tables"]
    assert found.server is not None


def test_looking_writes_nothing(url, of_url, admin):
    """A transaction that writes takes a number."""
    deployment = of_url(url)
    next_number = "select pg_snapshot_xmax(pg_current_snapshot())::text"
    before = admin(next_number)
    overview.read(deployment)
    assert admin(next_number) == before


def test_an_empty_database_has_nothing_and_says_so(empty_url):
    engine = database.read_engine(empty_url)
    with database.read_session(engine) as session:
        assert tables.read(session).rows == [] and indexes.read(session) == []
        assert indexes.foreign_keys_without_index(session) == [] and sequences.read(session) == []
        assert grants.read(session).needed() == [] and server.read(session).database_bytes > 0
        assert sessions.read(session).connections.of_this_database == 1
        assert bloat.estimate(session, [], []) == bloat.measure(session, [], []) == {}
        assert statements.slowest(session, []).rows is None
    engine.dispose()


def test_sqlite_has_no_such_statistics(console):
    with pytest.raises(NotApplicable, match="SQLite"):
        overview.read(console.deployment)


@pytest.mark.parametrize("release", sorted(servers.IN_THE_WHEEL))
def test_other_releases_of_postgresql(release, other_postgres, of_url):
    url = servers.load_demo(other_postgres(release))
    admin = Admin(url)
    admin("analyze", "set enable_seqscan = off; select count(*) from task_completion where id = 1")
    found = overview.read(of_url(url))
    assert found.server.major == release and found.notes == {}
    assert all(getattr(found, part) is not None for part in overview.PARTS)
    assert {item.expected.name for item in found.missing} == {
        "tasks_annotations_result_proj_gin",
        "tasks_predictions_result_proj_gin",
    }
    extensions = {item.name: item for item in found.server.extensions}
    assert (extensions["pg_trgm"].available, extensions["pg_trgm"].statement) == ("", "")
    [used] = [index for index in found.indexes if index.table == "task_completion" and index.scans]
    assert used.last_scan is not None
    owner = overview.read(of_url(url.replace("postgres@", "labelstudio@")))
    assert owner.notes == {} and owner.grants.may_maintain("task")
    admin("create role looks login", "grant select on all tables in schema public to looks")
    if release >= 17:
        admin("grant maintain on task to looks")
    lowly = overview.read(of_url(url.replace("postgres@", "looks@")))
    assert lowly.notes == {}
    assert lowly.grants.may_maintain("task") is (release >= 17) and not lowly.grants.may_maintain("project")
    needed = {item.part: item for item in lowly.grants.needed()}
    if release >= 17:
        assert lowly.grants.maintain_statement("project") == "GRANT MAINTAIN ON public.project TO looks;"
        assert needed["maintenance"].statements == ("GRANT pg_maintain TO looks;",)
    admin.connection.close()
