"""A SQLite database as files on this machine: where it lies, who may write it, who holds it, what stands beside it.

Nothing is opened for writing and nothing is locked. What another container or machine does with the same file cannot be
seen from here, and `/proc` shows other people's processes only as far as they may be looked at.

Source: SQLite's pages on file locking (the lock bytes), on WAL and on temporary files; Linux' proc(5).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The bytes of the file that SQLite locks: pending, reserved, then 510 shared ones.
PENDING = 0x40000000
RESERVED = PENDING + 1
LAST_SHARED = PENDING + 511
#: Lock bytes of the `-shm` file; the first is the writer's.
WAL_FIRST, WAL_LAST = 120, 127
LONGEST_COMMAND = 120


@dataclass(frozen=True)
class Mount:
    """The file system a path lies on. `read_only` is the file system's own state, not that of our view of it."""

    point: str
    kind: str
    source: str
    read_only: bool


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock of the database now; `command` is empty when we may not look at it."""

    pid: int
    writes: bool
    command: str


@dataclass(frozen=True)
class Beside:
    """Sizes of what SQLite keeps beside the database: write-ahead log and rollback journal; None when not there."""

    wal_bytes: int | None
    journal_bytes: int | None
    journal_age_seconds: float | None


def mount_of(path: Path, mountinfo: str) -> Mount | None:
    """The file system of a path, told from the text of `/proc/self/mountinfo`; None when the text does not tell."""
    real, best = os.path.realpath(path), None
    for line in mountinfo.splitlines():
        found = _mount(line)
        # Of mounts at the same point the later one covers the earlier.
        if found and _is_below(real, found.point) and (best is None or len(found.point) >= len(best.point)):
            best = found
    return best


def _mount(line: str) -> Mount | None:
    fields, _, after = line.partition(" - ")
    parts, types = fields.split(" "), after.split(" ")
    if len(parts) < 6 or len(types) < 3:
        return None
    return Mount(_unescaped(parts[4]), types[0], _unescaped(types[1]), "ro" in types[2].split(","))


def _unescaped(text: str) -> str:
    r"""The kernel writes blanks and the like as `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _is_below(path: str, point: str) -> bool:
    return point == "/" or path == point or path.startswith(point + "/")


def mountinfo() -> str:
    """The kernel's list of mounts; empty where there is none (not Linux)."""
    try:
        return Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return ""


def holders(path: Path, locks: str | None = None) -> list[Holder]:
    """Other processes of this machine that hold a lock of the file now. `locks` is the text of `/proc/locks`."""
    if locks is None:
        try:
            locks = Path("/proc/locks").read_text(errors="replace")
        except OSError:
            return []
    inodes = _inodes(path)
    found: dict[int, bool] = {}
    for line in locks.splitlines():
        lock = _lock(line)
        if lock is None:
            continue
        pid, inode, exclusive, first, last = lock
        if inode not in inodes or pid <= 0 or pid == os.getpid():
            continue
        writes = exclusive and (
            first <= WAL_FIRST <= last if inodes[inode] else first <= RESERVED <= last or first == PENDING
        )
        found[pid] = found.get(pid, False) or writes
    return [Holder(pid, writes, _command(pid)) for pid, writes in sorted(found.items())]


def _inodes(path: Path) -> dict[str, bool]:
    """`major:minor:inode` of the database and, true, of its `-shm` file, as `/proc/locks` writes them."""
    found = {}
    for name, shared_memory in ((path, False), (path.with_name(f"{path.name}-shm"), True)):
        with contextlib.suppress(OSError):
            info = name.stat()
            found[f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"] = shared_memory
    return found


def _lock(line: str) -> tuple[int, str, bool, int, int] | None:
    """(pid, inode, exclusive, first byte, last byte) of one line; None for what is no byte-range lock."""
    parts = line.replace("->", "").split()
    if len(parts) != 8 or parts[1] not in {"POSIX", "OFDLCK"} or not parts[6].isdecimal():
        return None
    try:
        return (
            int(parts[4]),
            parts[5],
            parts[3] == "WRITE",
            int(parts[6]),
            LAST_SHARED if parts[7] == "EOF" else int(parts[7]),
        )
    except ValueError:
        return None


def _command(pid: int) -> str:
    """The program and its first words, options and their values left out: a password may stand there."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    plain = [
        Path(words[0]).name,
        *(word for word in words[1:3] if word and not word.startswith("-") and "=" not in word),
    ]
    return " ".join(plain)[:LONGEST_COMMAND]


def beside(path: Path, now: float) -> Beside:
    """What stands beside the database; `now` as seconds since the epoch."""
    wal, journal = (_stat(path.with_name(path.name + ending)) for ending in ("-wal", "-journal"))
    return Beside(
        wal.st_size if wal else None, journal.st_size if journal else None, now - journal.st_mtime if journal else None
    )


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def unwritable(path: Path) -> list[str]:
    """Why the owner of the file could not write the database, one sentence each; empty when nothing stands against it.

    SQLite makes its journal beside the file, so the directory counts as much as the file. Source: the modes alone;
    a root owner may write whatever they say.
    """
    file, folder = _stat(path), _stat(path.parent)
    if file is None or folder is None:
        return []
    reasons = []
    if not file.st_mode & 0o222:
        reasons.append(f"the file lets nobody write it (mode {stat.filemode(file.st_mode)})")
    if file.st_uid != 0 and not _may_write(folder, file.st_uid, [file.st_gid]):
        reasons.append(
            f"the owner of the file (uid {file.st_uid}) may not write into its directory "
            f"(mode {stat.filemode(folder.st_mode)}, uid {folder.st_uid})"
        )
    elif not folder.st_mode & 0o222:
        reasons.append(f"the directory lets nobody write into it (mode {stat.filemode(folder.st_mode)})")
    return reasons


def _may_write(info: os.stat_result, uid: int, groups: Sequence[int]) -> bool:
    if info.st_uid == uid:
        return bool(info.st_mode & 0o200)
    if info.st_gid in groups:
        return bool(info.st_mode & 0o020)
    return bool(info.st_mode & 0o002)


def others_beside(path: Path, endings: Iterable[str] = (".sqlite3", ".sqlite", ".db")) -> list[Path]:
    """Other SQLite files in the same directory, the newest first."""
    try:
        names = [entry for entry in path.parent.iterdir() if entry.suffix in set(endings) and entry.is_file()]
    except OSError:
        return []
    found = [name for name in names if os.path.realpath(name) != os.path.realpath(path)]
    return sorted(found, key=lambda name: -name.stat().st_mtime)
