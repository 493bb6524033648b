import threading
import time

import psycopg2
import pytest
from psycopg2 import sql

from console.errors import Busy, NotFound, Refused
from console.maintenance import leftovers, links
from console.maintenance.run import Limits, NotDone, attempt, run
from tests.maintenance.conftest import QUICK, SLOW, invalid_indexes, make_slow_index

ODD = "Odd \"na'me %s {} Ü"


def test_vacuum_clears_dead_rows_and_tells_before_and_after(deployment, busy):
    outcome = run(deployment, "vacuum_analyze", busy)
    assert outcome.status == "done" and outcome.attempts == 1
    assert outcome.before.dead_rows == 6666 and outcome.after.dead_rows == 0
    assert outcome.before.total_bytes > 2**20 and outcome.seconds > 0
    assert outcome.statements == ('VACUUM (ANALYZE, PARALLEL 0) "public"."busy"',)
    assert "dead rows 6,666 before, 0 after" in outcome.told


def test_all_indexes_are_rebuilt_one_by_one(deployment, busy, other):
    other.execute("select relname, oid from pg_class where relname in ('busy_t', 'busy_pkey')")
    before = dict(other.fetchall())
    outcome = run(deployment, "reindex_table", busy)
    assert len(outcome.statements) == 2
    other.execute("select relname, oid from pg_class where relname in ('busy_t', 'busy_pkey')")
    after = dict(other.fetchall())
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())
    assert outcome.after.index_bytes < outcome.before.index_bytes
    assert invalid_indexes(other) == []


def test_vacuum_full_gives_room_back(deployment, busy):
    outcome = run(deployment, "vacuum_full", busy)
    assert outcome.after.heap_bytes < outcome.before.heap_bytes


def test_odd_names_are_the_catalogues_own(deployment, other):
    other.execute(sql.SQL("create table {} (id int)").format(sql.Identifier(ODD)))
    other.execute(sql.SQL("create index {} on {} (id)").format(sql.Identifier('I "x'), sql.Identifier(ODD)))
    for action in ("vacuum", "analyze", "vacuum_full", "reindex_table"):
        assert run(deployment, action, ODD).done
    assert run(deployment, "reindex_index", index='I "x').done


@pytest.mark.parametrize("name", ["pg_class", "no such", "task; drop table task", 'task"', "other.t", "", "a\x00b"])
def test_what_is_not_in_the_catalogue_is_refused(deployment, other, name):
    other.execute("create schema other create table t (id int)")
    with pytest.raises((NotFound, Refused)):
        run(deployment, "vacuum", name)


def test_tables_of_other_schemas_are_refused(deployment, other):
    other.execute("create schema other create table t (id int)")
    for schema in ("other", "pg_catalog", "pg_toast"):
        with pytest.raises(NotFound, match="search path"):
            run(deployment, "vacuum", "t" if schema == "other" else "pg_class", schema=schema)


def test_relations_without_rows_of_their_own_are_refused_in_clear_words(deployment, other):
    other.execute("create extension file_fdw; create server files foreign data wrapper file_fdw")
    other.execute("create foreign table far (line text) server files options (filename '/dev/null')")
    other.execute("create view seen as select 1")
    other.execute("create table parts (id int) partition by range (id)")
    other.execute("create table part partition of parts for values from (1) to (9)")
    other.execute("create index parts_id on parts (id)")
    for name, words in {"far": "foreign table", "seen": "a view", "parts": "partitioned"}.items():
        with pytest.raises(Refused, match=words):
            run(deployment, "vacuum", name)
    with pytest.raises(Refused, match="partitioned"):
        run(deployment, "reindex_index", index="parts_id")
    assert run(deployment, "analyze", "parts").done
    assert run(deployment, "vacuum", "part").done


def test_the_index_of_an_exclusion_constraint_is_left_out_with_a_reason(deployment, other):
    other.execute("create table booked (id int primary key, span int4range, exclude using gist (span with &&))")
    with pytest.raises(Refused, match="exclusion constraint"):
        run(deployment, "reindex_index", index="booked_span_excl")
    outcome = run(deployment, "reindex_table", "booked")
    assert len(outcome.statements) == 1 and "booked_span_excl" in outcome.told


