"""The catalogue of maintenance: what each action does, which lock it takes, and whom that stops.

Source: PostgreSQL's manual, "Explicit Locking" and the pages of VACUUM, ANALYZE, REINDEX and DROP INDEX; SQLite's
pages "VACUUM", "ANALYZE" and "PRAGMA". None of it can be undone, and none of it changes what a query answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NotFound

#: `SHARE UPDATE EXCLUSIVE`, in words.
_BESIDE = "Reading and writing go on; changes of the table's structure, and another maintenance of it, wait."


@dataclass(frozen=True)
class Action:
    """One kind of maintenance. `on` is `table`, `index` or `file`; `disk` is told to whoever asks what room it needs."""

    name: str
    title: str
    does: str
    lock: str
    stops: str
    on: str
    #: the view of PostgreSQL that tells how far it is
    progress_view: str = ""
    #: room it needs as a multiple of what it writes anew; 0 is none
    disk_factor: float = 0.0
    disk: str = "No room to speak of."
    #: takes a lock that stops reading or writing: asked twice
    heavy: bool = False
    #: `pg` | `sqlite`
    engine: str = "pg"
    #: oldest PostgreSQL, as `server_version_num`
    since: int = 130000

    reversible = False


_ALL = (
    Action(
        "vacuum", "VACUUM", "Makes the room of dead rows usable again, and keeps index-only scans working.",
        "SHARE UPDATE EXCLUSIVE", f"{_BESIDE} Empty pages at the end are cut off only while nobody waits for the table.",
        "table", "pg_stat_progress_vacuum",
    ),
    Action(
        "vacuum_analyze", "VACUUM (ANALYZE)", "Makes the room of dead rows usable again, then counts the table anew.",
        "SHARE UPDATE EXCLUSIVE", f"{_BESIDE} Empty pages at the end are cut off only while nobody waits for the table.",
        "table", "pg_stat_progress_vacuum",
    ),
    Action(
        "analyze", "ANALYZE", "Reads a sample of the table and renews the statistics that the planner goes by.",
        "SHARE UPDATE EXCLUSIVE", _BESIDE, "table", "pg_stat_progress_analyze",
    ),
    Action(
        "vacuum_full", "VACUUM FULL", "Writes the table and all its indexes anew, and gives the room of dead rows back to the disk.",
        "ACCESS EXCLUSIVE", "Nobody reads or writes the table until it ends: Label Studio stands still. Choose a window.",
        "table", "pg_stat_progress_cluster", 2.0,
        "A second copy of the table and its indexes stands beside the old one until the end, and as much again is "
        "written to the write-ahead log.", heavy=True,
    ),
    Action(
        "reindex_index", "REINDEX INDEX CONCURRENTLY", "Builds the index anew beside the old one, then puts it in its place.",
        "SHARE UPDATE EXCLUSIVE", f"{_BESIDE} It waits several times for transactions that are older than itself.",
        "index", "pg_stat_progress_create_index", 1.2, "A second copy of the index, and room for sorting.",
    ),
    Action(
        "reindex_table", "REINDEX of all indexes, CONCURRENTLY", "Builds every index of the table anew, one after the other.",
        "SHARE UPDATE EXCLUSIVE", f"{_BESIDE} It waits several times for transactions that are older than itself.",
        "table", "pg_stat_progress_create_index", 1.2, "A second copy of the largest index, and room for sorting.",
    ),
    Action(
        "drop_leftover", "DROP INDEX CONCURRENTLY", "Removes an invalid index that a REINDEX CONCURRENTLY left behind when it was cut off.",
        "SHARE UPDATE EXCLUSIVE", f"{_BESIDE} It waits for transactions that use the table.", "index",
    ),
    Action(
        "sqlite_vacuum", "VACUUM of the file", "Writes the file anew without its free pages.",
        "EXCLUSIVE", "Nobody writes until it ends, and at its end nobody reads for a moment; Label Studio answers "
        "“database is locked”.", "file", disk_factor=2.0,
        disk="Twice the size of the file: a copy in the directory for temporary files, and the journal beside the file.",
        heavy=True, engine="sqlite",
    ),
    Action(
        "sqlite_analyze", "ANALYZE of the file", "Counts the indexes of the file, for the planner.",
        "RESERVED", "Nobody else writes until it ends; reading goes on.", "file", engine="sqlite",
    ),
)  # fmt: skip

ACTIONS: dict[str, Action] = {action.name: action for action in _ALL}


def get(name: str) -> Action:
    """The action of this name; raises NotFound with those there are."""
    if name not in ACTIONS:
        raise NotFound(f"There is no maintenance {name!r}. There is: {', '.join(ACTIONS)}.")
    return ACTIONS[name]
