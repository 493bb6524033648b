"""Slow statements, as far as the server keeps them."""

import re

from console.deployment.postgres import statements


def test_without_the_extension_it_says_what_to_do(read):
    with read() as session:
        found = statements.slowest(session, ["task"])
    assert found.rows is None and found.needs == "CREATE EXTENSION pg_stat_statements;"


def test_an_extension_the_server_was_not_started_with(admin, read):
    admin("create extension pg_stat_statements")
    with read() as session:
        found = statements.slowest(session, ["task"])
        assert found.rows is None and "shared_preload_libraries" in found.why
        assert session.connection().exec_driver_sql("select 1").scalar() == 1  # the transaction lives on


def test_only_statements_on_these_tables_and_only_slow_ones(admin, read, lowly):
    """A table in the view's place: the server of the tests is not started with the library."""
    admin(
        "create extension pg_stat_statements schema public",
        'create schema "Moved %"',
        'create table "Moved %".pg_stat_statements as select d.oid as dbid, q as query, 10::bigint as calls, ms as mean_exec_time,'
        " ms * 2 as max_exec_time, ms * 10 as total_exec_time, 5::bigint as rows, 90::bigint as shared_blks_hit, 10::bigint as"
        " shared_blks_read from pg_database d, (values ('select * from task where x = $1 and token=''abcdefgh1234''', 500.0::float8),"
        " ('select * from tasklike', 900), ('select 1 from task', 3)) v (q, ms) where d.datname = current_database()",
        "update pg_extension set extnamespace = '\"Moved %\"'::regnamespace where extname = 'pg_stat_statements'",
    )
    with read() as session:
        found = statements.slowest(session, ["task", "odd|name)"])
    [row] = found.rows
    assert re.match(r"select \* from task where", row.query) and "abcdefgh1234" not in row.query
    assert (row.calls, row.mean_ms, row.max_ms, row.total_ms, row.cache_hit_percent) == (10, 500, 1000, 5000, 90)
    with lowly() as session:
        hidden = statements.slowest(session, ["task"])
    assert hidden.rows is None and hidden.needs == 'GRANT pg_read_all_stats TO "Only Looks";'
