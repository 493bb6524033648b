"""Sequences behind the ids."""

import psycopg2
import pytest

from console.deployment.postgres import sequences


def asked(read):
    with read() as session:
        return {(item.table, item.column): item for item in sequences.read(session)}


def test_a_healthy_release_has_none_behind(admin, read):
    found = asked(read)
    assert len(found) > 50
    assert {item.behind for item in found.values()} == {False}
    task = found["task", "id"]
    assert (task.last_value, task.max_id) == admin(
        "select (select last_value from task_id_seq), (select max(id) from task)"
    )[0]
    assert task.end == 2**31 - 1 and task.used_percent < 1 and task.may_set


def test_one_that_is_behind_and_one_near_its_end(admin, read):
    admin("select setval('task_id_seq', 5)", "select setval('prediction_id_seq', 2000000000)")
    found = asked(read)
    assert found["task", "id"].behind is True and found["task", "id"].last_value == 5
    assert found["prediction", "id"].behind is False and found["prediction", "id"].used_percent == pytest.approx(
        93.1, abs=0.1
    )


def test_a_fresh_sequence_and_odd_names(admin, read):
    admin(
        'create table "Odd : %s ""x""" ("Id %" serial primary key, note text)',
        "create table small (id smallint generated always as identity primary key)",
        "create table plain (id serial)",
    )
    found = asked(read)
    odd = found['Odd : %s "x"', "Id %"]
    assert (odd.last_value, odd.max_id, odd.behind) == (0, 0, False)
    assert found["small", "id"].end == 32767 and found["small", "id"].identity
    assert found["plain", "id"].max_id is None and found["plain", "id"].behind is None  # no index: not read through


def test_what_a_role_may_not_see_is_not_healthy(admin, lowly):
    found = asked(lowly)
    assert found["task", "id"].behind is None
    assert found["task", "id"].needs == 'GRANT SELECT ON SEQUENCE public.task_id_seq TO "Only Looks";'
    assert found["prediction", "id"].needs == 'GRANT SELECT ON public.prediction TO "Only Looks";'
    admin(found["task", "id"].needs)
    assert asked(lowly)["task", "id"].behind is False


def test_a_locked_table_is_left_out(read, url):
    holder = psycopg2.connect(url)
    holder.cursor().execute("lock table task in access exclusive mode")
    found = asked(read)
    assert found["task", "id"].locked and found["task", "id"].max_id is None
    assert found["project", "id"].behind is False
    holder.close()
