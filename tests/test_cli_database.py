"""`lsconsole database` as an operator types it: both databases, text and JSON, a role with few rights."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import make_url

from console.config import Settings
from tests.factories import ON_POSTGRESQL
from tests.test_cli import document
from tests.test_cli_storage import Terminal
from tests.views.planted import by_hand, make_dead_rows


@pytest.fixture
def lsconsole(settings) -> Terminal:
    return Terminal(settings)


@ON_POSTGRESQL
def test_the_overview_names_what_needs_care(lsconsole, settings):
    make_dead_rows(settings)
    shown = lsconsole("database")
    assert shown.returncode == 0, shown.stderr
    assert "PostgreSQL 15" in shown.stdout and "connections" in shown.stdout and "mostly_dead" in shown.stdout
    assert "10,000 dead rows, 50 % of all" in shown.stdout and "Missing rights" not in shown.stdout
    told = document(lsconsole("database", "--format", "json"))
    assert told["database"] == "postgresql" and told["server"]["database_bytes"] > 0 and told["missing_rights"] == []
    assert told["advice"][0]["table"] == "mostly_dead" and told["tables"][0]["total_bytes"] > 0


@ON_POSTGRESQL
def test_tables_sorted_all_and_by_care(lsconsole, settings):
    make_dead_rows(settings)
    told = document(lsconsole("database", "tables", "--sort", "dead_rows", "--format", "json"))
    assert told["tables"][0]["name"] == "mostly_dead" and len(told["tables"]) == 12 < told["total"]
    assert len(document(lsconsole("database", "tables", "--all", "--format", "json"))["tables"]) == told["total"]
    [needy] = document(lsconsole("database", "tables", "--care", "--format", "json"))["tables"]
    assert needy["name"] == "mostly_dead" and "dead rows" in needy["care"][0]
    shown = lsconsole("database", "tables", "--sort", "name").stdout
    assert shown.index("auth_group") < shown.index("authtoken_token") and "--all lists every one" in shown


@ON_POSTGRESQL
def test_one_table_of_an_odd_name_and_its_indexes(lsconsole, settings):
    with by_hand(settings) as cursor:
        cursor.execute(
            'create table "Odd [red] ""x""" (id int primary key, a int); create index "dup a" on "Odd [red] ""x""" (id)'
        )
    shown = lsconsole("database", "table", 'Odd [red] "x"')
    assert shown.returncode == 0, shown.stderr
    assert 'Odd [red] "x"' in shown.stdout and "dup a" in shown.stdout and "begins with the same" not in shown.stdout
    told = document(lsconsole("database", "table", "task", "--format", "json"))
    assert told["name"] == "task" and any(index["name"] == "task_pkey" for index in told["indexes"])
    missing = lsconsole("database", "table", "nothing_such")
    assert missing.returncode == 2 and "There is no table nothing_such" in missing.stderr and not missing.stdout


@ON_POSTGRESQL
def test_indexes_sessions_settings_and_bloat(lsconsole, settings):
    with by_hand(settings) as cursor:
        cursor.execute("create table doubled (a int); create index one on doubled (a); create index two on doubled (a)")
    told = document(lsconsole("database", "indexes", "--format", "json"))
    assert {"two": ["the same as one"]}.items() <= {index["name"]: index["notes"] for index in told["indexes"]}.items()
    assert told["missing"] == [] and told["unused_told"] is False
    assert "two" in lsconsole("database", "indexes").stdout
    assert len(document(lsconsole("database", "indexes", "--all", "--format", "json"))["indexes"]) == told["total"]
    sessions = document(lsconsole("database", "sessions", "--format", "json"))
    assert any(row["own"] for row in sessions["sessions"]) and sessions["grant"] == ""
    assert "lsconsole" in lsconsole("database", "sessions").stdout
    assert "pg_trgm" in lsconsole("database", "settings").stdout
    assert document(lsconsole("database", "settings", "--format", "json"))["floor"]["needed"] in {13, 14}
    estimated = document(lsconsole("database", "bloat", "prediction", "--format", "json"))
    assert {item["kind"] for item in estimated} == {"table", "index"}
    exact = lsconsole("database", "bloat", "--exact", "prediction")
    assert exact.returncode == 0 and "CREATE EXTENSION" in exact.stdout
    assert "name those to measure" in lsconsole("database", "bloat", "--exact").stderr


@ON_POSTGRESQL
def test_bloat_is_measured_where_it_can_be(lsconsole, settings):
    make_dead_rows(settings)
    with by_hand(settings) as cursor:
        cursor.execute("create extension pgstattuple")
    told = document(lsconsole("database", "bloat", "--exact", "mostly_dead", "--format", "json"))
    heap = next(item for item in told if item["kind"] == "table")
    assert heap["exact"] and heap["percent"] > 30


@ON_POSTGRESQL
def test_a_role_of_few_rights_is_told_what_it_lacks(settings: Settings):
    with by_hand(settings) as cursor:
        cursor.execute("drop role if exists cli_looker")
        cursor.execute("create role cli_looker login password 'x'; grant select on htx_user, task to cli_looker")
        try:
            url = (
                make_url(settings.database_url or "")
                .set(username="cli_looker", password="x")
                .render_as_string(hide_password=False)
            )
            lsconsole = Terminal(replace(settings, database_url=url))
            shown = lsconsole("database")
            assert shown.returncode == 0, shown.stderr
            for statement in ("GRANT pg_read_all_stats TO cli_looker;", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO cli_looker;",
                              "GRANT postgres TO cli_looker;", "GRANT pg_signal_backend TO cli_looker;"):  # fmt: skip
                assert statement in shown.stdout, statement
            for command in ("tables", "indexes", "sessions", "settings", "bloat"):
                assert lsconsole("database", command).returncode == 0, command
        finally:
            cursor.execute("drop owned by cli_looker")
            cursor.execute("drop role cli_looker")


def test_a_sqlite_file(lsconsole):
    shown = lsconsole("database")
    assert shown.returncode == 0, shown.stderr
    assert "SQLite" in shown.stdout and "journal delete" in shown.stdout and "django_migrations" in shown.stdout
    told = document(lsconsole("database", "--format", "json"))
    assert told["database"] == "sqlite" and told["journal"]["mode"] == "delete" and told["size_bytes"] > 0
    assert len(document(lsconsole("database", "tables", "--all", "--format", "json"))["tables"]) == 30
    for command in (["table", "task"], ["indexes"], ["sessions"], ["settings"], ["bloat"]):
        refused = lsconsole("database", *command)
        assert refused.returncode == 2 and "keeps no such numbers" in refused.stderr and not refused.stdout


def test_an_option_before_a_subcommand_is_no_silent_nothing(lsconsole):
    refused = lsconsole("database", "--format", "json", "tables")
    assert refused.returncode == 2 and "behind tables" in refused.stderr