# --- locks


def test_a_held_table_is_tried_again_and_given_up_with_the_holders_name(deployment, busy, other):
    other.execute("begin; lock table busy in share mode")
    with pytest.raises(NotDone, match="Gave up after 2 attempts") as raised:
        run(deployment, "vacuum", busy, limits=QUICK)
    outcome = raised.value.outcome
    assert outcome.status == "gave_up" and outcome.attempts == 2
    other.execute("select pg_backend_pid()")
    assert f"process {other.fetchone()[0]}" in outcome.told
    other.execute("rollback")
    assert run(deployment, "vacuum", busy, limits=QUICK).done


def test_it_gets_through_once_the_holder_is_gone(deployment, busy, other):
    other.execute("begin; select count(*) from busy")
    threading.Timer(1.0, lambda: other.execute("rollback")).start()
    outcome = run(deployment, "vacuum_full", busy, limits=Limits(lock_seconds=0.3, first_pause_seconds=0.3))
    assert outcome.done and outcome.attempts > 1


def test_nobody_waits_long_behind_a_vacuum_full_that_waits_itself(deployment, busy, other, connect):
    other.execute("begin; select count(*) from busy")  # keeps the table from us
    reader, waits, over = connect(), [], threading.Event()

    def read() -> None:
        while not over.is_set():
            started = time.monotonic()
            reader.execute("select 1 from busy limit 1")
            waits.append(time.monotonic() - started)

    thread = threading.Thread(target=read)
    thread.start()
    outcome = attempt(deployment, "vacuum_full", busy, limits=Limits(attempts=2, first_pause_seconds=0.2))
    over.set()
    thread.join()
    assert outcome.status == "gave_up"
    assert 0.5 < max(waits) < 1.6  # somebody waited for our lock, and not for long


@pytest.mark.parametrize("action", ["vacuum", "analyze", "reindex_index"])
def test_it_steps_back_when_a_change_of_the_table_waits_for_it(deployment, busy, other, connect, action):
    index = make_slow_index(other) if action == "reindex_index" else ""
    name = "slow" if index else busy
    ended = []
    limits = Limits(attempts=1, cost_delay_ms=100, cost_limit=1)
    thread = threading.Thread(target=lambda: ended.append(attempt(deployment, action, name, index, limits=limits)))
    thread.start()
    until_at_work(other)
    started = time.monotonic()
    connect().execute(f"alter table {name} add column more int")
    waited = time.monotonic() - started
    thread.join()
    assert waited < 2.0
    assert ended[0].status == "gave_up" and "stepped back" in ended[0].told
    assert invalid_indexes(other) == []


