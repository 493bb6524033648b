"""The newest servers have other views and other rights: PostgreSQL 16 and 18, from wheels."""

import psycopg2
import pytest

from console.config import Settings
from console.deployment import Deployment
from console.maintenance.preview import preview
from console.maintenance.run import attempt, run
from tests import servers
from tests.maintenance.conftest import SLOW, invalid_indexes, make_slow_index


@pytest.fixture(scope="module", params=sorted(servers.IN_THE_WHEEL))
def server(request, other_postgres):
    """The superuser's URL of a database that holds Label Studio's tables; made without contrib modules."""
    return servers.load_demo(other_postgres(request.param))


@pytest.fixture
def cursor(server):
    connection = psycopg2.connect(server)
    connection.autocommit = True
    yield connection.cursor()
    connection.cursor().execute("drop table if exists slow, busy cascade; drop function if exists slowly(int)")
    connection.close()


@pytest.fixture
def newest(server, tmp_path):
    deployment = Deployment.attach(Settings.load({}, database_url=server, data_dir=tmp_path))
    yield deployment
    deployment.close()


def test_every_action_runs_and_tells_how_far_it_is(newest, cursor):
    cursor.execute("create table busy (id serial primary key, t text)")
    cursor.execute("insert into busy (t) select md5(g::text) from generate_series(1, 3000) g")
    cursor.execute("create index busy_t on busy (t)")
    cursor.execute("delete from busy where id % 3 = 0")
    for action in ("vacuum", "vacuum_analyze", "analyze", "reindex_table", "vacuum_full"):
        assert preview(newest, action, "busy").allowed
        seen = []
        outcome = run(newest, action, "busy", progress=lambda *told, seen=seen: seen.append(told))
        assert outcome.done and seen[-1][0] == seen[-1][1]
    assert outcome.after.heap_bytes < outcome.before.heap_bytes


def test_a_slow_build_is_followed_and_stopped(newest, cursor):
    index = make_slow_index(cursor)
    seen = []
    outcome = attempt(newest, "reindex_index", index=index, progress=lambda *told: seen.append(told),
                      stopped=lambda: len(seen) > 2, limits=SLOW)  # fmt: skip
    assert outcome.status == "stopped" and outcome.leftovers == () and invalid_indexes(cursor) == []
    assert any("reads the table" in label or "builds the index" in label for _, _, label in seen)


def test_maintain_is_enough_where_it_exists(newest, cursor, server, tmp_path):
    cursor.execute("create table busy (id int)")
    cursor.execute("create role keeper login; grant select on all tables in schema public to keeper")
    keeping = Deployment.attach(
        Settings.load({}, database_url=server.replace("postgres@", "keeper@"), data_dir=tmp_path)
    )
    try:
        lacking = preview(keeping, "vacuum", "busy").lacking
        if newest.database_version.startswith("16"):
            assert lacking == ('GRANT "postgres" TO "keeper";',)
            return
        assert lacking[0] == 'GRANT MAINTAIN ON TABLE "public"."busy" TO "keeper";'
        cursor.execute(lacking[0])
        assert run(keeping, "vacuum_analyze", "busy").done
    finally:
        keeping.close()
        cursor.execute("drop owned by keeper; drop role keeper")
