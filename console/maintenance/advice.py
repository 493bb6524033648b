"""What the advisor says: which tables want VACUUM or ANALYZE and which indexes want to be built anew, with the numbers.

Only what works beside the running application is advised. A table whose file is mostly empty is left to people: giving
the room back takes VACUUM FULL, which stops Label Studio.

Source: the readings of `deployment/postgres` (statistics and estimates; no table is read through).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from ..amounts import bytes_text
from ..deployment import Deployment
from ..deployment.postgres import bloat, indexes, tables
from ..deployment.postgres.indexes import IndexStats
from ..deployment.postgres.tables import Care, TableStats
from ..diagnostics.server_changes import Maintain
from . import actions, sqlite

#: Steps advised at most; the rest comes the next time.
MOST_STEPS = 50
SQLITE_BYTES = 10 * 2**20


@dataclass(frozen=True)
class Advised:
    """One step and why."""

    step: Maintain
    why: str


def advice(
    deployment: Deployment, *, min_dead_rows: int = 10_000, min_dead_percent: float = 20, min_rows: int = 10_000,
    min_stale_percent: float = 10, min_bloat_percent: float = 40, min_bloat_bytes: int = 100 * 2**20,
    most: int = MOST_STEPS, seen: list[TableStats] | None = None,
) -> list[Advised]:  # fmt: skip
    """The steps in the order they are best done: leftovers, invalid indexes, vacuums, statistics, bloated indexes.

    `seen`: the tables, where somebody has read them a moment ago.
    """
    if deployment.kind == "sqlite":
        return _of_file(deployment)
    with deployment.read() as session:
        found = tables.read(session).rows if seen is None else seen
        built = indexes.read(session, at_least_bytes=min_bloat_bytes)
        kept = [
            (table, tables.care(table, min_dead_rows=min_dead_rows, min_dead_percent=min_dead_percent, min_rows=min_rows,
                                min_stale_percent=min_stale_percent))
            for table in found if table.kind in {"table", "materialized view"}
        ]  # fmt: skip
        advised = [
            *_broken(built),
            *_tables(kept),
            *_bloated(session, found, built, min_bloat_percent, min_bloat_bytes),
        ]
    return advised[:most]


def steps_of(advised: list[Advised], action: str) -> list[Advised]:
    """Those of one action; every one for `advice`. VACUUM and VACUUM (ANALYZE) are one kind."""
    if action == "advice":
        return advised
    alike = {"vacuum": {"vacuum", "vacuum_analyze"}, "reindex_table": {"reindex_index", "drop_leftover"},
             "reindex_index": {"reindex_index", "drop_leftover"}}  # fmt: skip
    wanted = alike.get(action, alike["vacuum"] if action == "vacuum_analyze" else {actions.get(action).name})
    return [item for item in advised if item.step.action in wanted]


def _broken(built: list[IndexStats]) -> list[Advised]:
    found = [
        Advised(
            _maintain("drop_leftover", index),
            f"left behind by a REINDEX that was cut off, {bytes_text(index.size_bytes)}",
        )
        for index in indexes.leftovers(built)
    ]
    gone = {item.step.index for item in found}
    found += [
        Advised(_maintain("reindex_index", index), "invalid: it costs every write and serves no query")
        for index in indexes.invalid(built) if index.name not in gone and not index.leftover
    ]  # fmt: skip
    return found


def _tables(kept: list[tuple[TableStats, list[Care]]]) -> list[Advised]:
    """Vacuums first, most dead rows first; then statistics, the largest table first."""
    vacuums, analyzes = [], []
    for table, care in kept:
        texts = {item.kind: item.text for item in care}
        wanted = [text for kind, text in texts.items() if kind in {"vacuum", "freeze", "analyze"}]
        if texts.keys() & {"vacuum", "freeze"}:
            name = "vacuum_analyze" if "analyze" in texts or "vacuum" in texts else "vacuum"
            vacuums.append((-table.dead_rows, Advised(_of_table(name, table), "; ".join(wanted))))
        elif "analyze" in texts:
            analyzes.append((-table.total_bytes, Advised(_of_table("analyze", table), texts["analyze"])))
    ordered = [*sorted(vacuums, key=lambda item: item[0]), *sorted(analyzes, key=lambda item: item[0])]
    return [advised for _, advised in ordered]


def _bloated(
    session: Session, found: list[TableStats], built: list[IndexStats], min_percent: float, min_bytes: int
) -> list[Advised]:
    """Indexes that a rebuild would shrink; those that nobody can estimate are left alone."""
    large = [
        index for index in built
        if index.size_bytes >= min_bytes and index.valid and not index.partitioned and index.constraint != "x"
    ]  # fmt: skip
    estimated = bloat.estimate(session, (), large, all_tables=found) if large else {}
    wanted = []
    for index in large:
        seen = estimated.get(index.oid)
        if seen and (seen.percent or 0) >= min_percent and (seen.bytes or 0) >= min_bytes:
            why = f"{seen.percent:.0f} % of its {bytes_text(index.size_bytes)} is empty ({seen.how})"
            wanted.append((-(seen.bytes or 0), Advised(_maintain("reindex_index", index), why)))
    return [advised for _, advised in sorted(wanted, key=lambda item: item[0])]


def _of_file(deployment: Deployment) -> list[Advised]:
    state = sqlite.journal(deployment)
    total = state.pages * state.page_bytes
    if total < SQLITE_BYTES or sqlite.has_statistics(deployment):
        return []
    return [Advised(Maintain("sqlite_analyze", "", size_bytes=total), "never analyzed: the planner guesses")]


def _maintain(action: str, index: IndexStats) -> Maintain:
    return Maintain(action, index.table, index.name, index.schema, index.size_bytes)


def _of_table(action: str, table: TableStats) -> Maintain:
    return Maintain(action, table.name, "", table.schema, table.total_bytes)
