"""The pages of the database on both engines: what they show, and what they say where they may read next to nothing."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import quote

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console import maintenance_plans, sampler
from console.app import build
from console.config import Settings
from console.deployment import upkeep
from console.service import Console
from console.state.models import TableSample
from console.views import database_front, frame
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL, change_row, make_row
from tests.servers import dump_versions
from tests.views.conftest import Browser, assert_queries, signed_in
from tests.views.planted import by_hand
from tests.views.roles import browser_as

PAGES = ("/database/", "/database/live", "/database/table?name=task", "/database/indexes", "/database/sessions",
         "/database/sessions/live", "/database/settings")  # fmt: skip
ODD = 'Odd "name" %s :x <b>'


@pytest.fixture
def odd_table(settings: Settings) -> str:
    """A table with a name nobody should give, an index of it that is doubled and one that is invalid."""
    name = ODD.replace('"', '""')
    with by_hand(settings) as cursor:
        cursor.execute(f'create table "{name}" (id int primary key, "a b" text)')
        cursor.execute(f'insert into "{name}" select g, (g / 2)::text from generate_series(1, 3000) g')
        for index in ("dup one", "dup two"):
            cursor.execute(f'create index "{index}" on "{name}" ("a b")')
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cursor.execute(f'create unique index concurrently "bad <i>" on "{name}" ("a b")')
    return ODD


@BOTH_ENGINES
@pytest.mark.parametrize("version", dump_versions())
def test_every_release_on_both_databases(admin: Browser, engine: str, version: str) -> None:
    body = admin.text("/database/")
    assert ("PostgreSQL" if engine == "postgresql" else "SQLite") in body
    assert "None is pending" in body and "applied" in body and "task_completion" in body
    for page in PAGES[1:] if engine == "postgresql" else ():
        admin.text(page)


def test_on_sqlite_the_pages_of_the_server_lead_to_the_file(admin: Browser) -> None:
    for page in PAGES[1:]:
        assert admin.get(page).status_code == 302
    body = admin.text("/database/")
    assert "Free pages" in body and "Journal" in body and "delete" in body and "Plan VACUUM of the file" in body


@BOTH_ENGINES
def test_a_bounded_number_of_statements(admin: Browser, console: Console, engine: str) -> None:
    admin.text("/database/")
    with assert_queries(console.deployment.engine, at_most=24):
        admin.text("/database/")


@ON_POSTGRESQL
def test_many_tables_take_no_more_statements_and_are_paged(admin: Browser, console: Console, session: Session) -> None:
    def statements() -> int:
        with assert_queries(console.deployment.engine, at_most=40) as seen:
            admin.text("/database/?tab=all&page=2")
        return len(seen)

    before = statements()
    session.execute(
        text(
            "do $$ begin for n in 1..200 loop execute format('create table \"Extra %s\" (id int)', n); end loop; end $$"
        )
    )
    session.commit()
    assert statements() <= before + 2
    body = admin.text("/database/?tab=all&page=2&sort=name&order=up")
    assert "101 to 200 of" in body and "Previous" in body and "Next" in body
    assert admin.text("/database/?tab=all&q=extra+20").count("Choose Extra 20") == 2  # 20 and 200


@ON_POSTGRESQL
def test_dead_rows_need_care_and_are_advised(admin: Browser, dead_table: str) -> None:
    body = admin.text("/database/?tab=care")
    assert dead_table in body and "dead rows, 50 % of all" in body
    assert "v v-error" in body and f"VACUUM (ANALYZE) of {dead_table}" in body
    table = admin.text(f"/database/table?name={dead_table}")
    assert "It wants care" in table and "Plan VACUUM FULL" in table and "Label Studio stands still" in table


@ON_POSTGRESQL
def test_odd_names_are_found_quoted_and_escaped(admin: Browser, odd_table: str) -> None:
    body = admin.text("/database/?tab=all")
    assert ODD in unescape(body) and ":x &lt;b&gt;" in body and ":x <b>" not in body
    link = unescape(re.search(r'href="(/database/table\?name=Odd[^"]+)"', body)[1])  # type: ignore[index]
    table = admin.text(link)
    assert "The same as dup one" in table and "Invalid: it costs every write" in table and "&lt;b&gt;" in table
    indexes = admin.text("/database/indexes?q=" + quote("bad <i>"))
    assert "bad &lt;i&gt;" in indexes and "Plan REINDEX" in indexes
    assert admin.get("/database/table?name=nothing+such%00").status_code == 404
    assert admin.get("/database/table").status_code == 404


@ON_POSTGRESQL
def test_what_may_not_be_read_comes_with_its_grant(settings: Settings, session: Session) -> None:
    change_row(session, "htx_user", 1, is_superuser=True)
    with browser_as(settings, ["grant select on htx_user, project, task to {}"], "alice@example.com") as browser:
        body = browser.text("/database/")
        for grant in ("GRANT SELECT ON django_migrations TO looker_", "GRANT SELECT ON core_asyncmigrationstatus TO looker_",
                      "GRANT pg_read_all_stats TO looker_", "GRANT pg_read_all_settings TO looker_"):  # fmt: skip
            assert grant in body, grant
        assert "Some numbers are missing" in body and "Cannot tell which are pending" in body
        assert "Plan VACUUM<" not in body and "data-pick-all" not in body
        assert "What this console may not do here" in body and "GRANT pg_signal_backend TO looker_" in body
        assert "What others do is hidden" in browser.text("/database/sessions")
        table = browser.text("/database/table?name=task")
        assert (
            "The role that maintains may not touch this table" in table
            and "psql" in table
            and "Plan VACUUM" not in table
        )
        assert "Cannot tell: the release" in browser.text("/database/indexes")
        browser.text("/database/settings")


@ON_POSTGRESQL
def test_a_role_with_select_alone_sees_tables_and_gets_commands(
    settings: Settings, session: Session, odd_table: str
) -> None:
    change_row(session, "htx_user", 1, is_superuser=True)
    with browser_as(settings, ["grant select on all tables in schema public to {}"], "alice@example.com") as browser:
        body = browser.text("/database/")
        assert "prediction" in body and "REINDEX INDEX CONCURRENTLY of bad" in body
        assert "The console may not do this. The owner can:" in body and "psql -h" in body
    with browser_as(
        settings, ["grant select on all tables in schema public to {}"], "alice@example.com", fixing=True
    ) as browser:
        body = browser.text("/database/")
        assert "data-pick-all" in body and "The console may not do this" not in body


@ON_POSTGRESQL
def test_support_looks_and_changes_nothing(support: Browser, admin: Browser) -> None:
    for page in PAGES:
        body = support.text(page)
        assert ">Plan " not in body and "Add a schedule" not in body
    assert support.send("/database/plan", action="analyze", table="public.task").status_code == 403
    assert "Plan VACUUM FULL" in admin.text("/database/table?name=task")


@ON_POSTGRESQL
def test_growth_is_told_and_drawn(admin: Browser, console: Console) -> None:
    now = datetime.now(UTC)
    sampler.tables(console.store, console.deployment, now)
    with console.store.session() as state:
        for days in range(1, 8):
            for name, size in (("", 1_000_000), ("task", 200_000)):
                state.add(TableSample(deployment=console.deployment.identity, at=now - timedelta(days=days), table_name=name, connections=3,
                                      total_bytes=size, index_bytes=None, live_rows=10, dead_rows=2))  # fmt: skip
    body = admin.text("/database/")
    assert "Size over 20 days" in body and re.search(r"\+[\d.]+ MB in [67] days", body)
    table = admin.text("/database/table?name=task")
    assert 'class="chart"' in table and "Size, kB" in table


@contextmanager
def a_queue_of_sessions(url: str) -> Iterator[int]:
    """One session holds a lock in an open transaction, another waits for it; yields the holder's number."""
    holder = psycopg2.connect(url, application_name="label-studio web")
    with holder.cursor() as cursor:
        cursor.execute("lock table organization in share mode")
        cursor.execute("select pg_backend_pid()")
        pid = cursor.fetchone()[0]
    waiter = psycopg2.connect(url, application_name="label-studio worker")

    def wait() -> None:
        with pytest.raises(psycopg2.Error), waiter.cursor() as cursor:
            cursor.execute("update organization set title = 'secret-title'")
            raise psycopg2.OperationalError("let go")

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield pid
    finally:
        holder.close()
        thread.join(10)
        waiter.close()


