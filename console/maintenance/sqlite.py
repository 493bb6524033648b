"""Maintenance of a SQLite file: is it sound, what does its journal do, ANALYZE and VACUUM.

Looking is read-only and bounded in time. VACUUM writes the whole file anew: it wants twice its size of free room, in the
directory of the file and in the one for temporary files, and nobody beside it; both are looked at first.

Source: SQLite's pages "VACUUM", "PRAGMA integrity_check", "Write-Ahead Logging" and "Temporary Files".
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..deployment import Deployment
from ..errors import NotApplicable, Refused
from . import actions
from .outcome import Outcome, Sizes
from .preview import Preview, size

MEGABYTE = 2**20
BUSY_SECONDS = 1.0
ATTEMPTS = 4
#: Instructions of SQLite's machine between two looks at the clock and at `stopped`.
STEPS_PER_LOOK = 20_000
PACE = {"sqlite_vacuum": 60 * MEGABYTE, "sqlite_analyze": 300 * MEGABYTE}
#: Problems told at most.
MOST_PROBLEMS = 50


@dataclass(frozen=True)
class Soundness:
    """What a check of the file said. `complete` is False when time ran out first; then no problem proves nothing."""

    problems: tuple[str, ...]
    complete: bool
    seconds: float
    total: int = 0


@dataclass(frozen=True)
class Journal:
    """How the file is written: its mode, the size of its write-ahead log, pages in all and free ones."""

    mode: str
    wal_bytes: int | None
    page_bytes: int
    pages: int
    free_pages: int
    held_by: tuple[str, ...]

    @property
    def free_bytes(self) -> int:
        return self.free_pages * self.page_bytes


def integrity(deployment: Deployment, *, quick: bool = True, seconds: float = 30.0,
              stopped: Callable[[], bool] = lambda: False) -> Soundness:  # fmt: skip
    """`PRAGMA quick_check` (pages and rows) or `integrity_check` (indexes too); read-only."""
    words = "quick_check" if quick else "integrity_check"
    found = _looked(deployment, f"pragma {words}({MOST_PROBLEMS})", seconds, stopped)
    problems = tuple(str(row[0]) for row in found[0] if row[0] != "ok")
    return Soundness(problems, found[1], found[2], len(problems))


def foreign_keys(
    deployment: Deployment, *, seconds: float = 30.0, stopped: Callable[[], bool] = lambda: False
) -> Soundness:
    """Rows that point at rows which are not there, in words, with the true total; read-only."""
    rows, complete, spent = _looked(deployment, "pragma foreign_key_check", seconds, stopped)
    said = tuple(f"{table} row {rowid} points at a row of {parent} that is not there"
                 for table, rowid, parent, _ in rows[:MOST_PROBLEMS])  # fmt: skip
    return Soundness(said, complete, spent, len(rows))


def journal(deployment: Deployment) -> Journal:
    """The state of the journal and of the file's pages."""
    path = _path(deployment)
    with deployment.read() as session:
        raw = session.connection()
        values = [raw.exec_driver_sql(f"pragma {name}").scalar_one()
                  for name in ("journal_mode", "page_size", "page_count", "freelist_count")]  # fmt: skip
    wal = path.with_name(f"{path.name}-wal")
    wal_bytes = wal.stat().st_size if wal.exists() else 0 if values[0] == "wal" else None
    return Journal(values[0], wal_bytes, values[1], values[2], values[3], holders(path))


def has_statistics(deployment: Deployment) -> bool:
    """Whether ANALYZE ever ran on the file."""
    with deployment.read() as session:
        found = session.connection().exec_driver_sql("select count(*) from sqlite_master where name = 'sqlite_stat1'")
        return bool(found.scalar_one())


def holders(path: Path) -> tuple[str, ...]:
    """Other processes of this machine that have the file open, where the system tells (Linux, same user or root)."""
    try:
        wanted = path.stat()
    except OSError:
        return ()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) != os.getpid() and _has_open(process, wanted) and not _is_console(process):
            found.append(f"process {process.name} ({_command(process)})")
    return tuple(found)


def preview(deployment: Deployment, action: actions.Action) -> Preview:
    """What VACUUM or ANALYZE of the file would do and what forbids it."""
    path = _path(deployment)
    held = holders(path)
    total = path.stat().st_size
    needed = int(total * action.disk_factor)
    free, how = _free(path)
    refusals = _refusals(path, needed, free, how)
    if action.heavy and held:
        refusals.append(f"Others have the file open: {', '.join(held[:5])}. Stop Label Studio first.")
    state = journal(deployment)
    warnings = [] if action.heavy or not held else [f"Others have the file open: {', '.join(held[:5])}."]
    if action.name == "sqlite_vacuum":
        warnings.append(f"{size(state.free_bytes)} of its {size(total)} are free pages; no more than that is gained.")
    statement = f"{_statement(action)};"
    return Preview(
        action, path.name, "", "", (statement,), total, None, total / PACE[action.name] / 60,
        f"{size(total)} to work through, at about {size(PACE[action.name])} a second", needed, free, how, tuple(refusals),
        tuple(warnings), (), shlex.join(["sqlite3", str(path), statement]),
    )  # fmt: skip


