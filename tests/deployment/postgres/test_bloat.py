"""The bloat estimate: near pgstattuple's, and unknown where nobody can tell. `make bench` has the large comparison."""

import statistics

from console.deployment.postgres import bloat, indexes, tables
from tests.bench.bloat import compare
from tests.deployment.postgres import relations
from tests.servers import empty_database


def ask(read, function=bloat.estimate):
    with read() as session:
        rows, trees = tables.read(session).rows, indexes.read(session)
        found = function(session, rows, trees)
    return {item.name: found[item.oid] for item in (*rows, *trees) if item.oid in found}


def test_near_pgstattuple_on_thirty_relations(postgres):
    url = empty_database(postgres)
    relations.make(url, 20_000)
    found = compare(url)
    errors = sorted(item.error for item in found)
    assert len(found) >= 30
    assert statistics.median(errors) < 3
    assert errors[int(len(errors) * 0.9)] < 10


def test_what_is_not_estimable_says_so(admin, read):
    found = ask(read)
    assert found["tasks_annotations_result_proj_gin"].how == "GIN is not estimable"
    assert found["task_updated_at_brin_idx"].how == "BRIN is not estimable"
    assert found["task_pkey"].percent is None and "not worth a number" in found["task_pkey"].how


def test_without_statistics_it_asks_for_analyze(admin, read):
    admin(
        "create table raw as select g as id, md5(g::text) as note from generate_series(1, 5000) g",
        "create index raw_note on raw (note)",
    )
    found = ask(read)
    for name in ("raw", "raw_note"):
        assert (found[name].percent, found[name].needs) == (None, "ANALYZE public.raw;")
    admin("analyze raw")
    assert ask(read)["raw"].percent < 3
    admin("delete from raw", "vacuum raw", "analyze raw")
    assert ask(read)["raw_note"].percent > 90


def test_a_hidden_column_asks_for_the_grant(admin, lowly):
    admin(
        "insert into prediction (result, task_id, created_at, updated_at, mislabeling) select '[]', (select min(id) from task),"
        " now(), now(), g"
        " from generate_series(1, 3000) g",
        "analyze prediction",
    )
    found = ask(lowly)["prediction"]
    assert found.percent is None and "not visible" in found.how
    assert found.needs == 'GRANT SELECT ON public.prediction TO "Only Looks";'


def test_measuring_needs_the_extension_and_the_right(admin, read, lowly):
    assert ask(read, bloat.measure)["task"].needs == "CREATE EXTENSION pgstattuple;"
    admin('create schema "odd %s"', 'create extension pgstattuple schema "odd %s"')
    found = ask(read, bloat.measure)
    assert found["task"].exact and 0 <= found["task"].percent <= 100
    assert found["task_pkey"].exact
    assert "GIN" in found["tasks_annotations_result_proj_gin"].how
    hidden = ask(lowly, bloat.measure)["task"]
    assert hidden.percent is None and hidden.needs == 'GRANT pg_stat_scan_tables TO "Only Looks";'


def test_an_expression_whose_statistics_are_the_owners(admin, lowly):
    admin(
        "create table worded as select md5(g::text) as note from generate_series(1, 5000) g",
        "create index worded_upper on worded (upper(note))",
        'grant select on worded to "Only Looks"',
        "analyze worded",
    )
    found = ask(lowly)
    assert found["worded"].percent is not None
    assert "owner" in found["worded_upper"].how and found["worded_upper"].percent is None


def test_partitions_and_empty_databases(admin, read):
    admin(
        "create table parted (id int) partition by range (id)",
        "create index on parted (id)",
        "create table parted_1 partition of parted for values from (0) to (100000)",
        "insert into parted select generate_series(1, 20000)",
        "analyze parted",
    )
    found = ask(read)
    assert "no storage" in found["parted"].how
    assert found["parted_1"].percent < 3 and found["parted_1_id_idx"].percent < 5
    with read() as session:
        assert bloat.estimate(session, []) == {}
