"""sqlite.on_network_or_fuse: a file where locks do not hold, or that does not last."""

from __future__ import annotations

import pytest

from console.diagnostics.check import Context
from console.diagnostics.runner import ask
from console.diagnostics.sqlite.on_network_or_fuse import on_network_or_fuse
from tests.factories import ON_POSTGRESQL


@ON_POSTGRESQL
def test_postgresql(ctx: Context) -> None:
    assert ask(on_network_or_fuse, ctx).outcome == "not_applicable"


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "apfs", "fuseblk"])
def test_local_disks(ctx: Context, mounted, kind: str) -> None:
    mounted(kind)
    assert on_network_or_fuse.run(ctx) == []


@pytest.mark.parametrize(
    ("kind", "severity"),
    [("nfs4", "error"), ("cifs", "error"), ("fuse.gcsfuse", "error"), ("fuse.s3fs", "error"), ("9p", "warning"),
     ("virtiofs", "warning"), ("overlay", "info"), ("tmpfs", "info")],
)  # fmt: skip
def test_the_others(ctx: Context, mounted, kind: str, severity: str) -> None:
    mounted(kind)
    [finding] = on_network_or_fuse.run(ctx)
    assert (finding.subject, finding.severity) == ("deployment:database", severity)
    assert finding.summary.startswith(f"The SQLite file lies on {kind} (mounted at /): ")
    [row] = finding.evidence
    assert (row["mount_point"], row["kind"], row["mounted"]) == ("/", kind, "server:/export")


def test_without_a_list_of_mounts_it_is_not_known(ctx: Context, mounted) -> None:
    mounted("")
    assert ask(on_network_or_fuse, ctx).outcome == "unknown"
