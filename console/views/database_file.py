"""What the page shows of a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import database_look, jobs, maintenance_plans
from ..amounts import bytes_text
from ..deployment import upkeep
from ..deployment.records import COUNT_LIMIT
from ..deployment.sqlite_files import mount_of, mountinfo
from ..diagnostics.sqlite.on_network_or_fuse import verdict
from ..maintenance import actions, advice, sqlite
from ..maintenance.preview import Preview
from ..service import Console
from . import charts, database_charts, database_front, present

#: Share of free pages from which the fact carries a warning.
MANY_FREE = 30
CHART_DAYS = 30


def read(console: Console) -> dict[str, Any]:
    """The file, its journal, who holds it, its tables, what can be done with it."""
    deployment = console.deployment
    state, kept = sqlite.journal(deployment), upkeep.read(deployment)
    samples = database_look.samples(console, CHART_DAYS)
    size = state.pages * state.page_bytes
    grown = database_look.growth(samples, size)
    free_percent = 100 * state.free_pages / state.pages if state.pages else 0
    wal = f"{bytes_text(state.wal_bytes)} of write-ahead log" if state.wal_bytes is not None else "one writer at a time"
    figure, _, unit = bytes_text(size).partition(" ")
    more = (
        f"{bytes_text(grown.added_bytes)} more in 7 days"
        if grown and grown.added_bytes > 0
        else f"{kept.tables_total:,} tables"
    )
    return {
        "facts": [
            present.fact("Size", figure, unit=unit, note=more),
            present.fact("Free pages", f"{free_percent:.0f}", unit="%", note=f"{bytes_text(state.free_bytes)} that VACUUM gives back",
                         glyph="warning" if free_percent >= MANY_FREE else None),
            present.fact("Journal", state.mode, note=wal),
            present.fact("Held by", len(state.held_by), unit="process" if len(state.held_by) == 1 else "processes",
                         note="of this machine, beside the console"),
            present.fact("Statistics", "there" if sqlite.has_statistics(deployment) else "none", note="of ANALYZE, for the planner"),
        ],
        "held_by": state.held_by, "network": _network(console), "chart": _chart(console),
        "tables": [{"name": table.name, "rows": table.rows if (table.rows or 0) <= COUNT_LIMIT else f"over {COUNT_LIMIT:,}"}
                   for table in kept.tables],
        "tables_total": kept.tables_total, "todo": [_todo(console, name) for name in maintenance_plans.ON_FILE],
        "advised": [database_front.advised_item(deployment, item, None, {}) for item in advice.advice(deployment)],
        "look": _last_look(console),
    }  # fmt: skip


def _network(console: Console) -> str:
    """What is wrong with the kind of disk it lies on, else empty."""
    mount = mount_of(Path(console.deployment.engine.url.database or "").absolute(), mountinfo())
    told = verdict(mount.kind) if mount else None
    return f"It lies on {mount.kind}: {told[1]}." if mount and told else ""


def _chart(console: Console) -> charts.Chart | None:
    return database_charts.growth(database_look.samples(console, CHART_DAYS), "Size of the file", CHART_DAYS)


def _todo(console: Console, name: str) -> dict[str, Any]:
    """One action on the file, and what stands in its way."""
    seen: Preview = sqlite.preview(console.deployment, actions.get(name))
    return {"action": name, "title": seen.action.title, "does": seen.action.does, "refusals": seen.refusals}


def _last_look(console: Console) -> dict[str, Any] | None:
    """The last time somebody looked into the file, and what was seen."""
    row = jobs.last(console.store, "file look")
    return {"at": row.finished_at, "job": present.job_item(row)} if row else None
