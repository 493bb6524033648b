from console.maintenance import advice
from console.maintenance.advice import steps_of
from console.maintenance.run import run


def test_a_healthy_database_wants_nothing(deployment):
    assert advice.advice(deployment, min_rows=100_000) == []


def test_what_wants_care_is_advised_with_numbers_and_done(deployment, busy, other):
    other.execute("create index busy_ccnew on busy (a)")
    other.execute(
        "update pg_index set indisvalid = false where indexrelid in ('busy_ccnew'::regclass, 'busy_t'::regclass)"
    )
    limits = {"min_dead_rows": 1000, "min_rows": 1000, "min_bloat_bytes": 1 << 30}
    advised = advice.advice(deployment, **limits)
    assert [(item.step.action, item.step.label) for item in advised if item.step.table == "busy"] == [
        ("drop_leftover", "index busy_ccnew"), ("reindex_index", "index busy_t"), ("vacuum_analyze", "table busy"),
    ]  # fmt: skip
    assert any("6,666 dead rows" in item.why for item in advised)
    for item in advised:
        step = item.step
        assert run(deployment, step.action, step.table, step.index, step.schema).done
    assert [item for item in advice.advice(deployment, **limits) if item.step.table == "busy"] == []


def test_a_bloated_index_is_advised(deployment, other):
    other.execute("create table churn (id int, t text)")
    other.execute("insert into churn select g, md5(g::text) from generate_series(1, 60000) g")
    other.execute("create index churn_t on churn (t)")
    other.execute("delete from churn where id % 10 <> 0")
    other.execute("vacuum analyze churn")
    [item] = steps_of(advice.advice(deployment, min_bloat_bytes=1 << 20), "reindex_table")
    assert (item.step.action, item.step.index) == ("reindex_index", "churn_t") and "% of its" in item.why


def test_the_list_is_bounded(deployment, busy, other):
    other.execute("create index busy_ccnew on busy (a)")
    other.execute("update pg_index set indisvalid = false where indexrelid = 'busy_ccnew'::regclass")
    assert len(advice.advice(deployment, min_dead_rows=10, min_rows=10, most=1)) == 1
