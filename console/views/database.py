"""The database behind Label Studio: what fills it, what waits to be cleaned, what an upgrade left undone; its care."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user

from .. import jobs, maintenance_plans, scheduled
from ..app import the_console
from ..auth import requires
from ..errors import Invalid, Refused
from ..maintenance import actions, schedules
from ..state.models import PlanRow
from . import database_file, database_front
from .database_front import SORTS, View
from .paging import page_number

bp = Blueprint("database", __name__, url_prefix="/database")

TABS = ("largest", "care", "all")
#: A schedule that is run by hand ends after this long.
BY_HAND = timedelta(hours=4)
LONGEST = 200


@bp.get("/")
@requires("look")
def index() -> str:
    return _page({})


def _page(problems: dict[str, str]) -> str:
    console = the_console()
    given: dict[str, Any] = {
        "offered": _offered(console.deployment.kind), "problems": _PROBLEMS | problems, "wrong": bool(problems),
        "form": request.form, "refresh": request.args.get("refresh") != "off",
    }  # fmt: skip
    if console.deployment.kind == "sqlite":
        return render_template("database/file.html", **given | database_front.common(console, "sqlite")
                               | database_file.read(console))  # fmt: skip
    return render_template("database/index.html", **given | database_front.common(console, "pg")
                           | database_front.postgresql(console, _view()))  # fmt: skip


#: Fields of the form of schedules, none of them wrong.
_PROBLEMS = dict.fromkeys(("action", "target", "window_start", "window_end", "days"), "")


def _offered(kind: str) -> list[tuple[str, str]]:
    """What can be put on a schedule, with its words."""
    names = ("sqlite_analyze",) if kind == "sqlite" else ("vacuum_analyze", "vacuum", "analyze", "reindex_table")
    return [("advice", "What the advisor says"), *((name, actions.get(name).title) for name in names)]


def _view() -> View:
    given = request.args
    tab, sort = given.get("tab", "largest"), given.get("sort", "total_bytes")
    return View(
        tab if tab in TABS else "largest", sort if sort in SORTS else "total_bytes", given.get("order") != "up",
        given.get("q", "")[:LONGEST], page_number(),
    )  # fmt: skip


@bp.get("/live")
@requires("look")
def live() -> Any:
    """What moves: the numbers, and who waits for whom. The lists one selects from are not part of it."""
    console = the_console()
    if console.deployment.kind == "sqlite":
        return redirect(url_for("database.index"))  # a file has no sessions to watch
    return render_template("database/_live.html", **database_front.live(console))


# --- plans


@bp.post("/plan")
@requires("fix")
def plan() -> Any:
    """Plan one action on the chosen tables, or on the file."""
    action = request.form.get("action", "")
    if action in maintenance_plans.ON_FILE:
        return _planned(lambda by: maintenance_plans.plan_file(the_console(), action, by=by))
    return _planned(
        lambda by: maintenance_plans.plan_tables(the_console(), action, request.form.getlist("table"), by=by)
    )


@bp.post("/plan-indexes")
@requires("fix")
def plan_indexes() -> Any:
    """Plan one action on the chosen indexes."""
    action, chosen = request.form.get("action", ""), request.form.getlist("index")
    return _planned(lambda by: maintenance_plans.plan_indexes(the_console(), action, chosen, by=by))


@bp.post("/plan-advice")
@requires("fix")
def plan_advice() -> Any:
    """Plan all the advisor says, or the step that was chosen."""
    chosen = request.form.getlist("step")
    return _planned(lambda by: maintenance_plans.plan_advice(the_console(), chosen, by=by))


def _planned(make: Callable[[str], PlanRow]) -> Any:
    made = make(current_user.email)
    return redirect(url_for("plans.show", plan_id=made.id), 303)


# --- the file


@bp.post("/look")
@requires("run")
def look() -> Any:
    """Read through the SQLite file: is it sound, does every row point at one that is there."""
    console = the_console()
    if console.deployment.kind != "sqlite":
        raise Refused("This looks into a SQLite file; the checks of the area pg look at PostgreSQL.")
    under_way = jobs.running(console.store, "file look")
    full = request.form.get("full") == "yes"
    job = under_way[0] if under_way else jobs.start(
        console, "file look", "Look into the file", {"full": full}, by=current_user.email
    )  # fmt: skip
    return redirect(url_for("jobs.show", job_id=job.id), 303)


# --- schedules


@bp.post("/schedules")
@requires("fix")
def add_schedule() -> Any:
    """Keep a new schedule."""
    console, form = the_console(), request.form
    tables = [name for name in form.get("tables", "").replace("\r", "").replace(",", "\n").split("\n") if name.strip()]
    target: dict[str, Any] = {"tables": [name.strip() for name in tables]} if tables else {"advice": True}
    try:
        row = schedules.create(
            console.store, console.deployment, action=form.get("action", ""), target=target,
            days=[int(day) for day in form.getlist("day") if day.isdigit()], window_start=form.get("window_start", ""),
            window_end=form.get("window_end", ""), by=current_user.email, reason=form.get("reason", "")[:LONGEST],
        )  # fmt: skip
    except Invalid as invalid:
        return _page({name: " ".join(told) for name, told in invalid.fields.items()}), 422
    flash(f"{row.title}: {schedules.when(row)} UTC, first on {row.next_at:%Y-%m-%d %H:%M}.")
    return redirect(url_for("database.index", _anchor="schedule"), 303)


@bp.post("/schedules/<int:schedule_id>/switch")
@requires("fix")
def switch_schedule(schedule_id: int) -> Any:
    """Pause a schedule, or let it run again."""
    console = the_console()
    row = schedules.switch(console.store, console.deployment, schedule_id, enabled=request.form.get("to") == "on")
    flash(
        f"{row.title} runs again, next on {row.next_at:%Y-%m-%d %H:%M} UTC."
        if row.next_at
        else f"{row.title} is paused."
    )
    return redirect(url_for("database.index", _anchor="schedule"), 303)


@bp.post("/schedules/<int:schedule_id>/remove")
@requires("fix")
def remove_schedule(schedule_id: int) -> Any:
    console = the_console()
    schedules.remove(console.store, console.deployment, schedule_id)
    flash("The schedule is removed; its runs stay in the history.")
    return redirect(url_for("database.index", _anchor="schedule"), 303)


@bp.post("/schedules/<int:schedule_id>/run")
@requires("fix")
def run_schedule(schedule_id: int) -> Any:
    """Work through a schedule now, outside of its window."""
    console = the_console()
    job = scheduled.start_now(console, schedule_id, datetime.now(UTC) + BY_HAND, by=current_user.email)
    return redirect(url_for("jobs.show", job_id=job.id), 303)
