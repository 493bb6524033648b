import shutil
from pathlib import Path

import pytest

from console.config import Settings
from console.deployment import Deployment
from console.errors import NotFound, Refused
from console.maintenance import actions, disk
from console.maintenance.preview import preview
from console.maintenance.run import run
from tests import servers


@pytest.fixture
def guest(deployment, settings, other):
    """The deployment with a role that may only look."""
    other.execute('do $$ begin create role "gu est" login; exception when duplicate_object then null; end $$')
    other.execute('grant select on all tables in schema public to "gu est"')
    looking = Deployment.attach(settings.with_(database_url=settings.database_url.replace("postgres@", "gu%20est@")))
    yield looking
    looking.close()
    other.execute('drop owned by "gu est"')


@pytest.mark.parametrize("name", [name for name, action in actions.ACTIONS.items() if action.engine == "pg"])
def test_every_action_says_its_lock_and_what_it_costs(deployment, busy, other, name):
    other.execute("create index busy_ccnew on busy (a)")
    other.execute("update pg_index set indisvalid = false where indexrelid = 'busy_ccnew'::regclass")
    on_index = {"drop_leftover": "busy_ccnew", "reindex_index": "busy_t"}.get(name, "")
    seen = preview(deployment, name, "" if on_index else busy, on_index)
    assert seen.allowed and seen.statement and seen.action.lock in seen.lock
    assert seen.size_bytes > 0 and 0 < seen.estimated_minutes < 1 and "a second" in seen.estimated_how
    assert seen.command.startswith("psql -h 127.0.0.1 -p ") and "-U postgres" in seen.command
    assert seen.action.reversible is False


def test_a_looking_role_gets_the_grant_and_the_command_instead(guest, busy, deployment, other):
    seen = preview(guest, "vacuum", busy)
    assert seen.lacking == ('GRANT "postgres" TO "gu est";',)
    assert "belongs to postgres" in seen.refusals[0] and seen.lacking[0] in seen.refusals[0]
    assert "-U postgres" in seen.command and 'VACUUM (PARALLEL 0) "public"."busy"' in seen.command
    with pytest.raises(Refused, match="may not do this"):
        run(guest, "vacuum", busy)


def test_owning_the_table_is_enough(guest, busy, other):
    other.execute('alter table busy owner to "gu est"')
    other.execute('grant create on schema public to "gu est"')
    assert preview(guest, "reindex_table", busy).lacking == ()
    assert run(guest, "vacuum_analyze", busy).after.dead_rows == 0
    assert run(guest, "reindex_table", busy).done


def test_full_vacuum_is_refused_while_room_is_unknown(guest, busy, other, settings):
    other.execute('alter table busy owner to "gu est"')
    seen = preview(guest, "vacuum_full", busy)
    assert seen.free_bytes is None and seen.disk_bytes > seen.size_bytes
    assert "is not known" in seen.refusals[0] and "LSCONSOLE_DATABASE_FREE_BYTES" in seen.refusals[0]
    with pytest.raises(Refused, match="not known"):
        run(guest, "vacuum_full", busy)
    guest.settings = guest.settings.with_(database_free_bytes=100)
    assert "there is 100 bytes" in preview(guest, "vacuum_full", busy).refusals[0]
    guest.settings = guest.settings.with_(database_free_bytes=10**9)
    assert run(guest, "vacuum_full", busy).done


def test_room_is_measured_where_the_data_directory_is_this_machines(deployment, busy, other):
    other.execute("show data_directory")
    [(directory,)] = other.fetchall()
    seen = preview(deployment, "vacuum_full", busy)
    assert abs(seen.free_bytes - shutil.disk_usage(directory).free) < 2**30
    assert seen.allowed and "measured at" in seen.free_how


def test_the_directory_of_another_server_is_not_measured(tmp_path):
    assert not disk._is_here(tmp_path, "5432", 1_700_000_000)
    Path(tmp_path, "postmaster.pid").write_text("1\n/data\n1700000000\n5433\n/run\n*\n")
    assert not disk._is_here(tmp_path, "5432", 1_700_000_000)
    assert disk._is_here(tmp_path, "5433", 1_700_000_001)
    assert not disk._is_here(tmp_path, "5433", 1_700_000_100)


def test_what_holds_it_up_is_warned_of(deployment, busy, other):
    other.execute("begin; lock table busy in access exclusive mode")
    seen = preview(deployment, "vacuum", busy)
    assert any("locked by another session" in words for words in seen.warnings)
    assert any(words.startswith("In its way stands now: process") for words in seen.warnings)


def test_long_transactions_are_warned_of(deployment, busy, other, monkeypatch):
    monkeypatch.setattr("console.maintenance.preview.LONG_TRANSACTION_SECONDS", 0.0)
    other.execute("begin isolation level repeatable read; select 1 from busy limit 1")
    assert any("keep dead rows alive: process" in words for words in preview(deployment, "vacuum", busy).warnings)
    assert any("will be waited for: process" in words for words in preview(deployment, "reindex_table", busy).warnings)


def test_names_that_do_not_fit_the_action_are_refused(deployment, busy):
    for action, table, index in (("vacuum", "", ""), ("reindex_index", "", ""), ("reindex_index", "task", "busy_t")):
        with pytest.raises(Refused):
            preview(deployment, action, table, index)
    with pytest.raises(NotFound):
        preview(deployment, "no such action", "task")
    with pytest.raises(Refused, match="not for PostgreSQL"):
        preview(deployment, "sqlite_vacuum")


def test_label_studios_tables_of_every_release_can_be_looked_at(postgres, tmp_path):
    for version in servers.dump_versions():
        deployment = Deployment.attach(
            Settings.load({}, database_url=servers.load_dump(postgres, version), data_dir=tmp_path)
        )
        for table in ("task", "task_completion", "htx_user"):
            assert preview(deployment, "vacuum_analyze", table).allowed
        deployment.close()