def attempt(deployment: Deployment, action: str, *, progress: Callable[[int, int, str], None],
        stopped: Callable[[], bool]) -> Outcome:  # fmt: skip
    """VACUUM or ANALYZE the file. Raises Refused before anything was done; once begun it ends in an Outcome."""
    chosen = actions.get(action)
    seen = preview(deployment, chosen)
    if seen.refusals:
        raise Refused(" ".join(seen.refusals))
    path, started = _path(deployment), time.monotonic()
    before = Sizes(path.stat().st_size, 0)
    status, attempts, messages = "gave_up", 0, []
    while status == "gave_up" and attempts < ATTEMPTS:
        attempts += 1
        status, message = _tried(path, chosen, before.heap_bytes, progress, stopped)
        messages = [message] if message else []
        if status == "gave_up" and attempts < ATTEMPTS and _paused(float(attempts), stopped):
            status, messages = "stopped", ["Stopped when asked to."]
    after = Sizes(path.stat().st_size, 0)
    return Outcome(status, action, path.name, (_statement(chosen),), before, after, time.monotonic() - started,
                   attempts, tuple(messages))  # fmt: skip


def _tried(path: Path, action: actions.Action, total: int, progress: Callable[[int, int, str], None],
             stopped: Callable[[], bool]) -> tuple[str, str]:  # fmt: skip
    """(status, message) of one try."""
    title, started, asked = action.title, time.monotonic(), [0.0, False]

    def look() -> bool:
        now = time.monotonic()
        if now - asked[0] < 0.25:
            return bool(asked[1])
        asked[:] = [now, stopped()]
        # SQLite does not tell how far it is; the pace of before does, and never says that it is done.
        progress(
            min(int((now - started) * PACE[action.name]), int(total * 0.95)), total, f"{title}: {now - started:.0f} s"
        )
        return bool(asked[1])

    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.set_progress_handler(look, STEPS_PER_LOOK)
        if action.name == "sqlite_analyze":
            connection.execute("pragma analysis_limit = 0")
        progress(0, total, f"{title}: starts")
        connection.execute(_statement(action))
        progress(total, total, f"{title}: done")
    except sqlite3.Error as error:
        return _what_happened(error, bool(asked[1]))
    finally:
        connection.close()
    return "done", ""


def _what_happened(error: sqlite3.Error, asked_to_stop: bool) -> tuple[str, str]:
    text = str(error)
    if asked_to_stop and "interrupt" in text:
        return "stopped", "Stopped when asked to; the file is as it was."
    if "locked" in text or "busy" in text:
        return "gave_up", "Another process writes to the file. Stop Label Studio, or try again at a quieter time."
    if "full" in text:
        return "failed", "The disk is full; the file is as it was."
    return "failed", f"SQLite refused: {text}."


def _paused(seconds: float, stopped: Callable[[], bool]) -> bool:
    """Wait this long; True as soon as a stop is asked for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if stopped():
            return True
        time.sleep(0.1)
    return False


def _looked(
    deployment: Deployment, statement: str, seconds: float, stopped: Callable[[], bool]
) -> tuple[list[Any], bool, float]:
    """(rows, whether it came to its end, seconds) of one reading statement."""
    _path(deployment)
    deadline, started, rows = time.monotonic() + seconds, time.monotonic(), []
    with deployment.read() as session:
        raw: Any = session.connection().connection.dbapi_connection
        raw.set_progress_handler(lambda: time.monotonic() > deadline or stopped(), STEPS_PER_LOOK)
        try:
            for row in raw.execute(statement):
                rows.append(tuple(row))
        except sqlite3.OperationalError as error:
            if "interrupt" not in str(error):
                raise deployment.explain(_wrapped(error)) or error from error
            return rows, False, time.monotonic() - started
        except sqlite3.DatabaseError as error:
            return [*rows, (f"SQLite cannot read on: {error}",)], True, time.monotonic() - started
        finally:
            raw.set_progress_handler(None, 0)
    return rows, True, time.monotonic() - started


def _wrapped(error: sqlite3.Error) -> Exception:
    from sqlalchemy.exc import OperationalError

    return OperationalError("", {}, error)


def _path(deployment: Deployment) -> Path:
    if deployment.kind != "sqlite":
        raise NotApplicable("This is PostgreSQL, not a SQLite file.")
    return Path(deployment.engine.url.database or "").absolute()


def _statement(action: actions.Action) -> str:
    return "VACUUM" if action.name == "sqlite_vacuum" else "ANALYZE"


def _free(path: Path) -> tuple[int | None, str]:
    """The smaller of the free rooms beside the file and for temporary files."""
    places = {str(path.parent), _temporary()}
    found = []
    for place in sorted(places):
        with contextlib.suppress(OSError):
            room = os.statvfs(place)
            found.append((room.f_bavail * room.f_frsize, f"measured at {place}"))
    return min(found) if len(found) == len(places) else (None, f"{' or '.join(sorted(places))} cannot be measured.")


def _temporary() -> str:
    """Where SQLite puts temporary files: as Python finds it, by the same variables."""
    return tempfile.gettempdir()


def _refusals(path: Path, needed: int, free: int | None, how: str) -> list[str]:
    said = []
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        said.append(f"The console may not write {path.name} or its directory; it needs both.")
    if needed and free is None:
        said.append(f"Needs {size(needed)} of free disk, and how much there is is not known. {how}")
    elif needed and free is not None and free < needed:
        said.append(f"Needs {size(needed)} of free disk and there is {size(free)} ({how}).")
    return said


def _has_open(process: Path, wanted: os.stat_result) -> bool:
    for file in _open_files(process):
        with contextlib.suppress(OSError):
            seen = file.stat()
            if stat.S_ISREG(seen.st_mode) and (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def _open_files(process: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
        yield from (process / "fd").iterdir()


def _is_console(process: Path) -> bool:
    """Whether it is the console itself, serving with several processes: it holds no transaction while it is idle."""
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return any(Path(word).name == "lsconsole" or word in {"console.cli", "console.server"} for word in words[:4])


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "ended"
