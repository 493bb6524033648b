"""Sizes, rows, upkeep and the numbers at which autovacuum comes."""

import threading
import time

import psycopg2

from console.deployment.postgres import tables


def by_name(read, name):
    with read() as session:
        [table] = [table for table in tables.read(session).rows if table.name == name]
    return table


def test_sizes_are_postgresqls_own(admin, read):
    with read() as session:
        found = tables.read(session)
    assert (
        found.total
        == len(found.rows)
        == admin("select count(*) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")[0][0]
    )
    for table in found.rows:
        [(total, main, indexes, number)] = admin(
            f"select pg_total_relation_size({table.oid}), pg_relation_size({table.oid}), pg_indexes_size({table.oid}),"
            f" (select count(*) from pg_index where indrelid = {table.oid})"
        )
        assert (table.total_bytes, table.main_bytes, table.index_bytes, table.indexes) == (total, main, indexes, number)
        assert table.heap_bytes + table.index_bytes + table.toast_bytes == total
    assert [table.total_bytes for table in found.rows] == sorted(
        (table.total_bytes for table in found.rows), reverse=True
    )


def test_dead_and_changed_rows_and_the_last_upkeep(admin, read):
    admin("vacuum analyze task", "update task set updated_at = now()")
    task = by_name(read, "task")
    assert (task.live_rows, task.dead_rows, task.modified_since_analyze) == (267, 267, 267)
    assert task.dead_percent == 50 and task.stale_percent == 100
    assert task.vacuumed is not None and task.analyzed is not None and task.last_autovacuum is None
    assert task.frozen_age is not None and task.frozen_age > 0


def test_rows_of_a_restored_table_are_the_planners_or_unknown(admin, read):
    admin("create table fresh (id int)")
    assert by_name(read, "fresh").live_rows is None
    admin("insert into fresh select generate_series(1, 50)")
    assert by_name(read, "fresh").live_rows == 50


def test_autovacuum_comes_at_the_tables_own_numbers(admin, read):
    admin("alter table task set (autovacuum_vacuum_scale_factor = 0.5, autovacuum_freeze_max_age = 1000000)")
    off = by_name(read, "task").autovacuum
    assert not off.enabled and off.vacuum_at is None and off.freeze_at == 1_000_000
    assert off.own == {"autovacuum_vacuum_scale_factor": "0.5", "autovacuum_freeze_max_age": "1000000"}
    settings = dict(admin("select name, setting from pg_settings")) | {"autovacuum": "on"}
    on = tables.autovacuum(267, None, off.own, settings)
    assert on.enabled
    assert (on.vacuum_at, on.analyze_at, on.insert_vacuum_at) == (50 + 133 + 1, 50 + 26 + 1, 1000 + 53 + 1)
    assert not tables.autovacuum(267, None, {"autovacuum_enabled": "off"}, settings).enabled
    capped = tables.autovacuum(10**9, 0.5, {}, settings | {"autovacuum_vacuum_max_threshold": "100000000"})
    assert (capped.vacuum_at, capped.insert_vacuum_at) == (100_000_001, 1000 + 10**8 + 1)


def test_a_table_that_is_locked_is_told_without_waiting(admin, read, url):
    admin("analyze task")
    holder = psycopg2.connect(url)
    with holder.cursor() as cursor:
        cursor.execute("lock table task in access exclusive mode")
        started = time.monotonic()
        task = by_name(read, "task")
        assert time.monotonic() - started < 2
    holder.close()
    assert task.locked and task.main_bytes > 0
    assert not by_name(read, "task").locked


def test_one_that_waits_for_an_exclusive_lock_counts_as_locked(admin, read, url):
    reader, writer = psycopg2.connect(url), psycopg2.connect(url)
    reader.cursor().execute("select from task")

    def wait():
        writer.cursor().execute("lock table task in access exclusive mode")

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + 5
    while not admin("select 1 from pg_locks where not granted") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert by_name(read, "task").locked
    reader.close()
    thread.join()
    writer.close()


def test_partitions_and_odd_names(admin, read):
    admin(
        'create table "Odd ""One""" (id int) partition by range (id)',
        'create table "part 1" partition of "Odd ""One""" for values from (1) to (10)',
        "create materialized view seen as select 1 as one",
    )
    parent, part = by_name(read, 'Odd "One"'), by_name(read, "part 1")
    assert (parent.kind, parent.total_bytes, parent.frozen_age) == ("partitioned", 0, None)
    assert (part.kind, part.partition_of, part.sql_name) == ("table", 'Odd "One"', 'public."part 1"')
    assert by_name(read, "seen").kind == "materialized view"


def test_sorting_keeps_a_stable_order(read):
    with read() as session:
        rows = tables.read(session).rows
    names = [table.name for table in tables.arranged(rows, "name", descending=False)]
    assert names == sorted(names)
    for sort in tables.SORTS:
        assert len(tables.arranged(rows, sort)) == len(rows)
    assert tables.arranged(rows, "no such thing") == tables.arranged(rows)


def test_care_is_for_those_that_need_it(admin, read):
    admin("create table busy as select generate_series(1, 20000) as id", "vacuum analyze busy")
    assert tables.care(by_name(read, "busy"), min_rows=100_000) == []
    admin("update busy set id = id where id <= 15000")
    kinds = [care.kind for care in tables.care(by_name(read, "busy"))]
    assert kinds == ["vacuum", "analyze", "autovacuum_off"]
    with read() as session:
        assert [table.name for table in tables.needing_care(tables.read(session).rows)] == ["busy"]


def test_any_role_may_ask(lowly):
    task = by_name(lowly, "task")
    assert task.total_bytes > 0 and not task.may_maintain and not task.owned and task.reader == "Only Looks"