@ON_POSTGRESQL
def test_who_waits_for_whom_and_ending_the_one_that_holds(admin: Browser, console: Console, settings: Settings) -> None:
    with a_queue_of_sessions(settings.database_url or "") as pid:
        body = _until(admin, "/database/sessions", "holds up 1")
        assert "label-studio web" in body and "waits" in body and "(this console)" in body
        assert "1 session waits for a lock" in admin.text("/database/live")
        form = re.search(rf'name="pid" value="{pid}"><input type="hidden" name="since" value="([^"]+)">', body)
        assert form
        since = unescape(form[1])
        planned = admin.send("/database/sessions/end", pid=pid, since=since, how="terminate")
        assert planned.status_code == 303
        page = admin.text(planned.location)
        assert f"End session {pid} (label-studio web)" in page and "apply 1 change" in page
        mark = re.search(r'name="fingerprint" value="([^"]+)"', page)[1]  # type: ignore[index]
        admin.send(planned.location + "/apply", reason="T-1", phrase="apply 1 change", fingerprint=mark)
        assert "Done: 1 step" in admin.text(planned.location)
        assert admin.send("/database/sessions/end", pid=pid, since=since, how="terminate").status_code == 409


def _until(browser: Browser, page: str, wanted: str) -> str:
    for _ in range(50):
        body = browser.text(page)
        if wanted in body:
            return body
        threading.Event().wait(0.1)
    raise AssertionError(f"{wanted} was never on {page}")


