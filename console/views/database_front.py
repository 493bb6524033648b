"""What the first page of the database shows, read and put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_login import current_user
from sqlalchemy import make_url

from .. import database_look, jobs, maintenance_plans
from ..amounts import bytes_text
from ..deployment import Deployment, upkeep
from ..deployment.postgres import overview, tables
from ..deployment.postgres.grants import Grants
from ..deployment.postgres.naming import qualified
from ..deployment.postgres.overview import Overview
from ..deployment.schema import UNTOLD
from ..diagnostics.server_changes import STATEMENTS
from ..maintenance import advice, schedules
from ..maintenance.advice import Advised
from ..masking import mask_text
from ..service import Console
from ..state import runs
from ..state.models import MaintenanceRunRow, ScheduleRow
from . import database_values, present

#: Tables of the tab "largest", and of one page of "all".
LARGEST, PER_PAGE = 12, 100
#: Columns that sort, with the words above them.
SORTS = {"name": "Table", "live_rows": "Rows", "total_bytes": "Size", "dead_rows": "Dead rows", "bloat_bytes": "Bloat",
         "vacuumed": "Vacuumed", "analyzed": "Analyzed"}  # fmt: skip
#: Kinds of jobs that maintain.
WORKING = ("maintenance", "scheduled", "file look")
MOST_RUNS = 10
_ASYNC = {"STARTED": "running", "IN PROGRESS": "running", "FINISHED": "done", "ERROR": "failed", "SCHEDULED": "waiting"}
_RUNS = {"done": "pass", "partly": "warning", "stopped": "cancelled", "failed": "failed", "skipped": "not_applicable",
         "running": "running"}  # fmt: skip


@dataclass(frozen=True)
class View:
    """Which tables are wanted, as the address says."""

    tab: str = "largest"
    sort: str = "total_bytes"
    descending: bool = True
    text: str = ""
    page: int = 1

    def url(self, **other: Any) -> str:
        """The address of the same view but for these."""
        values = {"tab": self.tab, "sort": self.sort, "order": "" if self.descending else "up", "q": self.text} | other
        plain = {"tab": "largest", "sort": "total_bytes", "order": "", "q": "", "page": 1}
        return url_for("database.index", **{name: value for name, value in values.items() if value != plain[name]})


def about(deployment: Deployment) -> dict[str, Any]:
    """The line under the title."""
    url = deployment.engine.url
    postgresql = deployment.kind == "postgresql"
    fixing = deployment.settings.fix_database_url
    return {
        "kind": "PostgreSQL" if postgresql else "SQLite", "version": deployment.database_version,
        "address": mask_text(f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}" if postgresql else url.database or ""),
        "role": deployment.role or None, "fix_role": (make_url(fixing).username if fixing else None) if postgresql else None,
    }  # fmt: skip


def common(console: Console, area: str) -> dict[str, Any]:
    """What the page shows on either database."""
    deployment, store = console.deployment, console.store
    done = upkeep.migrations(deployment)
    pending = [name.partition(".") for name in deployment.schema.release.pending]
    findings = runs.findings_of_area(store, deployment.identity, area)
    return {
        "database": about(deployment), "working": working(console),
        "findings": [present.finding_item(finding) for finding in findings],
        "looked_at": runs.looked_at(store, deployment.identity),
        "migrations": {"applied": done.applied, "known": deployment.schema.release != UNTOLD,
                       "pending": [{"app": app, "name": name} for app, _, name in pending]},
        "async_migrations": [item | {"state": _ASYNC.get(item["status"], "unknown"),
                                     "status": (item["status"] or "unknown").lower().capitalize()} for item in done.beside],
        "grants": done.grants,
        "schedules": [schedule_item(console, row) for row in schedules.listed(store, deployment)],
        "history": [run_item(row) for row in schedules.history(store, deployment, most=MOST_RUNS)],
        "may_fix": current_user.may("fix"),
    }  # fmt: skip


def working(console: Console) -> list[dict[str, Any]]:
    """Jobs of maintenance that run or wait."""
    return [present.job_item(job) for job in jobs.running(console.store) if job.kind in WORKING]


def live(console: Console) -> dict[str, Any]:
    """What moves on the page."""
    read = overview.read(console.deployment, only=("sessions", "server", "disk"))
    return {"facts": _facts(console, read), "blocked": _blocked(read)}


def postgresql(console: Console, view: View) -> dict[str, Any]:
    """Everything of the page but what `common` tells."""
    deployment = console.deployment
    read = overview.read(deployment, only=database_look.FRONT)
    fixing = database_look.fixing_grants(deployment)
    rows = read.tables.rows if read.tables else []
    advised = advice.advice(deployment, seen=rows) if read.tables else []
    owners = {(table.schema, table.name): table.owner for table in rows}
    return {
        "facts": _facts(console, read), "blocked": _blocked(read), "view": view, "overview": read,
        "tables": _tables(read, view, fixing), "may_maintain": bool(fixing and fixing.maintainable),
        "advised": [advised_item(deployment, item, fixing, owners) for item in advised],
        "needed": database_look.missing_sight(read), "rights": database_look.missing_rights(fixing),
        "heads": [(text, view.url(sort=name, order="up" if view.sort == name and view.descending else ""),
                   ("descending" if view.descending else "ascending") if view.sort == name else None, name)
                  for name, text in SORTS.items()],
    }  # fmt: skip


def _facts(console: Console, read: Overview) -> list[dict[str, Any]]:
    return database_values.facts(
        console.deployment, read, database_look.samples(console, database_values.SPARK_DAYS)
    )  # fmt: skip


def _blocked(read: Overview) -> dict[str, Any] | None:
    """How many sessions wait for others, or None."""
    trees = read.sessions.blocked if read.sessions else []
    waiting = sum(tree.count for tree in trees)
    longest = max((tree.longest_seconds or 0 for tree in trees), default=0)
    return {"waiting": waiting, "seconds": longest or None} if waiting else None


def _tables(read: Overview, view: View, fixing: Grants | None) -> dict[str, Any]:
    rows = read.tables.rows if read.tables else []
    needing = tables.needing_care(rows)
    chosen = database_look.filtered(needing if view.tab == "care" else rows, view.text)
    arranged = tables.arranged(chosen, view.sort, descending=view.descending)
    if view.tab == "largest":
        largest = {table.oid for table in sorted(chosen, key=lambda table: -table.total_bytes)[:LARGEST]}
        arranged = [table for table in arranged if table.oid in largest]
    start = (view.page - 1) * PER_PAGE
    shown = arranged[start : start + PER_PAGE]
    scale = max((table.total_bytes for table in rows), default=0)
    total = len(chosen)
    labels = (
        ("largest", "largest", min(LARGEST, len(rows))),
        ("care", "need care", len(needing)),
        ("all", "all", len(rows)),
    )
    return {
        "rows": database_values.table_rows(shown, scale, fixing), "total": total, "known": read.tables is not None,
        "several_schemas": len({table.schema for table in rows}) > 1,
        "tabs": [present.tab(text, count, view.url(tab=name), current=view.tab == name) for name, text, count in labels],
        "pager": {"first": start + 1 if shown else 0, "last": start + len(shown), "total": total,
                  "previous_url": view.url(page=view.page - 1) if view.page > 1 else None,
                  "next_url": view.url(page=view.page + 1) if view.tab != "largest" and start + len(shown) < total else None},
    }  # fmt: skip


def advised_item(
    deployment: Deployment, item: Advised, fixing: Grants | None, owners: dict[tuple[str, str], str]
) -> dict[str, Any]:
    """A line of the advisor; `command` where the console may not do it itself."""
    step = item.step
    drops = step.action == "drop_leftover"
    may = fixing is not None and (fixing.may_drop_index(step.table, step.schema) if drops
                                  else fixing.may_maintain(step.table, step.schema))  # fmt: skip
    name = qualified(step.schema, step.index or step.table) if step.table else ""
    statement = f"{STATEMENTS[step.action]} {name};"
    owner = owners.get((step.schema, step.table), "postgres")
    return {
        "key": maintenance_plans.step_key(step), "title": maintenance_plans.action_title(step),
        "why": item.why, "size": bytes_text(step.size_bytes), "may": may or deployment.kind == "sqlite",
        "on": f"index of {step.table}" if step.index else "",
        "url": url_for("database_table.show", name=step.table, schema=step.schema) if step.table else None,
        "command": "" if may or deployment.kind == "sqlite" else database_look.by_hand(deployment, owner, statement),
        "lacking": fixing.maintain_statement(step.table, step.schema) if fixing and not may else "",
    }  # fmt: skip


def schedule_item(console: Console, row: ScheduleRow) -> dict[str, Any]:
    """A schedule with its last run."""
    last = next(iter(schedules.history(console.store, console.deployment, schedule_id=row.id, most=1)), None)
    return {
        "id": row.id, "title": row.title, "when": schedules.when(row), "enabled": row.enabled, "next_at": row.next_at,
        "by": row.by, "reason": row.reason, "last": run_item(last) if last else None,
    }  # fmt: skip


def run_item(row: MaintenanceRunRow) -> dict[str, Any]:
    """One line of the history."""
    took = (row.finished_at - row.started_at).total_seconds() if row.finished_at else None
    return {
        "title": row.title, "by": row.by, "started_at": row.started_at, "status": row.status,
        "state": _RUNS.get(row.status, "unknown"), "steps": f"{row.steps_done:,} of {row.steps_total:,}", "took": took,
        "before": bytes_text(row.before_bytes), "after": bytes_text(row.after_bytes), "message": mask_text(row.message),
        "plan_url": url_for("plans.show", plan_id=row.plan_id) if row.plan_id else None,
        "job_url": url_for("jobs.show", job_id=row.job_id) if row.job_id else None,
    }  # fmt: skip
