"""A SQLite database as files: mounts, locks, modes, and what stands beside it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from console.deployment.sqlite_files import (
    Holder,
    Mount,
    beside,
    holders,
    mount_of,
    mountinfo,
    others_beside,
    unwritable,
)

MOUNTS = r"""
22 27 0:21 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:30 / /data ro,relatime - nfs4 server:/export rw,vers=4.2
31 22 0:31 / /my\040data rw - fuse.s3fs s3fs rw
32 22 0:32 / /old rw - ext4 /dev/sdb1 ro,errors=remount-ro
33 22 0:33 / /old rw - xfs /dev/sdc1 rw shared:1
a broken line
"""


def test_the_file_system_of_a_path() -> None:
    assert mount_of(Path("/home/ls.sqlite3"), MOUNTS) == Mount("/", "ext4", "/dev/sda1", False)
    assert mount_of(Path("/data/deep/ls.sqlite3"), MOUNTS) == Mount("/data", "nfs4", "server:/export", False)
    assert mount_of(Path("/database/ls.sqlite3"), MOUNTS).point == "/"  # type: ignore[union-attr]
    assert mount_of(Path("/my data/ls.sqlite3"), MOUNTS).kind == "fuse.s3fs"  # type: ignore[union-attr]
    assert mount_of(Path("/old/ls.sqlite3"), MOUNTS).kind == "xfs"  # type: ignore[union-attr]
    assert mount_of(Path("/old/ls.sqlite3"), MOUNTS.rpartition("33 22")[0]).read_only  # type: ignore[union-attr]
    assert mount_of(Path("/x"), "") is None
    assert mount_of(Path("/tmp"), mountinfo()) is not None


def lock(pid: int, inode: str, first: int, last: int | str, kind: str = "WRITE") -> str:
    return f"1: POSIX  ADVISORY  {kind:5} {pid} {inode} {first} {last}\n"


def test_who_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ls.sqlite3"
    path.touch()
    info = path.stat()
    inode = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    reserved, shared = 0x40000001, 0x40000002
    locks = (
        lock(4_000_001, inode, reserved, reserved) + lock(4_000_001, inode, shared, shared + 509, "READ")
        + lock(4_000_002, inode, shared, shared + 509, "READ") + lock(4_000_003, "00:99:17", reserved, reserved)
        + lock(os.getpid(), inode, reserved, reserved) + lock(4_000_004, inode, 0, "EOF")
        + "2: FLOCK  ADVISORY  WRITE 5 00:01:2 0 EOF\n-> broken\n" + lock(4_000_005, inode, 0, 10)
    )  # fmt: skip
    assert holders(path, locks) == [
        Holder(4_000_001, True, ""), Holder(4_000_002, False, ""), Holder(4_000_004, True, ""),
        Holder(4_000_005, False, ""),
    ]  # fmt: skip
    assert holders(path, "") == []


def test_the_command_of_a_holder_keeps_no_options(tmp_path: Path) -> None:
    path = tmp_path / "ls.sqlite3"
    path.touch()
    info = path.stat()
    inode = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    [found] = holders(path, lock(os.getppid(), inode, 0x40000001, 0x40000001))
    assert found.command
    assert "--" not in found.command


def test_what_stands_beside(tmp_path: Path) -> None:
    path = tmp_path / "ls.sqlite3"
    path.touch()
    assert beside(path, 0).wal_bytes is None
    (tmp_path / "ls.sqlite3-wal").write_bytes(b"x" * 10)
    (tmp_path / "ls.sqlite3-journal").write_bytes(b"y")
    os.utime(tmp_path / "ls.sqlite3-journal", (1000, 1000))
    seen = beside(path, 1060)
    assert (seen.wal_bytes, seen.journal_bytes, seen.journal_age_seconds) == (10, 1, 60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_whether_the_owner_may_write(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    path = folder / "ls.sqlite3"
    path.touch()
    assert unwritable(path) == []  # root's own
    os.chown(path, 1001, 0)
    [reason] = unwritable(path)
    assert "uid 1001) may not write into its directory" in reason
    folder.chmod(0o775)  # group 0 may, and the owner's file is of group 0
    assert unwritable(path) == []
    os.chown(folder, 1001, 1001)
    folder.chmod(0o755)
    assert unwritable(path) == []
    path.chmod(0o444)
    folder.chmod(0o555)
    assert len(unwritable(path)) == 2
    assert unwritable(folder / "absent.sqlite3") == []


def test_other_files_of_the_directory(tmp_path: Path) -> None:
    for name in ("ls.sqlite3", "old.sqlite3", "notes.txt", "copy.db"):
        (tmp_path / name).touch()
    (tmp_path / "link.sqlite3").symlink_to(tmp_path / "ls.sqlite3")
    assert {path.name for path in others_beside(tmp_path / "ls.sqlite3")} == {"old.sqlite3", "copy.db"}
    assert others_beside(tmp_path / "nowhere" / "ls.sqlite3") == []


def test_a_real_writer_is_told_where_the_kernel_lists_locks(tmp_path: Path) -> None:
    """Our own process is left out, so this only shows that a real list is read without a stumble."""
    path = tmp_path / "ls.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("create table t (x)")
    connection.execute("begin immediate")
    assert [holder for holder in holders(path) if holder.pid == os.getpid()] == []
    connection.close()
