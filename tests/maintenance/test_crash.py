"""A console that is killed: the server notices, nothing stays locked, and what is left behind is found and removed."""

import signal
import subprocess
import sys
import time

import pytest

from console.maintenance import leftovers, links
from console.maintenance.run import run
from tests.maintenance.conftest import invalid_indexes, make_slow_index
from tests.servers import ROOT

CHILD = """
import sys
from console.config import Settings
from console.deployment import Deployment
from console.maintenance.run import Limits, attempt
deployment = Deployment.attach(Settings.load({}, database_url=sys.argv[1]))
attempt(deployment, sys.argv[2], sys.argv[3], sys.argv[4], limits=Limits(cost_delay_ms=100, cost_limit=1))
"""


@pytest.mark.parametrize("action", ["vacuum", "reindex_index"])
def test_a_killed_console_leaves_nothing_at_work(deployment, settings, busy, other, action):
    index = make_slow_index(other, rows=20_000) if action == "reindex_index" else ""
    table = "slow" if index else busy
    child = subprocess.Popen([sys.executable, "-c", CHILD, settings.database_url, action, table, index], cwd=ROOT)
    wait_until(other, 1, 20)
    time.sleep(0.5)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert wait_until(other, 0, 10) < 4
    other.execute("select count(*) from pg_locks where locktype = 'advisory' and classid = %s", [links.LOCK_KEY[0]])
    assert other.fetchone() == (0,)
    left = invalid_indexes(other)
    assert bool(left) == (action == "reindex_index")
    assert [item.index for item in leftovers.leftovers(deployment)] == left
    if left:
        other.execute("create or replace function slowly(int) returns int immutable language sql as 'select $1'")
    assert run(deployment, action, table, index).done
    assert invalid_indexes(other) == []


def wait_until(cursor, wanted: int, seconds: float) -> float:
    """Seconds until this many statements of maintenance are at work."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        cursor.execute(
            "select count(*) from pg_stat_activity where application_name = 'lsconsole-maintenance' and state = 'active'"
            " and query ~ '^(VACUUM|REINDEX)' and datname = current_database()"
        )
        if cursor.fetchone()[0] == wanted:
            return time.monotonic() - started
        time.sleep(0.05)
    raise AssertionError(f"{wanted} statements were expected")
