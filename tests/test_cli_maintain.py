"""`lsconsole maintain` as an operator types it, and as cron runs it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.state.models import AuditEvent
from tests.test_cli import document
from tests.test_cli_storage import Terminal

ON_POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"])


@pytest.fixture
def lsconsole(settings) -> Terminal:
    return Terminal(settings)


def dead_rows(session: Session) -> None:
    """A tenth of what the predictions hold is dead."""
    session.execute(text("update prediction set mislabeling = mislabeling"))
    session.commit()


@ON_POSTGRESQL
def test_without_apply_it_is_looked_at_alone(lsconsole, session):
    dead_rows(session)
    before = session.execute(
        text("select vacuum_count from pg_stat_user_tables where relname = 'prediction'")
    ).scalar_one()
    shown = lsconsole("maintain", "vacuum", "prediction")
    assert shown.returncode == 0, shown.stderr
    assert "VACUUM (ANALYZE" in shown.stdout and "Reading and writing go on" in shown.stdout
    assert "Nothing was done." in shown.stdout
    session.rollback()
    assert (
        before
        == session.execute(
            text("select vacuum_count from pg_stat_user_tables where relname = 'prediction'")
        ).scalar_one()
    )
    assert "No maintenance is on record" in lsconsole("maintain", "history").stdout


@ON_POSTGRESQL
def test_it_is_done_told_and_kept_in_history_and_audit_log(lsconsole, console, session):
    dead_rows(session)
    session.rollback()
    done = document(
        lsconsole("maintain", "vacuum", "prediction", "task", "--apply", "--reason", "T-1", "--format", "json")
    )
    assert done["applied"]["status"] == "applied" and done["applied"]["done"] == 2
    assert [run["status"] for run in done["applied"]["runs"]] == ["done", "done"]
    assert all(run["after_bytes"] for run in done["applied"]["runs"])
    with console.store.read() as state:
        event = state.get(AuditEvent, done["applied"]["audit_id"])
    assert event.reason == "T-1" and "before" in event.data["steps"][0]["message"]
    assert len(document(lsconsole("maintain", "history", "--format", "json"))) == 2


@ON_POSTGRESQL
def test_an_index_or_all_of_a_table_are_built_anew(lsconsole):
    one = document(lsconsole("maintain", "reindex", "task_pkey", "--apply", "--reason", "r", "--format", "json"))
    assert one["steps"][0]["statements"] == ['REINDEX INDEX CONCURRENTLY "public"."task_pkey";']
    assert one["applied"]["done"] == 1
    table = document(lsconsole("maintain", "reindex", "task", "--format", "json"))
    assert len(table["steps"][0]["statements"]) > 5 and table["applied"] is None
    assert "No REINDEX left an index behind" in lsconsole("maintain", "leftovers").stdout


@ON_POSTGRESQL
def test_vacuum_full_asks_twice(lsconsole, session):
    session.rollback()
    asked = lsconsole("maintain", "vacuum", "--full", "task", "--apply", "--reason", "r")
    assert asked.returncode == 2 and "Not confirmed; nothing was done" in asked.stderr
    assert "Nobody reads or writes the table" in asked.stderr
    sure = lsconsole("maintain", "vacuum", "--full", "task", "--apply", "--reason", "r", "--yes")
    assert sure.returncode == 0, sure.stderr


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["vacuum"], "Name a table, or --advised"),
        (["vacuum", "nosuch"], "There is no table nosuch"),
        (["vacuum", 'task"; drop table task; --'], "There is no table"),
        (["vacuum", "pg_class"], "There is no table pg_class"),
        (["reindex", "nosuch_idx"], "There is no index nosuch_idx"),
        (["vacuum", "task", "--apply"], "--apply needs --reason"),
        (["vacuum", "task", "--advised"], "not both"),
        (["vacuum", "--full", "--advised"], "never advised"),
        (["check"], "This looks at SQLite files"),
        (["schedule", "add", "vacuum", "task", "--from", "25:00", "--to", "26:00"], "Write a time of the day in UTC"),
        (["schedule", "add", "vacuum", "nosuch", "--from", "01:00", "--to", "02:00"], "There is no table nosuch"),
        (["schedule", "add", "vacuum", "task", "--from", "01:00", "--to", "02:00", "--days", "someday"], "is no day"),
        (["schedule", "pause", "99"], "There is no schedule 99"),
        (["schedule", "run", "99"], "There is no schedule 99"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(lsconsole, arguments, told):
    refused = lsconsole("maintain", *arguments)
    assert refused.returncode == 2 and told in refused.stderr, refused.stderr


@ON_POSTGRESQL
def test_a_role_that_only_reads_is_told_what_to_grant_and_what_to_type(lsconsole, settings, session):
    session.execute(text("drop owned by looker; drop role looker") if _has_role(session) else text("select 1"))
    session.execute(text("create role looker login"))
    session.execute(text("grant select on all tables in schema public to looker"))
    session.commit()
    lsconsole.environment["LSCONSOLE_DATABASE_URL"] = settings.database_url.replace("//postgres@", "//looker@")
    try:
        shown = lsconsole("maintain", "vacuum", "task")
        assert shown.returncode == 0
        assert "Not possible: Role looker may not do this" in shown.stdout and "GRANT " in shown.stdout
        assert "psql" in shown.stdout, "the command for somebody who may"
        refused = lsconsole("maintain", "vacuum", "task", "--apply", "--reason", "r")
        assert refused.returncode == 2 and "looker may not" in refused.stderr
    finally:
        session.execute(text("drop owned by looker"))
        session.execute(text("drop role looker"))
        session.commit()


def _has_role(session: Session) -> bool:
    return bool(session.execute(text("select count(*) from pg_roles where rolname = 'looker'")).scalar_one())


@ON_POSTGRESQL
def test_schedules_are_added_paused_resumed_run_and_removed(lsconsole):
    added = lsconsole("maintain", "schedule", "add", "vacuum_analyze", "task", "--from", "02:30", "--to", "05:00",
                      "--days", "Sunday,wed", "--reason", "weekly")  # fmt: skip
    assert added.returncode == 0 and "Wednesday, Sunday, 02:30–05:00 UTC" in added.stdout
    [row] = document(lsconsole("maintain", "schedule", "list", "--format", "json"))
    assert row["days"] == [2, 6] and datetime.fromisoformat(row["next_at"]).weekday() in {2, 6}
    number = str(row["id"])
    assert "paused" in lsconsole("maintain", "schedule", "pause", number).stdout
    assert document(lsconsole("maintain", "schedule", "list", "--format", "json"))[0]["next_at"] is None
    assert "runs again" in lsconsole("maintain", "schedule", "resume", number).stdout
    shown = lsconsole("maintain", "schedule", "run", number)
    assert shown.returncode == 0 and "Nothing was done" in shown.stdout and "task" in shown.stdout
    assert "needs --reason" in lsconsole("maintain", "schedule", "run", number, "--apply").stderr
    ran = lsconsole("maintain", "schedule", "run", number, "--apply", "--reason", "T-2")
    assert ran.returncode == 0 and "done" in ran.stdout, ran.stdout + ran.stderr
    assert "removed" in lsconsole("maintain", "schedule", "remove", number).stdout
    assert "No schedule yet" in lsconsole("maintain", "schedule").stdout


@ON_POSTGRESQL
def test_all_that_the_advisor_says_is_done_at_once(lsconsole, console, session):
    session.execute(text("create index task_left_ccnew on task (overlap)"))
    session.execute(text("update pg_index set indisvalid = false where indexrelid = 'task_left_ccnew'::regclass"))
    session.commit()
    shown = lsconsole("maintain", "advice").stdout
    assert "task_left_ccnew" in shown and "lsconsole maintain advice --apply" in shown and "leftovers" in shown
    done = document(lsconsole("maintain", "advice", "--apply", "--reason", "T-3", "--format", "json"))
    assert done["applied"]["done"] == 1
    assert "Nothing wants doing" in lsconsole("maintain", "advice").stdout


@ON_POSTGRESQL
def test_the_advisor_answers_on_a_tidy_database(lsconsole):
    assert "Nothing wants doing" in lsconsole("maintain", "advice").stdout
    assert document(lsconsole("maintain", "advice", "--format", "json")) == []
    assert (
        "names nothing of this kind" in lsconsole("maintain", "vacuum", "--advised", "--apply", "--reason", "r").stdout
    )


@ON_POSTGRESQL
def test_control_c_stops_it_within_two_seconds_and_leaves_nothing(settings, session):
    session.execute(text("lock table task in access exclusive mode"))
    environment = {"PATH": os.environ["PATH"], "LSCONSOLE_DATABASE_URL": settings.database_url,
                   "LSCONSOLE_DATA_DIR": str(settings.data_dir)}  # fmt: skip
    command = [sys.executable, "-m", "console.cli", "maintain", "analyze", "task", "--apply", "--reason", "r"]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _wait_until_waiting(session)
        begun = time.monotonic()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
    finally:
        running.kill()
        session.rollback()
    assert "Stopping…" in err and "Traceback" not in err
    assert running.returncode == 1 or "stopped" in out + err, (running.returncode, out, err)
    assert time.monotonic() - begun < 5, "a process that is ending takes its time on a busy machine, not this much"


def _wait_until_waiting(session: Session) -> None:
    waiting = text("select count(*) from pg_stat_activity where application_name = 'lsconsole-maintenance'")
    give_up = time.monotonic() + 20
    while session.execute(waiting).scalar_one() == 0:
        assert time.monotonic() < give_up
        time.sleep(0.1)
        session.execute(text("select pg_stat_clear_snapshot()"))


def test_a_sqlite_file_is_looked_into_counted_and_written_anew(lsconsole, session):
    session.rollback()
    sound = document(lsconsole("maintain", "check", "--full", "--format", "json"))
    assert sound["pages"] == {"problems": [], "complete": True} and sound["foreign_keys"]["total"] == 0
    assert (
        document(lsconsole("maintain", "analyze", "--apply", "--reason", "r", "--format", "json"))["applied"]["done"]
        == 1
    )
    asked = lsconsole("maintain", "vacuum", "--apply", "--reason", "r")
    assert asked.returncode == 2 and "Not confirmed" in asked.stderr
    for arguments, told in (
        (("vacuum", "task"), "maintained as a whole"), (("reindex", "task"), "nothing to reindex"),
        (("leftovers",), "SQLite builds no index beside its work"),
    ):  # fmt: skip
        refused = lsconsole("maintain", *arguments)
        assert refused.returncode == 2 and told in refused.stderr, refused.stderr


def test_a_damaged_file_is_exit_one(lsconsole, settings, session):
    session.rollback()
    with sqlite3.connect(settings.database_url.removeprefix("sqlite:///")) as raw:
        raw.execute("update task set project_id = 4711 where id = (select min(id) from task)")
    found = lsconsole("maintain", "check")
    assert found.returncode == 1 and "points at a row of project that is not there" in found.stdout
