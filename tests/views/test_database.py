"""The database page on both engines, and under a role that may read next to nothing."""

from __future__ import annotations

from dataclasses import replace

import psycopg2
import pytest
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from console.app import build
from console.config import Settings
from console.deployment import upkeep
from console.service import Console
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL, change_row, make_row
from tests.servers import dump_versions
from tests.views.conftest import Browser, assert_queries, signed_in


@BOTH_ENGINES
@pytest.mark.parametrize("version", dump_versions())
def test_every_release_on_both_databases(admin: Browser, engine: str, version: str) -> None:
    body = admin.text("/database/")
    assert ("PostgreSQL" if engine == "postgresql" else "SQLite") in body
    assert "None is pending" in body and "applied" in body
    assert "task_completion" in body


@BOTH_ENGINES
def test_four_statements(admin: Browser, console: Console) -> None:
    admin.text("/database/")
    with assert_queries(console.deployment.engine, at_most=4):
        admin.text("/database/")


def test_sqlite_tells_its_file(admin: Browser) -> None:
    body = admin.text("/database/")
    assert "Pages" in body and "Journal" in body and "delete" in body


@ON_POSTGRESQL
def test_postgresql_tells_sizes_and_never_analyzed_tables_have_no_number(console: Console) -> None:
    state = upkeep.read(console.deployment)
    assert len(state.tables) == upkeep.MOST_TABLES < state.tables_total
    sizes = [table.size_bytes or 0 for table in state.tables]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0
    assert all(table.rows is None or table.rows >= 0 for table in state.tables)
    assert state.applied and state.connections and state.most_connections


@BOTH_ENGINES
def test_background_migrations_and_their_errors(admin: Browser, session: Session) -> None:
    make_row(
        session,
        "core_asyncmigrationstatus",
        name="0099_broken",
        status="ERROR",
        meta={"error": "index failed, password=hunter22"},
    )
    body = admin.text("/database/")
    assert "0099_broken" in body and "index failed" in body and "hunter22" not in body


def test_a_missing_migration_is_named(console: Console, session: Session) -> None:
    from sqlalchemy import text

    session.execute(text("delete from django_migrations where app = 'tasks' and name like '0060%'"))
    session.commit()
    console.reattach()
    from console.views import frame

    frame._attached.clear()
    app = build(console=console)
    change_row(session, "htx_user", 1, is_superuser=True)
    body = signed_in(app, console, "alice@example.com").get("/database/").get_data(as_text=True)
    assert "0060_add_allow_skip_to_task" in body


@ON_POSTGRESQL
def test_what_may_not_be_read_comes_with_its_grant(settings: Settings, session: Session) -> None:
    change_row(session, "htx_user", 1, is_superuser=True)
    owner = psycopg2.connect(settings.database_url)
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute("drop role if exists looker_b")
        cursor.execute("create role looker_b login password 'x'")
        cursor.execute("grant select on htx_user, project, task to looker_b")
    url = make_url(settings.database_url).set(username="looker_b", password="x").render_as_string(hide_password=False)
    console = Console(replace(settings, database_url=url))
    try:
        from console.views import frame

        frame._attached.clear()
        body = signed_in_as_alice(console)
        assert "GRANT SELECT ON django_migrations TO looker_b;" in body
        assert "GRANT SELECT ON core_asyncmigrationstatus TO looker_b;" in body
        assert "GRANT pg_read_all_stats TO looker_b;" in body
        assert "Cannot tell which are pending" in body
    finally:
        console.close()
        with owner.cursor() as cursor:
            cursor.execute("drop owned by looker_b")
            cursor.execute("drop role looker_b")
        owner.close()


def signed_in_as_alice(console: Console) -> str:
    app = build(console=console)
    app.test_client_class = Browser
    response = signed_in(app, console, "alice@example.com").get("/database/")
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_data(as_text=True)
