"""The transaction that everything in `labeling` stands on."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from console.labeling.db import Db


def test_a_transaction_that_waits_for_the_database_holds_up_no_other():
    """On SQLite they would wait for each other: one for the lock of the file, the other, a reader, for the first."""
    waiting, end = threading.Event(), threading.Event()

    def slow() -> str:
        waiting.set()
        end.wait(10)
        return "slow"

    def transaction(connect: Any) -> Db:
        return Db(SimpleNamespace(connection=connect), schema=None, caller=None)  # type: ignore[arg-type]

    held_up = transaction(slow)
    thread = threading.Thread(target=lambda: held_up.connection, daemon=True)
    thread.start()
    assert waiting.wait(10)
    quick = transaction(lambda: "quick")
    found: list[Any] = []
    other = threading.Thread(target=lambda: found.append(quick.connection), daemon=True)
    other.start()
    other.join(5)
    end.set()
    thread.join(10)
    assert found == ["quick"]
    assert (held_up.connection, quick.connection) == ("slow", "quick")
