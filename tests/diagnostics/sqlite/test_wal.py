"""sqlite.wal: what stands beside the file."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from console.deployment.sqlite_files import Holder
from console.diagnostics.check import Context
from console.diagnostics.runner import ask
from console.diagnostics.sqlite import wal as module
from console.diagnostics.sqlite.wal import wal
from tests.factories import ON_POSTGRESQL


@ON_POSTGRESQL
def test_postgresql(ctx: Context) -> None:
    assert ask(wal, ctx).outcome == "not_applicable"


def test_a_write_ahead_log_that_grew(ctx: Context, path: Path) -> None:
    assert wal.run(ctx) == []
    writer = sqlite3.connect(path)
    writer.execute("pragma journal_mode = wal")
    writer.execute("pragma wal_autocheckpoint = 0")
    writer.execute("create table filler (x)")
    writer.execute(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1200) "
        "insert into filler select hex(randomblob(500)) from n"
    )
    writer.commit()
    assert wal.run(ctx) == []
    ctx.deployment.settings = replace(ctx.settings, thresholds={"sqlite.wal.wal_over_mb": 1})
    [finding] = wal.run(ctx)
    assert finding.summary.startswith("Beside the SQLite file the write-ahead log holds 1.")
    assert finding.evidence.rows[0]["file"] == f"{path.name}-wal"
    writer.execute("pragma wal_checkpoint(truncate)")
    assert wal.run(ctx) == []
    writer.close()


def test_a_journal_that_was_left_behind(ctx: Context, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = path.with_name(f"{path.name}-journal")
    journal.write_bytes(b"\0" * 4096)
    assert wal.run(ctx) == []  # somebody writes just now
    old = time.time() - 3 * 3600 - 30
    os.utime(journal, (old, old))
    [finding] = wal.run(ctx)
    assert finding.summary == "Beside the SQLite file a journal of 4.0 kB was last written 180 minutes ago"
    monkeypatch.setattr(module, "holders", lambda path: [Holder(17, True, "python")])
    assert wal.run(ctx) == []