@ON_POSTGRESQL
def test_our_own_sessions_are_never_ended(admin: Browser, console: Console) -> None:
    from console.deployment.postgres import sessions

    with console.deployment.read() as reading:
        own = next(row for row in sessions.read(reading).rows if row.own)
        sent = {"pid": own.pid, "since": maintenance_plans.started(own), "how": "terminate"}
        response = admin.send("/database/sessions/end", **sent)
    assert response.status_code in {400, 409} and "own" in response.get_data(as_text=True)
    for wrong in ({"pid": "x"}, {"pid": own.pid, "since": "", "how": "kill"}, {}):
        assert admin.send("/database/sessions/end", **wrong).status_code in {400, 409}


@BOTH_ENGINES
def test_background_migrations_and_their_errors(admin: Browser, session: Session) -> None:
    make_row(session, "core_asyncmigrationstatus", name="0099_broken", status="ERROR",
             meta={"error": "index failed, password=hunter22"})  # fmt: skip
    body = admin.text("/database/")
    assert "0099_broken" in body and "index failed" in body and "hunter22" not in body


def test_a_missing_migration_is_named(console: Console, session: Session) -> None:
    session.execute(text("delete from django_migrations where app = 'tasks' and name like '0060%'"))
    session.commit()
    console.reattach()
    frame._attached.clear()
    app = build(console=console)
    change_row(session, "htx_user", 1, is_superuser=True)
    body = signed_in(app, console, "alice@example.com").get("/database/").get_data(as_text=True)
    assert "0060_add_allow_skip_to_task" in body


@ON_POSTGRESQL
def test_postgresql_tells_sizes_and_never_analyzed_tables_have_no_number(console: Console) -> None:
    state = upkeep.read(console.deployment)
    assert len(state.tables) == upkeep.MOST_TABLES < state.tables_total
    sizes = [table.size_bytes or 0 for table in state.tables]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    assert all(table.rows is None or table.rows >= 0 for table in state.tables)
    assert state.applied and state.connections and state.most_connections


def test_the_file_is_looked_into_as_a_job(admin: Browser, console: Console) -> None:
    assert "nobody has looked yet" in admin.text("/database/")
    job = admin.send("/database/look", full="yes")
    assert job.status_code == 303
    assert "Pages, rows and indexes" in admin.text(job.location) and "sound" in admin.text(job.location)
    file = sqlite3.connect(console.deployment.engine.url.database or "")
    file.execute("update task set project_id = 999999 where id = (select min(id) from task)")
    file.commit()
    file.close()
    told = admin.text(admin.send("/database/look").location)
    assert "Foreign keys" in told and "points at a row of project" in told
    assert "1 found" in admin.text("/database/")


@ON_POSTGRESQL
def test_a_look_into_a_file_is_refused_on_postgresql(admin: Browser) -> None:
    assert admin.send("/database/look").status_code == 400


def test_views_keep_their_address() -> None:
    from flask import Flask

    app = Flask(__name__)
    app.add_url_rule("/database/", "database.index", lambda: "")
    with app.test_request_context():
        assert database_front.View().url() == "/database/"
        assert database_front.View(tab="all", text="a b").url(page=2) == "/database/?tab=all&q=a+b&page=2"
