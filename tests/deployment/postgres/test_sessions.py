"""Sessions, who waits for whom, and the limit."""

import contextlib
import threading
import time

import psycopg2
import pytest

from console.deployment.postgres import sessions

FIRST = "(select min(id) from task)"


@pytest.fixture
def people(url):
    """`people(n)` connects n sessions named person-1 … and closes them in the end."""
    opened = []

    def connect(number):
        opened.extend(psycopg2.connect(url, application_name=f"person-{at}") for at in range(1, number + 1))
        return opened

    yield connect
    for connection in opened:
        connection.close()


def asked(read):
    with read() as session:
        return sessions.read(session)


def waits(connection, statement):
    def run():
        with contextlib.suppress(psycopg2.Error):
            connection.cursor().execute(statement)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def until(read, condition):
    deadline = time.monotonic() + 5
    while not condition(found := asked(read)) and time.monotonic() < deadline:
        time.sleep(0.03)
    return found


def test_a_session_tells_what_it_does(read, people):
    [one] = people(1)
    one.cursor().execute("update task set overlap = 1 where id = -1 and 'password=geheim123' <> ''")
    found = asked(read)
    [row] = [row for row in found.rows if row.application == "person-1"]
    assert (row.user, row.client, row.kind, row.own, row.hidden) == (
        "postgres",
        "127.0.0.1",
        "client backend",
        False,
        False,
    )
    assert row.idle_in_transaction and row.wait == "Client: ClientRead"
    assert "geheim123" not in row.query and "password=" in row.query
    assert 0 <= row.state_seconds < 5 and row.transaction_seconds >= row.state_seconds
    assert row.snapshot_age is not None or row.snapshot_age is None
    assert found.idle_in_transaction(0) == [row] and found.idle_in_transaction(60) == []
    assert [row.own for row in found.rows if row.application == "lsconsole"] == [True]
    assert found.grant == ""


def test_who_waits_for_whom_is_a_tree(read, people):
    one, two, three, four = people(4)
    one.cursor().execute(f"update task set overlap = 1 where id = {FIRST}")
    threads = [waits(two, "lock table task in share mode")]
    until(read, lambda found: found.blocked)
    threads += [
        waits(three, f"update task set overlap = 2 where id = {FIRST}"),
        waits(four, "alter table task set (fillfactor = 90)"),
    ]
    found = until(read, lambda found: found.blocked and found.blocked[0].count >= 3)
    [root] = found.blocked
    assert root.session.application == "person-1" and root.session.blocked_by == ()
    waiting = {child.session.application: child for child in root.waiting}
    lock = waiting["person-2"].session
    assert (lock.waits_for_mode, lock.waits_for_relation) == ("ShareLock", "task")
    assert root.count >= 3 and root.longest_seconds >= 0
    one.rollback()
    for connection in (two, three, four):
        connection.cancel()
    for thread in threads:
        thread.join(5)


def test_a_circle_is_cut():
    def row(pid, *blockers):
        return sessions.ServerSession(
            pid, None, "", "", None, None, None, None, None, 2.0, None, "", None, None, blockers, "", "", False, False
        )

    [tree] = sessions.tree([row(1, 2), row(2, 1), row(3, 2)])
    assert tree.session.pid == 1 and [child.session.pid for child in tree.waiting] == [2]
    assert {child.session.pid for child in tree.waiting[0].waiting} == {3}
    chain = sessions.tree([row(at, at - 1) if at else row(0) for at in range(60)])
    assert chain[0].count == sessions.DEEPEST


def test_a_plain_role_sees_who_blocks_but_not_what_they_do(read, lowly, people):
    one, two = people(2)
    one.cursor().execute(f"update task set overlap = 1 where id = {FIRST}")
    thread = waits(two, f"update task set overlap = 2 where id = {FIRST}")
    found = until(lowly, lambda found: found.blocked)
    [root] = found.blocked
    assert (
        root.session.hidden
        and root.session.query is None
        and root.session.state is None
        and root.session.client is None
    )
    assert root.count == 1
    assert found.grant == 'GRANT pg_read_all_stats TO "Only Looks";'
    assert found.connections.by_state["hidden"] >= 2
    one.rollback()
    thread.join(5)


def test_connections_against_the_limit(read, people, admin):
    before = asked(read).connections
    people(3)
    after = asked(read).connections
    assert after.used >= before.used + 3 and after.of_this_database >= before.of_this_database + 3
    assert (after.limit, after.reserved, after.usable) == (100, 3, 97)
    assert after.by_application["person-2"] == 1
    assert after.used_percent == pytest.approx(100 * after.used / 97)


def test_long_ones_are_neither_ours_nor_idle(read, people):
    one, two = people(2)
    one.cursor().execute("select 1")
    thread = waits(two, "select pg_sleep(3)")
    time.sleep(0.3)
    found = asked(read)
    assert [row.application for row in found.long(0.1)] == ["person-2"]
    two.cancel()
    thread.join(5)


def test_our_own_idle_connections_are_known(read):
    with read() as session, read() as idle:
        session.connection(), idle.connection()
        idle.rollback()
        found = sessions.read(session)
    assert len([row for row in found.rows if row.own]) == 2


def test_one_that_waits_for_a_prepared_transaction_is_a_root():
    row = sessions.ServerSession(
        7, None, "", "", None, None, None, None, None, None, None, "", None, None, (), "", "", False, False, True
    )
    assert [tree.session.pid for tree in sessions.tree([row])] == [7]
