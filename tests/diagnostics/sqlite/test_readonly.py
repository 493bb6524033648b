"""sqlite.readonly: a file, its directory or its disk that cannot be written."""

from __future__ import annotations

from pathlib import Path

from console.diagnostics.check import Context
from console.diagnostics.runner import ask
from console.diagnostics.sqlite.readonly import readonly
from tests.factories import ON_POSTGRESQL


@ON_POSTGRESQL
def test_postgresql(ctx: Context) -> None:
    assert ask(readonly, ctx).outcome == "not_applicable"


def test_a_file_that_can_be_written(ctx: Context, mounted) -> None:
    mounted("ext4")
    assert readonly.run(ctx) == []
    mounted("ext4", ours="ro")  # mounted read-only for the console alone
    assert readonly.run(ctx) == []


def test_modes_and_disks_that_forbid_it(ctx: Context, mounted, path: Path) -> None:
    mounted("ext4", options="ro,errors=remount-ro")
    path.chmod(0o444)
    [finding] = readonly.run(ctx)
    assert finding.summary == (
        "The SQLite file cannot be written: the file lets nobody write it (mode -r--r--r--); "
        "the file system at / (ext4) is read-only"
    )
    assert len(finding.evidence) == 2
    path.chmod(0o644)
    mounted("ext4")
    assert readonly.run(ctx) == []