def until_at_work(cursor) -> None:
    """Wait until a maintenance statement of ours runs."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        cursor.execute(
            "select count(*) from pg_stat_activity where application_name = 'lsconsole-maintenance' and state = 'active'"
            " and query ~ '^(VACUUM|ANALYZE|REINDEX)'"
        )
        if cursor.fetchone()[0]:
            return time.sleep(0.3)
        time.sleep(0.02)
    raise AssertionError("no maintenance began")


def test_time_outs_of_a_reindex_leave_no_unreported_index(deployment, busy, other, connect):
    other.execute("begin; insert into busy (a) values (1)")  # an older transaction that writes to the table
    outcome = attempt(deployment, "reindex_index", index="busy_t", limits=QUICK)
    assert outcome.status == "gave_up" and "older transaction did not end" in outcome.told
    left = invalid_indexes(connect())
    assert list(outcome.leftovers) == left
    assert [item.index for item in leftovers.leftovers(deployment)] == left
    other.execute("rollback")
    assert run(deployment, "reindex_index", index="busy_t").done
    assert invalid_indexes(other) == [] and leftovers.leftovers(deployment) == []


# --- stopping


@pytest.mark.parametrize("action", ["vacuum", "analyze", "reindex_index", "vacuum_full", "waiting", "pause"])
def test_a_stop_acts_within_two_seconds(deployment, busy, other, connect, action):
    name, index, limits = busy, "", SLOW
    if action in {"reindex_index", "vacuum_full"}:
        index = make_slow_index(other)
        name, index = "slow", index if action == "reindex_index" else ""
    if action == "waiting":
        other.execute("begin; insert into busy (a) values (1)")
        action, index, limits = "reindex_index", "busy_t", Limits()
    if action == "pause":
        other.execute("begin; lock table busy in share mode")
        action, limits = "vacuum", Limits(lock_seconds=0.3, first_pause_seconds=30)
    asked: list[float] = []
    begun = time.monotonic()

    def stopped() -> bool:
        if time.monotonic() - begun < 0.8:
            return False
        asked.append(time.monotonic())
        return True

    outcome = attempt(deployment, action, name, index, stopped=stopped, limits=limits)
    taken = time.monotonic() - asked[0]
    assert outcome.status == "stopped" and taken < 2.0, outcome
    looker = connect()
    looker.execute(
        "select count(*) from pg_stat_activity where application_name = 'lsconsole-maintenance' and state = 'active'"
    )
    assert looker.fetchone() == (0,)
    assert list(outcome.leftovers) == invalid_indexes(looker)


@pytest.mark.parametrize("victim", ["worker", "watcher"])
def test_a_lost_connection_is_told_and_a_lost_watcher_replaced(deployment, busy, other, victim):
    ended, seen, stop = [], [], threading.Event()
    thread = threading.Thread(target=lambda: ended.append(
        attempt(deployment, "vacuum", busy, stopped=stop.is_set, progress=lambda *told: seen.append(told), limits=SLOW)))  # fmt: skip
    thread.start()
    until_at_work(other)
    sign = "~" if victim == "worker" else "!~"
    other.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where query {sign} '^VACUUM'"
                  " and application_name = 'lsconsole-maintenance'")  # fmt: skip
    told = len(seen)
    time.sleep(1.5)
    stop.set()
    thread.join()
    if victim == "worker":
        assert ended[0].status == "failed" and "terminat" in ended[0].told
    else:
        assert ended[0].status == "stopped" and len(seen) > told


# --- two consoles


def test_a_second_console_is_refused_and_told_who_is_first(deployment, busy, other):
    ended = []
    thread = threading.Thread(
        target=lambda: ended.append(attempt(deployment, "vacuum", busy, stopped=lambda: bool(refused), limits=SLOW))
    )
    refused: list[Busy] = []
    thread.start()
    until_at_work(other)
    with pytest.raises(Busy, match="User postgres from 127") as raised:
        run(deployment, "analyze", "task")
    refused.append(raised.value)
    thread.join()
    assert ended[0].status == "stopped"
    assert run(deployment, "analyze", "task").done


def test_a_role_that_may_not_see_the_first_is_still_refused(deployment, other):
    other.execute("select pg_advisory_lock(%s, %s)", links.LOCK_KEY)
    other.execute("create role guest login in role pg_read_all_data")
    guest = deployment.settings.database_url.replace("postgres@", "guest@")
    told = links.describe_holder({"pid": 7, "role": None, "since": None, "address": None})
    assert "hidden" in told
    connection = psycopg2.connect(guest)
    connection.close()
    with pytest.raises(Busy, match="since"):
        run(deployment, "analyze", "task")


# --- progress


def test_progress_moves_and_never_goes_back(deployment, busy):
    seen = []
    outcome = run(deployment, "vacuum", busy, progress=lambda *told: seen.append(told),
                  limits=Limits(cost_delay_ms=3, cost_limit=1))  # fmt: skip
    assert outcome.done
    counts = [done for done, _, _ in seen]
    assert counts == sorted(counts) and len(set(counts)) > 3
    assert seen[-1][0] == seen[-1][1] and {total for _, total, _ in seen} == {seen[0][1]}
    labels = " | ".join(label for _, _, label in seen)
    assert "reads the table" in labels and "pages per second" in labels


def test_a_vacuum_that_is_held_back_says_by_whom(deployment, busy, other, connect):
    other.execute("begin isolation level repeatable read; select 1 from task limit 1")
    writer = connect()
    writer.execute("delete from busy where id % 3 = 1")
    writer.execute("select pg_stat_force_next_flush()")
    time.sleep(1.1)
    outcome = run(deployment, "vacuum", busy)
    assert "dead rows are kept alive" in outcome.told and "transactions still open" in outcome.told
