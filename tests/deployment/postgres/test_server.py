"""The server as a whole."""

import psycopg2
import pytest

from console.deployment.postgres import server
from console.deployment.schema import UNTOLD
from tests.servers import dump_versions


def asked(read, **options):
    with read() as session:
        return server.read(session, **options)


def test_facts_of_the_server(admin, read):
    found = asked(read)
    assert (found.major, found.in_recovery, found.grants, found.pooler) == (15, False, (), "")
    assert found.database_bytes == admin("select pg_database_size(current_database())")[0][0]
    assert found.statistics_days >= 0 and found.started_at is not None
    [own] = [age for age in found.ages if age.own]
    assert own.name == found.database and 0 < own.age < 100_000 and own.percent < 1
    assert found.checkpoints.timed >= 0


def test_rollbacks_and_temporary_files_are_counted(admin, read, url):
    before = asked(read)
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(
            "set work_mem = '64kB'; select count(*) from (select md5(g::text) from generate_series(1, 30000) g order by 1) s"
        )
        cursor.execute("select pg_stat_force_next_flush()")
    connection.rollback()
    connection.close()
    after = asked(read)
    assert after.temp_bytes > before.temp_bytes and after.temp_files > before.temp_files


def test_extensions_are_there_or_can_be_installed(admin, read):
    found = {item.name: item for item in asked(read).extensions}
    assert found["pg_trgm"].installed and found["pg_trgm"].needed and found["pg_trgm"].statement == ""
    assert (found["pgstattuple"].installed, found["pgstattuple"].needed) == ("", False)
    assert found["pgstattuple"].statement == "CREATE EXTENSION pgstattuple;"
    admin(found["pgstattuple"].statement)
    assert {item.name: item for item in asked(read).extensions}["pgstattuple"].installed


def test_a_slot_keeps_the_log(admin, read):
    admin(
        "select pg_create_physical_replication_slot('left_behind', true)",
        "create table noise as select generate_series(1, 20000)",
    )
    try:
        [slot] = asked(read).slots
        assert (slot.name, slot.kind, slot.active, slot.state) == ("left_behind", "physical", False, "reserved")
        assert slot.retained_bytes > 100_000
    finally:
        admin("select pg_drop_replication_slot('left_behind')")


def test_another_port_is_a_pooler(read):
    assert "PgBouncer" in asked(read, url_port=6432).pooler
    assert "a pooler or a forwarded port" in asked(read, url_port=15432).pooler


def test_the_disk_is_told_where_the_server_runs_here(read, lowly):
    with read() as session:
        found = server.disk(session)
    assert found.free_bytes > 0 and found.total_bytes > found.free_bytes
    with lowly() as session:
        hidden = server.disk(session)
    assert hidden.free_bytes is None and 'GRANT pg_read_all_settings TO "Only Looks";' in hidden.how


@pytest.mark.parametrize("version", dump_versions())
def test_the_floor_of_the_release(url, read, of_url, version):
    deployment = of_url(url)
    found = server.floor(asked(read), deployment.schema)
    assert not found.too_old and not found.too_old_for_newest
    assert found.needed == {"1.8.2.post1": 10, "1.13.1": 10, "1.18.0": 13, "1.23.2": 13}[version]
    assert found.newest_needed == 14
    deployment.schema.release = UNTOLD
    assert server.floor(asked(read), deployment.schema) is None


def test_a_plain_role_is_told_what_it_lacks(lowly):
    found = asked(lowly)
    assert found.grants == ('GRANT pg_read_all_stats TO "Only Looks";',)
    assert found.ages and found.database_bytes
