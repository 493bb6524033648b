"""local.permission: entries that Label Studio's user cannot read, and names it cannot store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.diagnostics import NotApplicable, Severity
from console.diagnostics.check import Context
from console.diagnostics.local.permission import permission, problems

SourceOf = Callable[..., SimpleNamespace]


@pytest.fixture(autouse=True)
def readable(root: Path) -> None:
    for path in (root / "set", *(root / "set").iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_files_that_everybody_reads_are_healthy(ctx: Context, source_of: SourceOf, root: Path) -> None:
    (root / "set" / "link.jpg").symlink_to("1.jpg")
    source_of(root / "set")
    assert list(permission.answers(ctx)) == []


def test_a_directory_that_is_not_here_is_not_looked_into(ctx: Context, source_of: SourceOf, root: Path) -> None:
    source_of(root / "gone")
    with pytest.raises(NotApplicable):
        list(permission.answers(ctx))


def test_what_the_container_cannot_read(ctx: Context, source_of: SourceOf, root: Path) -> None:
    own = root / "set" / "two words.jpg"
    own.chmod(0o600)
    os.chown(own, os.geteuid(), 4242)
    shut = root / "set" / "shut"
    shut.mkdir(mode=0o700)
    os.chown(shut, os.geteuid(), 4242)
    (root / "set" / "away.jpg").symlink_to("/mnt/not-mounted/away.jpg")
    storage = source_of(root / "set")
    [finding] = permission.run(ctx)
    assert finding.subject == storage.subject
    assert {row["wrong"]: row["path"] for row in finding.evidence} == {
        "unreadable": str(own), "shut": str(shut), "broken link": str(root / "set" / "away.jpg"),
    }  # fmt: skip
    commands = {row["wrong"]: row["command"] for row in finding.evidence}
    assert commands["unreadable"] == f"chmod a+rX '{own}'"
    assert f"chmod -R a+rX {root}/set" in finding.cause
    assert finding.severity == Severity.ERROR  # the link leads nowhere for the console, too


def test_what_only_the_container_cannot_read_is_a_warning(ctx: Context, source_of: SourceOf, root: Path) -> None:
    (root / "set" / "1.jpg").chmod(0o600)
    os.chown(root / "set" / "1.jpg", os.geteuid(), 4242)
    source_of(root / "set")
    [finding] = permission.run(ctx)
    assert finding.severity == Severity.WARNING
    assert list(problems(str(root / "set"), 100, os.geteuid())) == []


def test_a_name_that_is_no_text(ctx: Context, source_of: SourceOf, root: Path) -> None:
    (root / "set" / os.fsdecode(b"caf\xe9.jpg")).write_text("x")
    source_of(root / "set")
    [finding] = permission.run(ctx)
    [row] = finding.evidence.rows
    assert row["wrong"] == "no UTF-8" and row["path"] == f"{root}/set/caf\N{REPLACEMENT CHARACTER}.jpg"
    str(finding).encode()


def test_only_the_first_entries_are_looked_at(root: Path) -> None:
    for number in range(20):
        (root / "set" / f"{number:02d}").write_text("")
        (root / "set" / f"{number:02d}").chmod(0)
    assert len(list(problems(str(root / "set"), 5, 1001))) <= 5
