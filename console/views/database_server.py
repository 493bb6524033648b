"""The database server: who is connected and who waits for whom, settings worth a look, slots, sequences, slow queries."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user

from .. import database_look, maintenance_plans
from ..amounts import bytes_text
from ..app import the_console
from ..auth import requires
from ..deployment.postgres import overview
from ..deployment.postgres.grants import Grants
from ..deployment.postgres.sessions import Blocked, ServerSession
from ..service import Console
from . import database_values, present
from .database_front import about

bp = Blueprint("database_server", __name__, url_prefix="/database")

#: Sessions the page lists, idle ones last.
MOST_SESSIONS = 100


@bp.get("/sessions")
@requires("look")
def sessions() -> Any:
    """Sessions and locks."""
    console = the_console()
    if console.deployment.kind == "sqlite":
        return redirect(url_for("database.index"))
    return render_template("database/sessions.html", database=about(console.deployment),
                           refresh=request.args.get("refresh") != "off", **_sessions(console))  # fmt: skip


@bp.get("/sessions/live")
@requires("look")
def sessions_live() -> Any:
    """The same, for the page that asks again."""
    console = the_console()
    if console.deployment.kind == "sqlite":
        return redirect(url_for("database.index"))
    return render_template("database/_sessions.html", **_sessions(console))


@bp.post("/sessions/end")
@requires("fix")
def end() -> Any:
    """Plan to cancel the statement of a session, or to end the session."""
    form = request.form
    pid = int(form["pid"]) if form.get("pid", "").isascii() and form.get("pid", "").isdigit() else 0
    plan = maintenance_plans.plan_session(
        the_console(), pid, form.get("since", ""), form.get("how", ""), by=current_user.email
    )
    return redirect(url_for("plans.show", plan_id=plan.id), 303)


def _sessions(console: Console) -> dict[str, Any]:
    read = overview.read(console.deployment, only=("sessions",))
    fixing = database_look.fixing_grants(console.deployment)
    seen = read.sessions
    if seen is None:
        return {"problem": read.notes.get("sessions", ""), "facts": [], "trees": [], "rows": [], "total": 0, "grant": "",
                "may_fix": False, "states": [], "applications": []}  # fmt: skip
    rows = sorted(seen.rows, key=lambda row: (row.state == "idle", -(row.transaction_seconds or 0), row.pid))
    return {
        "problem": "", "facts": _facts(read), "trees": [_tree(tree, fixing) for tree in seen.blocked], "grant": seen.grant,
        "rows": [session_item(row, fixing) for row in rows[:MOST_SESSIONS]], "total": len(seen.rows),
        "may_fix": current_user.may("fix"), "applications": list(seen.connections.by_application.items())[:12],
        "states": sorted(seen.connections.by_state.items(), key=lambda item: -item[1]),
    }  # fmt: skip


def _facts(read: overview.Overview) -> list[dict[str, Any]]:
    if read.sessions is None:
        return []
    waiting = sum(tree.count for tree in read.sessions.blocked)
    found = database_values.connection_facts(read.sessions, ())
    return [*found, present.fact("Waiting for a lock", waiting, glyph="warning" if waiting else None,
                                 note=f"held by {len(read.sessions.blocked)}" if waiting else "nobody waits")]  # fmt: skip


def _tree(tree: Blocked, fixing: Grants | None) -> dict[str, Any]:
    return {"session": session_item(tree.session, fixing), "waiting": [_tree(child, fixing) for child in tree.waiting],
            "count": tree.count}  # fmt: skip


def session_item(row: ServerSession, fixing: Grants | None) -> dict[str, Any]:
    """One session; `kept` says why it may not be ended from here."""
    kept = maintenance_plans.why_kept(row)
    if not kept and (fixing is None or not fixing.may_signal(row.user)):
        kept = (
            f"The role that fixes may not: GRANT pg_signal_backend TO {fixing.role};"
            if fixing
            else "The role that fixes cannot be asked."
        )
    long = (row.transaction_seconds or 0) > database_values.LONG_SECONDS
    idle = row.idle_in_transaction and (row.state_seconds or 0) > database_values.IDLE_SECONDS
    return {
        "pid": row.pid, "since": maintenance_plans.started(row), "user": row.user, "application": row.application, "client": row.client,
        "state": row.state, "query": " ".join(row.query.split()) if row.query else None,
        "transaction": row.transaction_seconds, "in_state": row.state_seconds,
        "wait": row.wait, "mode": row.waits_for_mode, "relation": row.waits_for_relation, "kind": row.kind, "own": row.own,
        "hidden": row.hidden, "prepared": row.blocked_by_prepared, "blocked_by": row.blocked_by,
        "look": "warning" if (long and row.kind == "client backend") or idle else "", "kept": kept, "connected": row.connected_seconds,
        "running": row.state == "active",
    }  # fmt: skip


@bp.get("/settings")
@requires("look")
def settings() -> Any:
    """Settings, extensions, version, slots, sequences, slow statements."""
    console = the_console()
    if console.deployment.kind == "sqlite":
        return redirect(url_for("database.index"))
    read = overview.read(console.deployment, only=("tables", "server", "slow", "sequences"))
    server = read.server
    return render_template(
        "database/settings.html", database=about(console.deployment), server=server, settings=read.settings, floor=read.floor,
        notes=read.notes, slow=read.slow, facts=_server_facts(read),
        slots=[{"name": slot.name, "kind": slot.kind, "active": slot.active, "kept": bytes_text(slot.retained_bytes),
                "state": slot.state, "age": slot.snapshot_age} for slot in server.slots] if server else [],
        sequences=_sequences(read), sequences_total=len(read.sequences or []), extensions=server.extensions if server else (),
    )  # fmt: skip


def _server_facts(read: overview.Overview) -> list[dict[str, Any]]:
    server = read.server
    if server is None:
        return []
    since = f"since {server.statistics_since:%Y-%m-%d}" if server.statistics_since else "since it started"
    figure, _, unit = bytes_text(server.temp_bytes).partition(" ")
    floor = read.floor
    note = "the release's need is not known" if floor is None else (
        f"{floor.release} needs {floor.needed}" if floor.too_old else f"enough for {floor.release}")  # fmt: skip
    return [
        present.fact("PostgreSQL", server.version.partition(" ")[0], note=note, glyph="error" if floor and floor.too_old else None),
        present.fact("Started", f"{server.started_at:%Y-%m-%d}", note="a replica" if server.in_recovery else "takes writes"),
        present.fact("Deadlocks", server.deadlocks, note=since),
        present.fact("Temporary files", figure, unit=unit, note=f"{server.temp_files:,} of them, {since}"),
        present.fact("Rolled back", server.rollbacks, note=f"of {server.commits + server.rollbacks:,} transactions"),
        present.fact("Prepared transactions", server.prepared, note="held without a session" if server.prepared else "as it should be",
                     glyph="warning" if server.prepared else None),
    ]  # fmt: skip


def _sequences(read: overview.Overview) -> list[dict[str, Any]]:
    """Those that are behind, unknown, or more than a tenth used up."""
    found = []
    for item in read.sequences or []:
        used = 100 * (item.last_value or 0) / item.end
        if item.behind or item.behind is None or used >= 10:
            found.append({"table": item.table, "column": item.column, "last": item.last_value, "max": item.max_id,
                          "used": round(used, 1), "behind": item.behind, "needs": item.needs})  # fmt: skip
    return found
