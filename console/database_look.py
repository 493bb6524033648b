"""What pages and command say of the database beyond the readings: growth, rights, notes on indexes, who may what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from . import sampler
from .deployment import Deployment, database
from .deployment.postgres import bloat, grants, indexes, server, tables
from .deployment.postgres.grants import Grants, Needed
from .deployment.postgres.indexes import IndexStats, Overlap
from .deployment.postgres.overview import Overview
from .deployment.postgres.tables import TableStats
from .errors import NotFound
from .maintenance import preview
from .service import Console
from .state.models import TableSample

#: What the main page reads. Indexes, sequences and slow statements have pages of their own.
FRONT = ("tables", "sessions", "server", "disk", "grants")
#: How far back growth is told, and the least time between two samples that tells anything.
GROWTH, SHORTEST = timedelta(days=7), timedelta(hours=20)


@dataclass(frozen=True)
class Growth:
    """Bytes that were added (or given back, then negative) over `days`."""

    added_bytes: int
    days: float

    @property
    def per_day(self) -> float:
        return self.added_bytes / self.days


def samples(console: Console, days: float, table: str = "") -> Sequence[TableSample]:
    """Samples of one table, or of the whole database, oldest first."""
    since = datetime.now(UTC) - timedelta(days=days)
    return sampler.table_history(console.store, console.deployment, since, table)


def growth(found: Sequence[TableSample], now_bytes: int | None) -> Growth | None:
    """Growth since the oldest sample of the last seven days; None while they tell of less than a day."""
    now = datetime.now(UTC)
    told = [sample for sample in found if sample.total_bytes is not None and sample.at >= now - GROWTH]
    if not told or now_bytes is None or now - told[0].at < SHORTEST:
        return None
    return Growth(now_bytes - (told[0].total_bytes or 0), (now - told[0].at).total_seconds() / 86400)


def free_bytes(deployment: Deployment, overview: Overview) -> tuple[int | None, str]:
    """Room left on the disk, and how it is known: measured, else as the operator has set it."""
    if overview.disk and overview.disk.free_bytes is not None:
        return overview.disk.free_bytes, overview.disk.how
    told = deployment.settings.database_free_bytes
    if told:
        return told, "as set in LSCONSOLE_DATABASE_FREE_BYTES"
    return None, overview.disk.how if overview.disk else overview.notes.get("disk", "")


def fixing_grants(deployment: Deployment) -> Grants | None:
    """What the role that maintains may do; None when it cannot be asked."""
    try:
        with database.read_session(deployment.fix_engine) as session:
            return grants.read(session)
    except SQLAlchemyError:
        return None


#: Parts of `Grants.needed` that are about doing; the others are about seeing.
_DOING = {"maintenance", "end sessions"}
_WHAT = {
    "sessions": "Sessions and slow statements",
    "statistics of columns": "Bloat and sequences",
    "server": "Room on the disk",
    "bloat measured": "Measured bloat",
    "maintenance": "Maintenance",
    "end sessions": "Ending sessions",
}


def missing_sight(overview: Overview) -> list[Needed]:
    """Rights that the looking role lacks to see, each with what it would show. Measuring is extra and not among them."""
    if overview.grants is None:
        return []
    return [_named(need) for need in overview.grants.needed() if need.part not in _DOING | {"bloat measured"}]


def missing_rights(fixing: Grants | None) -> list[Needed]:
    """Rights that the fixing role lacks to act."""
    return [_named(need) for need in fixing.needed() if need.part in _DOING] if fixing else []


def _named(need: Needed) -> Needed:
    return Needed(_WHAT.get(need.part, need.part), need.why, need.statements)


@dataclass(frozen=True)
class OneTable:
    """One table with its indexes, bloat estimated."""

    table: TableStats
    indexes: list[IndexStats]
    #: what is to be said of each index, by oid
    notes: dict[int, list[str]]
    statistics_days: float | None


def one_table(deployment: Deployment, name: str, schema: str = "") -> OneTable:
    """The table of this name, in the first schema that has it when none is named. Raises NotFound."""
    with deployment.read() as session:
        found = [table for table in tables.read(session).rows if table.name == name and schema in ("", table.schema)]
        if not found:
            raise NotFound(f"There is no table {name[:200]} in the schemas of Label Studio's database.")
        built = indexes.read(session, table_oid=found[0].oid)
        told = bloat.estimate(session, found[:1], built)
        days = server.read(session).statistics_days
    built = [replace(index, bloat=told.get(index.oid)) for index in built]
    table = replace(found[0], bloat=told.get(found[0].oid))
    return OneTable(table, built, index_notes(built, days), days)


def index_notes(found: Sequence[IndexStats], statistics_days: float | None) -> dict[int, list[str]]:
    """What is to be said of each index, by oid; nothing of those that are as they should be."""
    notes: dict[int, list[str]] = defaultdict(list)
    for index in indexes.invalid(found):
        notes[index.oid].append("left over from a REINDEX that was cut off" if index.leftover
                                else "invalid: it costs every write and serves no query")  # fmt: skip
    for overlap in indexes.overlaps(found):
        notes[overlap.index.oid].append(overlap_text(overlap))
    for index in indexes.unused(found, statistics_days=statistics_days) or []:
        notes[index.oid].append("no scan since the counters began")
    for index in found:
        if index.building:
            notes[index.oid].append("being built right now")
    return dict(notes)


def overlap_text(overlap: Overlap) -> str:
    """Which index does the same, or more."""
    name = overlap.covered_by.name
    return f"the same as {name}" if overlap.kind == "same" else f"covered by {name}, which begins with the same columns"


def by_hand(deployment: Deployment, owner: str, statement: str) -> str:
    """The psql command for the owner."""
    return preview.command(deployment, owner, [statement])


def filtered(rows: Iterable[TableStats], text: str) -> list[TableStats]:
    """Tables whose name holds this text, in whatever case."""
    wanted = text.strip().lower()
    return [table for table in rows if wanted in table.name.lower()]
