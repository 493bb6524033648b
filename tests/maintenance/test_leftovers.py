import pytest

from console.errors import NotFound, Refused
from console.maintenance import leftovers
from console.maintenance.preview import preview
from console.maintenance.run import run
from tests.maintenance.conftest import invalid_indexes


def invalidate(cursor, name: str) -> None:
    cursor.execute("update pg_index set indisvalid = false where indexrelid = %s::regclass", [f'"{name}"'])


@pytest.fixture
def left(other, busy) -> str:
    other.execute("create index busy_t_ccnew on busy (t)")
    invalidate(other, "busy_t_ccnew")
    return "busy_t_ccnew"


def test_a_leftover_is_found_and_dropped(deployment, other, left):
    [found] = leftovers.leftovers(deployment)
    assert (found.table, found.index, found.building) == ("busy", left, False) and found.size_bytes > 0
    assert preview(deployment, "drop_leftover", index=left).statements == (
        f'DROP INDEX CONCURRENTLY "public"."{left}";',
    )
    assert run(deployment, "drop_leftover", index=left).done
    assert leftovers.leftovers(deployment) == [] and invalid_indexes(other) == []


def test_a_valid_index_is_never_dropped(deployment, other, busy):
    other.execute("create index busy_a_ccnew on busy (a)")
    for name in ("busy_t", "busy_pkey", "busy_a_ccnew"):
        with pytest.raises(Refused, match="valid and in use"):
            run(deployment, "drop_leftover", index=name)
    assert leftovers.leftovers(deployment) == []


def test_an_invalid_index_of_label_studios_own_is_rebuilt_not_dropped(deployment, other, busy):
    invalidate(other, "busy_t")
    with pytest.raises(Refused, match="rebuild it"):
        run(deployment, "drop_leftover", index="busy_t")
    assert leftovers.leftovers(deployment) == []
    assert run(deployment, "reindex_index", index="busy_t").done
    assert invalid_indexes(other) == []


def test_what_is_being_built_stays(deployment, other, left):
    other.execute("begin; select pg_advisory_xact_lock(1); lock table busy in row exclusive mode")
    other.execute("alter index busy_t_ccnew set (fillfactor = 80)")
    [found] = leftovers.leftovers(deployment)
    assert found.building
    with pytest.raises(Refused, match="right now"):
        run(deployment, "drop_leftover", index=left)
    other.execute("rollback")


def test_a_rebuild_takes_the_leftovers_of_its_table_with_it(deployment, other, left):
    seen = preview(deployment, "reindex_index", index="busy_t")
    assert [words.split(' "')[0] for words in seen.statements] == [
        "DROP INDEX CONCURRENTLY",
        "REINDEX INDEX CONCURRENTLY",
    ]
    run(deployment, "reindex_index", index="busy_t")
    assert invalid_indexes(other) == []


def test_a_leftover_is_not_rebuilt(deployment, left):
    with pytest.raises(Refused, match="to be dropped"):
        run(deployment, "reindex_index", index=left)
    with pytest.raises(NotFound):
        run(deployment, "reindex_index", index="no_such_index")
