"""Indexes that do no good, are broken, or are missing for a foreign key."""

import threading
import time

import psycopg2
import pytest

from console.deployment.postgres import indexes


@pytest.fixture
def there(read):
    """The indexes now, by name."""

    def there():
        with read() as session:
            return {index.name: index for index in indexes.read(session)}

    return there


def test_every_index_is_told_as_the_catalogue_has_it(admin, there):
    found = there()
    for name, size, definition in admin(
        "select relname, pg_relation_size(indexrelid), pg_get_indexdef(indexrelid) from pg_index join pg_class c on c.oid = indexrelid"
        " where relnamespace = 'public'::regnamespace"
    ):
        assert (found[name].size_bytes, found[name].definition) == (size, definition)
    pkey = found["task_pkey"]
    assert (pkey.table, pkey.method, pkey.unique, pkey.primary, pkey.constraint) == (
        "task",
        "btree",
        True,
        True,
        "task_pkey",
    )
    gin = found["tasks_annotations_result_proj_gin"]
    assert (gin.method, gin.expression, gin.unique, gin.constraint) == ("gin", True, False, "")
    assert gin.sql_name == "public.tasks_annotations_result_proj_gin"


def test_unused_is_said_only_after_a_long_time_and_never_of_rules(admin, there):
    admin(
        "create index idle on task (meta) where false",
        "create index idle_big on task_completion (result_count, id)",
        "create unique index rule on task (id, overlap)",
    )
    rows = there().values()
    assert indexes.unused(rows, statistics_days=3) is None
    assert indexes.unused(rows, statistics_days=None) is None
    names = {index.name for index in indexes.unused(rows, statistics_days=40, min_bytes=0)}
    assert {"idle", "idle_big"} <= names and not {"rule", "task_pkey"} & names
    admin("set enable_seqscan = off; select count(*) from task_completion where result_count = 1; reset enable_seqscan")
    assert there()["idle_big"].scans == 1
    assert "idle_big" not in {index.name for index in indexes.unused(there().values(), statistics_days=40, min_bytes=0)}


def test_the_same_and_a_prefix_and_what_only_looks_alike(admin, there):
    admin(
        "create table t (a int, b int, c text)",
        "create index a1 on t (a)",
        "create index a2 on t (a)",
        "create index ab on t (a, b)",
        "create index a_desc on t (a desc)",
        "create index a_part on t (a) where b > 0",
        "create index a_hash on t using hash (a)",
        "create index c_plain on t (c)",
        "create index c_like on t (c text_pattern_ops)",
        'create index c_coll on t (c collate "C")',
        "create index lower1 on t (lower(c))",
        "create index lower2 on t (lower(c))",
        "create index upper1 on t (upper(c))",
        "create index b_inc on t (b) include (c)",
        "create index b_plain on t (b)",
        "create unique index ab_rule on t (a, b)",
    )
    found = {
        item.index.name: (item.covered_by.name, item.kind)
        for item in indexes.overlaps(there().values())
        if item.index.table == "t"
    }
    assert found == {
        "ab": ("ab_rule", "same"),
        "a2": ("a1", "same"),
        "a1": ("ab_rule", "prefix"),
        "lower2": ("lower1", "same"),
        "b_plain": ("b_inc", "same"),
    }


def test_a_build_that_failed_is_invalid_and_a_leftover_is_named_so(admin, there):
    admin("create table dup as select 1 as id from generate_series(1, 2)")
    for name in ("dup_id", "task_pkey_ccnew", "normal_ccnew_name"):
        with pytest.raises(psycopg2.errors.UniqueViolation):
            admin(f"create unique index concurrently {name} on dup (id)")
    found = there()
    assert {index.name for index in indexes.invalid(found.values())} == {
        "dup_id",
        "task_pkey_ccnew",
        "normal_ccnew_name",
    }
    assert [index.name for index in indexes.leftovers(found.values())] == ["task_pkey_ccnew"]
    assert not found["dup_id"].building


def test_an_index_that_is_being_built_is_not_invalid(admin, there, url):
    holder, builder = psycopg2.connect(url), psycopg2.connect(url)
    holder.cursor().execute("update task set updated_at = now() where id = (select min(id) from task)")
    builder.autocommit = True
    thread = threading.Thread(
        target=lambda: builder.cursor().execute("create index concurrently slow_one on task (overlap, meta)")
    )
    thread.start()
    deadline = time.monotonic() + 5
    while "slow_one" not in (found := there()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found["slow_one"].building and not found["slow_one"].valid
    assert indexes.invalid(found.values()) == []
    holder.close()
    thread.join()
    builder.close()
    assert there()["slow_one"].valid


def test_foreign_keys_without_an_index(admin, read):
    admin(
        "create table parent (id int primary key, a int, b int, unique (a, b))",
        'create table child (p int references parent, "Q q" int, r int, foreign key ("Q q", r) references parent (a, b))',
        'create index on child (r, "Q q")',
    )
    with read() as session:
        found = {item.name: item for item in indexes.foreign_keys_without_index(session)}
    assert set(found) == {"child_p_fkey", "project_deleted_by_id_12e91153_fk_htx_user_id"}
    assert (found["child_p_fkey"].columns, found["child_p_fkey"].references) == (("p",), "parent")


def test_partitioned_indexes_are_neither_invalid_nor_superfluous(admin, there):
    admin(
        "create table parted (id int) partition by range (id)",
        "create table parted_1 partition of parted for values from (0) to (9)",
        "create index one on parted (id)",
        "create index two on parted (id)",
    )
    found = there()
    assert found["one"].partitioned and found["parted_1_id_idx"].attached
    assert indexes.invalid(found.values()) == []
    assert not [item for item in indexes.overlaps(found.values()) if item.index.table.startswith("parted")]
