"""How far a maintenance statement is, from PostgreSQL's own progress views: phase, pages, rate, index n of m.

Every statement is a chain of phases. Each has a share of the whole (measured on tables of Label Studio's with half
their rows dead); within a phase the pages or rows that the view counts tell how far it is. The whole is told in pages
of what is worked through, and never goes back.

Source: the columns and phases of `pg_stat_progress_vacuum`, `_analyze`, `_cluster` and `_create_index` in PostgreSQL's
manual, 13 to 18.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[int, int, str], None]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Phase:
    """One phase: its name in the view, our words, its share, and the columns that count within it."""

    name: str
    words: str
    share: int
    done: str = ""
    total: str = ""
    unit: str = "pages"


_VACUUM = (
    Phase("initializing", "starts", 0),
    Phase("scanning heap", "reads the table", 45, "heap_blks_scanned", "heap_blks_total"),
    Phase("vacuuming indexes", "clears the indexes", 30, "indexes_processed", "indexes_total", "indexes"),
    Phase("vacuuming heap", "clears the table", 15, "heap_blks_vacuumed", "heap_blks_total"),
    Phase("cleaning up indexes", "tidies up the indexes", 5, "indexes_processed", "indexes_total", "indexes"),
    Phase("truncating heap", "cuts off empty pages at the end", 4),
    Phase("performing final cleanup", "writes down what it found", 1),
)
_ANALYZE = (
    Phase("initializing", "starts", 0),
    Phase("acquiring sample rows", "reads a sample", 80, "sample_blks_scanned", "sample_blks_total"),
    Phase("acquiring inherited sample rows", "reads a sample of the partitions", 5, "child_tables_done",
          "child_tables_total", "tables"),
    Phase("computing statistics", "counts", 12),
    Phase("computing extended statistics", "counts columns together", 2, "ext_stats_computed", "ext_stats_total", "statistics"),
    Phase("finalizing analyze", "writes down what it found", 1),
)  # fmt: skip
_FULL = (
    Phase("initializing", "starts", 0),
    Phase("seq scanning heap", "writes the table anew", 55, "heap_blks_scanned", "heap_blks_total"),
    Phase("index scanning heap", "writes the table anew", 0, "heap_tuples_scanned", "", "rows"),
    Phase("sorting tuples", "sorts", 0),
    Phase("writing new heap", "writes the table anew", 0, "heap_tuples_written", "", "rows"),
    Phase("swapping relation files", "puts the new table in its place", 1),
    Phase("rebuilding index", "builds the indexes", 43, "index_rebuild_count", "indexes", "indexes"),
    Phase("performing final cleanup", "removes the old table", 1),
)
_INDEX = (
    Phase("initializing", "starts", 0),
    Phase("waiting for writers before build", "waits for older transactions", 1, "lockers_done", "lockers_total", "sessions"),
    Phase("building index: scanning table", "reads the table", 35, "blocks_done", "blocks_total"),
    Phase("building index: sorting live tuples", "sorts", 10),
    Phase("building index: sorting dead tuples", "sorts", 0),
    Phase("building index: loading tuples in tree", "builds the index", 22, "tuples_done", "tuples_total", "rows"),
    Phase("building index", "builds the index", 0, "blocks_done", "blocks_total"),
    Phase("waiting for writers before validation", "waits for older transactions", 1, "lockers_done", "lockers_total",
          "sessions"),
    Phase("index validation: scanning index", "looks through the new index", 5, "blocks_done", "blocks_total"),
    Phase("index validation: sorting tuples", "sorts", 3),
    Phase("index validation: scanning table", "adds what was written meanwhile", 20, "blocks_done", "blocks_total"),
    Phase("waiting for old snapshots", "waits for older transactions", 1, "lockers_done", "lockers_total", "sessions"),
    Phase("waiting for readers before marking dead", "waits until nobody uses the old index", 1, "lockers_done",
          "lockers_total", "sessions"),
    Phase("waiting for readers before dropping", "waits until nobody uses the old index", 1, "lockers_done",
          "lockers_total", "sessions"),
)  # fmt: skip
#: How many of the views are asked, in this order: VACUUM (ANALYZE) leaves the first for the second.
_VIEWS: dict[str, tuple[tuple[str, tuple[Phase, ...], float], ...]] = {
    "vacuum": (("pg_stat_progress_vacuum", _VACUUM, 1.0),),
    "vacuum_analyze": (("pg_stat_progress_vacuum", _VACUUM, 0.9), ("pg_stat_progress_analyze", _ANALYZE, 0.1)),
    "analyze": (("pg_stat_progress_analyze", _ANALYZE, 1.0),),
    "vacuum_full": (("pg_stat_progress_cluster", _FULL, 1.0),),
    "reindex_index": (("pg_stat_progress_create_index", _INDEX, 1.0),),
    "drop_leftover": (),
}


@dataclass
class Follower:
    """Turns rows of the progress views into (done, total, label) of one statement.

    `first` and `pages` place the statement in the whole: done runs from `first` to `first + pages` of `total`.
    """

    action: str
    title: str
    first: int
    pages: int
    total: int
    indexes: int
    progress: Progress
    _share: float = field(default=0.0, repr=False)
    _rate: _Rate = field(default_factory=lambda: _Rate(), repr=False)

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(view for view, _, _ in _VIEWS.get(self.action, ()))

    def finish(self) -> None:
        """The statement ended well."""
        self._share = 1.0
        self._tell(f"{self.title}: done")

    def say(self, words: str) -> None:
        """Where it stood, with other words: a pause, a wait."""
        self._tell(f"{self.title}: {words}")

    def follow(self, seen: Mapping[str, Row]) -> None:
        """`seen`: view -> its row about our process."""
        before = 0.0
        for view, phases, weight in _VIEWS.get(self.action, ()):
            row = seen.get(view)
            if row is not None:
                share, words = self._place(row, phases)
                self._share = max(self._share, before + weight * share)
                self._tell(f"{self.title}: {words}")
                return
            before += weight
        self._tell(f"{self.title}: at work")

    def _tell(self, label: str) -> None:
        self.progress(self.first + int(self.pages * min(self._share, 1.0)), self.total, label)

    def _place(self, row: Row, phases: tuple[Phase, ...]) -> tuple[float, str]:
        """Share of the whole, and words, for one row."""
        passed = 0
        for phase in phases:
            if phase.name == row["phase"]:
                done, total = self._counted(row, phase)
                inside = min(1.0, done / total) if total else 0.0
                return (passed + phase.share * inside) / 100, self._words(row, phase, done, total)
            passed += phase.share
        return self._share, str(row["phase"])

    def _counted(self, row: Row, phase: Phase) -> tuple[int, int]:
        done = row.get(phase.done) or 0
        total = self.indexes if phase.total == "indexes" else row.get(phase.total) or 0
        return done, total

    def _words(self, row: Row, phase: Phase, done: int, total: int) -> str:
        words = phase.words
        if phase.unit == "indexes" and total:
            words += f", index {min(done + 1, total)} of {total}"
        elif phase.unit == "sessions":
            pid = row.get("current_locker_pid")
            words += f", {done} of {total} ended" if total else ""
            words += f"; the next is server process {pid}" if pid else ""
        elif total:
            words += f", {done:,} of {total:,} {phase.unit}"
            rate = self._rate.of(phase.name, done)
            words += f", {rate:,.0f} {phase.unit} per second" if rate else ""
        passes = row.get("index_vacuum_count") or 0
        return f"{words} (pass {passes + 1})" if passes and phase.name == "scanning heap" else words


@dataclass
class _Rate:
    """Speed within one phase, since it was first seen."""

    phase: str = ""
    at: float = 0.0
    start: int = 0

    def of(self, phase: str, done: int) -> float | None:
        """Units a second; None in the first moment of a phase."""
        now = time.monotonic()
        if phase != self.phase or done < self.start:
            self.phase, self.at, self.start = phase, now, done
            return None
        spent = now - self.at
        return (done - self.start) / spent if spent >= 0.2 and done > self.start else None
