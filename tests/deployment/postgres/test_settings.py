"""Settings worth a look: told only when something seen supports it."""

from dataclasses import replace

import pytest

from console.deployment.postgres import server, settings
from console.deployment.postgres.settings import GIGABYTE, Value


@pytest.fixture
def seen(read):
    with read() as session:
        return settings.read(session), server.read(session)


def names(values, facts, **options):
    return [setting.name for setting in settings.worth_a_look(values, facts, **options)]


def healthy(values):
    """The throw-away server's settings with what it saves on for speed put right."""
    on = Value(1.0, "on", "default", False)
    return values | {
        "autovacuum": on,
        "fsync": on,
        "full_page_writes": on,
        "idle_in_transaction_session_timeout": Value(1.0, "1h", "default", False),
    }


def test_units_are_bytes(seen):
    values, _ = seen
    assert values["shared_buffers"].number == 64 * 2**20 and values["shared_buffers"].shown == "64MB"
    assert values["maintenance_work_mem"].number == 64 * 2**20
    assert values["autovacuum"].number == 0


def test_what_endangers_the_data_comes_first(seen):
    assert names(*seen)[:3] == ["autovacuum", "fsync", "full_page_writes"]
    assert all(setting.grave and setting.suggestion and setting.why for setting in settings.worth_a_look(*seen)[:3])


def test_a_small_healthy_server_is_left_alone(seen):
    values, facts = seen
    assert names(healthy(values), facts) == []


def test_defaults_of_a_large_database_are_told(seen):
    values, facts = seen
    large = replace(facts, database_bytes=50 * GIGABYTE, temp_bytes=20 * GIGABYTE)
    assert set(names(healthy(values), large, largest_table_rows=5_000_000)) == {
        "shared_buffers",
        "maintenance_work_mem",
        "work_mem",
        "random_page_cost",
        "autovacuum_vacuum_scale_factor",
    }


def test_a_change_that_waits_for_a_restart(seen):
    values, facts = seen
    waiting = healthy(values) | {"shared_buffers": replace(values["shared_buffers"], pending_restart=True)}
    assert names(waiting, facts) == ["shared_buffers"]


def test_a_steady_stream_of_early_checkpoints(seen):
    values, facts = seen
    many = replace(facts.checkpoints, timed=10, requested=500)
    assert names(healthy(values), replace(facts, checkpoints=many, statistics_days=2.0)) == ["max_wal_size"]
    assert names(healthy(values), replace(facts, checkpoints=many, statistics_days=60.0)) == []
