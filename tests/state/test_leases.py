"""Of several processes one holds a lease; a dead or silent one loses it."""

from __future__ import annotations

import subprocess
import sys
import time

from console.state import leases
from console.state.store import _started, this_process


def test_one_process_holds_it_until_it_is_given_back(console):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    other = f"{this_process().rsplit(':', 2)[0]}:{sleeper.pid}:{_started(sleeper.pid)}"
    try:
        assert leases.take(console.store, "clock", this_process(), 60)
        assert leases.take(console.store, "clock", this_process(), 60), "the holder keeps it"
        assert not leases.take(console.store, "clock", other, 60)
        assert leases.take(console.store, "another", other, 60)
        leases.give_back(console.store, "clock", other)
        assert not leases.take(console.store, "clock", other, 60), "only the holder gives it back"
        leases.give_back(console.store, "clock", this_process())
        assert leases.take(console.store, "clock", other, 60)
        assert not leases.take(console.store, "clock", this_process(), 60)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert leases.take(console.store, "clock", this_process(), 60), "a dead process holds nothing"


def test_a_silent_holder_of_another_machine_loses_it(console):
    assert leases.take(console.store, "clock", "elsewhere:1:1", 0.2)
    assert not leases.take(console.store, "clock", this_process(), 60)
    time.sleep(0.25)
    assert leases.take(console.store, "clock", this_process(), 60)
