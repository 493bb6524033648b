"""Maintenance from the pages: planned, looked at, applied with a reason, in the history; schedules; what is refused."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.maintenance import schedules
from console.service import Console
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL, change_row
from tests.views.conftest import Browser
from tests.views.planted import by_hand
from tests.views.roles import browser_as

WINDOW = {"window_start": "02:30", "window_end": "05:00"}


def planned(browser: Browser, path: str, **form: object) -> str:
    """The address of the plan that this form makes."""
    response = browser.send(path, **form)
    assert response.status_code == 303, response.get_data(as_text=True)
    assert response.location.startswith("/plans/")
    return str(response.location)


def apply(browser: Browser, plan: str, **form: str) -> str:
    """Apply the plan as its page shows it; the body of what follows."""
    page = browser.text(plan)
    mark = re.search(r'name="fingerprint" value="([^"]+)"', page)
    assert mark, page
    response = browser.send(f"{plan}/apply", **({"reason": "T-1", "fingerprint": mark[1]} | form))
    return browser.text(plan) if response.status_code == 303 else str(response.get_data(as_text=True))


@ON_POSTGRESQL
def test_vacuum_from_the_list_to_the_history(admin: Browser, dead_table: str) -> None:
    plan = planned(admin, "/database/plan", action="vacuum_analyze", table=[f"public.{dead_table}", "public.task"])
    page = admin.text(plan)
    assert "VACUUM (ANALYZE) of 2 tables" in page and "changes no row" in page
    assert "SHARE UPDATE EXCLUSIVE" in page and "Reading and writing go on" in page
    assert (
        f"VACUUM (ANALYZE, PARALLEL 0) &#34;public&#34;.&#34;{dead_table}&#34;;" in page and "10,000 dead rows" in page
    )
    assert "Type <code>" not in page
    assert "Say why" in apply(admin, plan, reason=" ")
    done = apply(admin, plan)
    assert "Done: 2 steps" in done and "No row of Label Studio was changed" in done
    assert "dead rows 10,000 before, 0 after" in done
    front = admin.text("/database/")
    assert f"VACUUM (ANALYZE) of {dead_table}" in front and "What it did" in front
    assert "dead rows, 50 %" not in admin.text("/database/?tab=care")


@ON_POSTGRESQL
def test_vacuum_full_is_asked_for_twice_and_says_what_stands_still(admin: Browser, dead_table: str) -> None:
    plan = planned(admin, "/database/plan", action="vacuum_full", table=f"public.{dead_table}")
    page = admin.text(plan)
    assert f"Keeps {dead_table} locked: Nobody reads or writes the table until it ends" in page
    assert "Type <code>apply 1 change</code>" in page and "needed," in page and "ACCESS EXCLUSIVE" in page
    assert "Type exactly: apply 1 change" in apply(admin, plan, phrase="yes")
    assert "Done: 1 step" in apply(admin, plan, phrase="apply 1 change")


@ON_POSTGRESQL
def test_indexes_are_rebuilt_and_leftovers_dropped(admin: Browser, settings: Settings) -> None:
    with by_hand(settings) as cursor:
        cursor.execute("create table left_over (id int); insert into left_over values (1), (1)")
        with pytest.raises(Exception, match="duplicat"):
            cursor.execute("create unique index concurrently some_idx_ccnew on left_over (id)")
    page = admin.text("/database/indexes")
    assert "Left over from a REINDEX" in page and "Plan DROP" in page
    dropped = planned(admin, "/database/plan-indexes", action="drop_leftover", index="public.some_idx_ccnew")
    assert "Done: 1 step" in apply(admin, dropped)
    assert "some_idx_ccnew" not in admin.text("/database/indexes")
    rebuilt = planned(admin, "/database/plan-indexes", action="reindex_index", index="public.task_pkey")
    assert "REINDEX INDEX CONCURRENTLY &#34;public&#34;.&#34;task_pkey&#34;;" in admin.text(rebuilt)
    assert "Done: 1 step" in apply(admin, rebuilt)
    every = planned(admin, "/database/plan", action="reindex_table", table="public.task")
    assert "statements</summary>" in admin.text(every)


@ON_POSTGRESQL
def test_the_advisor_is_planned_whole_or_by_step(admin: Browser, dead_table: str) -> None:
    body = admin.text("/database/")
    step = re.search(r'name="step" value="([^"]+)"', body)
    assert step and dead_table in step[1]
    assert f"VACUUM (ANALYZE) of {dead_table}" in admin.text(planned(admin, "/database/plan-advice", step=step[1]))
    plan = planned(admin, "/database/plan-advice")
    apply(admin, plan)
    gone = admin.send("/database/plan-advice", step=step[1])
    assert gone.status_code == 409 and "does not say this any more" in gone.get_data(as_text=True)


@ON_POSTGRESQL
def test_a_plan_without_the_right_cannot_be_applied_and_tells_what_is_lacking(
    settings: Settings, session: Session
) -> None:
    change_row(session, "htx_user", 1, is_superuser=True)
    with browser_as(settings, ["grant select on all tables in schema public to {}"], "alice@example.com") as browser:
        plan = planned(browser, "/database/plan", action="analyze", table="public.task")
        page = browser.text(plan)
        assert 'id="apply" class="button" disabled' in page and "cannot be done from here" in page
        assert "may not do this: task belongs to postgres" in page and "GRANT &#34;postgres&#34; TO" in page
        assert "psql" in page and 'name="fingerprint"' not in page


@ON_POSTGRESQL
def test_what_vanished_meanwhile_is_told(admin: Browser, settings: Settings, dead_table: str) -> None:
    plan = planned(admin, "/database/plan", action="analyze", table=f"public.{dead_table}")
    with by_hand(settings) as cursor:
        cursor.execute(f"drop table {dead_table}")
    page = admin.text(plan)
    assert f"There is no table {dead_table}" in page and "cannot be done from here" in page
    assert "steps" not in admin.text("/database/") or dead_table not in admin.text("/database/?tab=all")


@BOTH_ENGINES
def test_hostile_forms_get_an_answer(admin: Browser, engine: str) -> None:
    wrong = [
        ("/database/plan", {}), ("/database/plan", {"action": "drop table"}), ("/database/plan", {"action": "analyze"}),
        ("/database/plan", {"action": "analyze", "table": 'x"; drop table task; --'}),
        ("/database/plan", {"action": "analyze", "table": "a\x00b"}),
        ("/database/plan", {"action": "analyze", "table": [f"public.t{number}" for number in range(60)]}),
        ("/database/plan-indexes", {"action": "reindex_index", "index": "public.none"}), ("/database/plan-indexes", {"action": "vacuum"}),
        ("/database/schedules/99/remove", {}), ("/database/schedules/99/switch", {"to": "on"}), ("/database/schedules/99/run", {}),
    ]  # fmt: skip
    for path, form in wrong:
        assert admin.send(path, **form).status_code in {400, 404, 409}, (path, form)
    if engine == "postgresql":
        assert admin.send("/database/plan", action="sqlite_vacuum").status_code in {400, 409}


def test_the_file_is_analyzed_and_vacuumed(admin: Browser) -> None:
    plan = planned(admin, "/database/plan", action="sqlite_analyze")
    assert "ANALYZE of the file" in admin.text(plan) and "of the file of the file" not in admin.text(plan)
    assert "Done: 1 step" in apply(admin, plan)
    heavy = planned(admin, "/database/plan", action="sqlite_vacuum")
    page = admin.text(heavy)
    assert "Keeps the file locked" in page and "Type <code>apply 1 change</code>" in page
    assert "Type exactly" in apply(admin, heavy)
    assert "VACUUM of the file" in apply(admin, heavy, phrase="apply 1 change")
    assert "ANALYZE of the file" in admin.text("/database/")


@BOTH_ENGINES
def test_schedules_are_added_paused_resumed_run_and_removed(admin: Browser, console: Console, engine: str) -> None:
    assert "Nothing runs by itself yet" in admin.text("/database/")
    added = admin.send("/database/schedules", action="advice", day=["0", "6"], reason="T-7", **WINDOW)
    assert added.status_code == 303
    [row] = schedules.listed(console.store, console.deployment)
    body = admin.text("/database/")
    assert "Monday, Sunday, 02:30–05:00" in body and "T-7" in body and "Pause" in body
    admin.send(f"/database/schedules/{row.id}/switch", to="off")
    assert "paused" in admin.text("/database/") and "Resume" in admin.text("/database/")
    admin.send(f"/database/schedules/{row.id}/switch", to="on")
    job = admin.send(f"/database/schedules/{row.id}/run")
    assert job.status_code == 303 and ", done" in admin.text(job.location)
    assert "What the advisor says" in admin.text("/database/") and "What it did" in admin.text("/database/")
    admin.send(f"/database/schedules/{row.id}/remove")
    assert schedules.listed(console.store, console.deployment) == []


@ON_POSTGRESQL
def test_a_wrong_schedule_keeps_what_was_typed_and_says_what_is_wrong(admin: Browser, console: Console) -> None:
    answer = admin.send("/database/schedules", action="analyze", tables="task, nothing_such", reason="mine", **WINDOW)
    body = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "There is no table nothing_such" in body and 'value="mine"' in body
    answer = admin.send("/database/schedules", action="vacuum_full", window_start="25:00", window_end="x")
    body = answer.get_data(as_text=True)
    assert "cannot be put on a schedule" in body and "Write a time of the day" in body
    assert schedules.listed(console.store, console.deployment) == []
    assert admin.send("/database/schedules", action="analyze", tables="task,\nproject", **WINDOW).status_code == 303
    assert schedules.listed(console.store, console.deployment)[0].target == {"tables": ["task", "project"]}


@ON_POSTGRESQL
def test_support_may_not_plan_or_schedule(support: Browser, console: Console) -> None:
    for path in (
        "/database/plan",
        "/database/plan-advice",
        "/database/plan-indexes",
        "/database/schedules",
        "/database/sessions/end",
    ):
        assert support.send(path, action="analyze", table="public.task").status_code == 403
    assert schedules.listed(console.store, console.deployment) == []
