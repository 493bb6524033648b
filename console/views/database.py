"""The database behind Label Studio: what fills it, what waits to be cleaned, what an upgrade left undone."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from sqlalchemy import make_url

from ..app import the_console
from ..auth import requires
from ..deployment import Deployment, upkeep
from ..deployment.records import COUNT_LIMIT
from ..deployment.schema import UNTOLD
from ..masking import mask_text
from ..state import runs
from . import present
from .sizes import bytes_text
from .texts import seconds

bp = Blueprint("database", __name__, url_prefix="/database")

#: Share of dead rows from which the bar turns to a warning, and to an error.
DEAD_WARNING, DEAD_ERROR = 10, 20
#: Below this many rows in all a share says nothing.
DEAD_ROWS = 1000
_ASYNC = {"STARTED": "running", "IN PROGRESS": "running", "FINISHED": "done", "ERROR": "failed", "SCHEDULED": "waiting"}


@bp.get("/")
@requires("look")
def index() -> str:
    console = the_console()
    deployment = console.deployment
    state = upkeep.read(deployment)
    findings = runs.findings_of_area(console.store, deployment.identity, "pg")
    pending = [name.partition(".") for name in deployment.schema.release.pending]
    known = deployment.schema.release != UNTOLD
    return render_template(
        "database/index.html", database=_about(deployment), facts=_facts(state, deployment),
        tables=[_table(table) for table in state.tables], tables_total=state.tables_total, grants=state.notes,
        migrations={"applied": state.applied, "known": known, "pending": [{"app": app, "name": name} for app, _, name in pending]},
        async_migrations=[item | {"state": _ASYNC.get(item["status"], "unknown"), "status": _words(item["status"])}
                          for item in state.async_migrations],
        findings=[present.finding_item(finding) for finding in findings],
        looked_at=runs.looked_at(console.store, deployment.identity),
    )  # fmt: skip


def _words(status: str | None) -> str:
    return (status or "unknown").lower().capitalize()


def _about(deployment: Deployment) -> dict[str, Any]:
    url = deployment.engine.url
    postgresql = deployment.kind == "postgresql"
    fixing = deployment.settings.fix_database_url
    return {
        "kind": "PostgreSQL" if postgresql else "SQLite", "version": deployment.database_version,
        "address": mask_text(f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}" if postgresql else url.database or ""),
        "role": deployment.role or None, "fix_role": (make_url(fixing).username if fixing else None) if postgresql else None,
    }  # fmt: skip


def _facts(state: upkeep.Upkeep, deployment: Deployment) -> list[dict[str, Any]]:
    size, _, unit = bytes_text(state.size_bytes).partition(" ")
    release = deployment.schema.release
    version = f"{release.version} or newer" if release.at_least else release.version
    facts = [
        _fact("Size", size, unit, f"{state.tables_total:,} tables"),
        _fact("Label Studio", version, None, "told by its migrations"),
    ]
    if deployment.kind == "sqlite":
        facts.append(_fact("Pages", f"{state.pages or 0:,}", None, f"{state.free_pages or 0:,} free"))
        facts.append(_fact("Journal", state.journal_mode or "–", None, "one writer at a time"))
        return facts
    if state.connections is not None:
        near = bool(state.most_connections and state.connections > 0.8 * state.most_connections)
        facts.append(
            _fact(
                "Connections",
                f"{state.connections:,}",
                f"of {state.most_connections:,}",
                "to this database",
                "warning" if near else None,
            )
        )
    if state.cache_hits_percent is not None:
        facts.append(_fact("Cache hits", f"{state.cache_hits_percent:g}", "%", "since the statistics began"))
    age = state.oldest_transaction_seconds
    if age is not None:
        facts.append(
            _fact(
                "Oldest transaction",
                seconds(age),
                None,
                "holds back vacuum" if age > 3600 else "still open",
                "warning" if age > 3600 else None,
            )
        )
    return facts


def _fact(label: str, figure: str, unit: str | None, note: str, glyph: str | None = None) -> dict[str, Any]:
    return {"label": label, "figure": figure, "unit": unit, "note": note, "glyph": glyph, "spark": None, "spark_label": None}  # fmt: skip


def _table(table: upkeep.TableState) -> dict[str, Any]:
    percent, look = None, ""
    whole = (table.rows or 0) + (table.dead or 0)
    if table.dead is not None and whole >= DEAD_ROWS:
        percent = round(100 * table.dead / whole)
        look = "error" if percent >= DEAD_ERROR else "warning" if percent >= DEAD_WARNING else ""
    more = table.size_bytes is None and (table.rows or 0) > COUNT_LIMIT
    return {
        "name": table.name, "rows": f"over {COUNT_LIMIT:,}" if more else table.rows, "dead": table.dead, "dead_percent": percent,
        "size": bytes_text(table.size_bytes) if table.size_bytes is not None else None, "dead_look": look,
        "vacuumed": table.vacuumed, "analyzed": table.analyzed,
    }  # fmt: skip
