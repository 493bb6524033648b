"""Changes write what they say and their inverses bring back every byte, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import event, select, text

from console.deployment.models import Task
from console.diagnostics import DeleteRow, InsertRow, row_update
from console.diagnostics import change as changes
from console.diagnostics.change import ExactJson, diff, from_dict, plain, revive, same, to_dict
from console.errors import Conflict
from tests.diagnostics.planned import apply, plan_of, undo
from tests.factories import BOTH_ENGINES, ON_POSTGRESQL, make_task
from tests.round_trip import table_digests
from tests.servers import dump_versions

VERSIONS = pytest.mark.parametrize("version", [dump_versions()[0], dump_versions()[-1]])


def raw_rows(console, table: str, engine: str) -> list[str]:
    """Rows as the database itself writes them: nothing of ours in between."""
    with console.deployment.read() as session:
        if engine == "postgresql":
            return list(session.scalars(text(f"select t::text from {table} t order by t::text")))
        names = [f"quote({name})" for name in console.deployment.schema.columns[table]]
        return sorted(session.scalars(text(f"select {' || char(9) || '.join(names)} from {table}")))


def whole_row(console, table: str, key: int) -> dict:
    with console.deployment.read() as session:
        target = console.deployment.schema.table(table)
        return dict(session.execute(select(target).where(target.c.id == key)).mappings().one())


@BOTH_ENGINES
@VERSIONS
@pytest.mark.parametrize("table", ["tasks_annotationdraft", "webhook", "io_storages_s3importstorage", "prediction"])
def test_a_deleted_row_comes_back_to_the_byte(console, session, engine, version, table):
    _without_foreign_keys(session, engine)
    before = raw_rows(console, table, engine)
    with console.deployment.read() as reading:
        key = reading.scalar(text(f"select min(id) from {table}"))
    plan = plan_of(console, [DeleteRow(table, {"id": key}, whole_row(console, table, key))])
    apply(console, plan)
    assert len(raw_rows(console, table, engine)) == len(before) - 1
    undo(console, plan)
    assert raw_rows(console, table, engine) == before


@BOTH_ENGINES
@pytest.mark.parametrize(
    "document",
    [
        "null",
        "{}",
        "[]",
        '"text"',
        "0",
        "true",
        '{"a": 1.0, "b": [1e3, 0.1], "ö": "東京", "n": null}',
        '{"b":1,  "a":2}',
    ],
)
def test_json_columns_come_back_as_they_were(console, session, engine, document):
    task = make_task(session)
    _set_raw(session, engine, "task", "meta", task.id, document)
    before = raw_rows(console, "task", engine)
    was = whole_row(console, "task", task.id)
    update = row_update(Task, task.id, before={"meta": was["meta"]}, after={"meta": {"new": True}})
    plan = plan_of(console, [update])
    apply(console, plan)
    undo(console, plan)
    assert raw_rows(console, "task", engine) == before
    plan = plan_of(console, [DeleteRow("task", {"id": task.id}, was)])
    apply(console, plan)
    undo(console, plan)
    assert raw_rows(console, "task", engine) == before


@BOTH_ENGINES
def test_an_empty_json_column_comes_back_empty(console, session, engine):
    task = make_task(session)
    _set_raw(session, engine, "task", "meta", task.id, None)
    before = raw_rows(console, "task", engine)
    plan = plan_of(console, [DeleteRow("task", {"id": task.id}, whole_row(console, "task", task.id))])
    apply(console, plan)
    undo(console, plan)
    assert raw_rows(console, "task", engine) == before


@BOTH_ENGINES
@pytest.mark.parametrize("moment", ["2024-02-29 23:59:59.123456", "2024-02-29 23:59:59", "2024-01-01 00:00:00.100000"])
def test_times_come_back_as_they_were(console, session, engine, moment):
    task = make_task(session)
    zone = "+00" if engine == "postgresql" else ""
    session.execute(text(f"update task set updated_at = '{moment}{zone}' where id = {task.id}"))
    session.commit()
    before = raw_rows(console, "task", engine)
    was = whole_row(console, "task", task.id)
    assert was["updated_at"] == datetime.fromisoformat(moment).replace(tzinfo=UTC)
    later = {"updated_at": datetime(2025, 5, 5, 5, 5, 5, tzinfo=UTC)}
    plan = plan_of(console, [row_update(Task, task.id, before={"updated_at": was["updated_at"]}, after=later)])
    apply(console, plan)
    undo(console, plan)
    assert raw_rows(console, "task", engine) == before


@BOTH_ENGINES
@VERSIONS
def test_an_inserted_row_gets_a_key_what_the_release_demands_and_goes_again(console, session, engine, version):
    before = table_digests(console.deployment)
    # Neither times nor is_labeled, overlap, counters: whatever this release demands is filled.
    added = InsertRow("task", {"data": {"text": "new"}, "project_id": 1}, unless={"project_id": 1, "inner_id": 4711})
    plan = plan_of(console, [added, added])
    assert apply(console, plan).rows == 2
    with console.deployment.read() as reading:
        keys = list(reading.scalars(select(Task.id).order_by(Task.id.desc()).limit(2)))
    assert keys[0] == keys[1] + 1 > 267
    undo(console, plan)
    assert table_digests(console.deployment) == before
    # The sequence moved on: the next row of Label Studio's own collides with nothing.
    assert make_task(session).id > keys[1]


@BOTH_ENGINES
def test_every_table_can_be_given_a_row_of_fillers(console, session, engine):
    """What a release demands is filled with a value its column takes; only foreign keys are ours to name."""
    schema = console.deployment.schema
    _without_foreign_keys(session, engine)
    for table in schema.columns:
        if not schema.table(table).primary_key.columns:
            continue
        # The key of a table that extends another one is the other one's, and of one to one tables too.
        keys = {name: 987_654 for name, column in schema.columns[table].items()
                if column.primary and not column.has_default and "int" in column.type_name}  # fmt: skip
        with session.begin_nested() as point:
            demanded = {"prediction_id": 1} if table == "prediction_meta" else {}  # a rule over two columns
            [written] = changes.apply(session, schema, [InsertRow(table, keys | demanded, unless={})])
            assert written.key, table
            changes.apply(session, schema, [written.inverse()])
            point.rollback()
    session.rollback()


@BOTH_ENGINES
def test_a_row_may_hold_the_key_of_one_added_before_it(console, session, engine):
    parent, child = "io_storages_localfilesmixin", "io_storages_localfilesimportstorage"
    rows = [{"title": title, "project_id": 2, "status": "initialized"} for title in ("one", "two")]
    added = [
        item
        for row in rows
        for item in (
            InsertRow(parent, {"path": f"/{row['title']}", "use_blob_urls": True}, unless={}),
            InsertRow(child, row | {"localfilesmixin_ptr_id": {changes.KEY_OF: parent}}, unless={}),
        )
    ]
    before = table_digests(console.deployment)
    plan = plan_of(console, added)
    apply(console, plan)
    joined = (
        f"select title, path from {child} join {parent} on id = localfilesmixin_ptr_id where title in ('one', 'two')"
    )
    with console.deployment.read() as reading:
        assert {tuple(row) for row in reading.execute(text(joined))} == {("one", "/one"), ("two", "/two")}
    undo(console, plan)
    assert table_digests(console.deployment) == before


@BOTH_ENGINES
def test_a_row_that_is_there_by_now_is_not_added_again(console):
    added = InsertRow("webhook", {"url": "http://a.example"}, unless={"id": 1})
    with pytest.raises(Conflict, match="is there by now"):
        apply(console, plan_of(console, [added]))


@BOTH_ENGINES
def test_a_deleted_row_must_hold_all_it_held(console, session, engine):
    task = make_task(session)
    was = whole_row(console, "task", task.id)
    plan = plan_of(console, [DeleteRow("task", {"id": task.id}, was)])
    session.execute(text(f"update task set overlap = 5 where id = {task.id}"))
    session.commit()
    with pytest.raises(Conflict, match=r"changed since this plan was made \(overlap\)"):
        apply(console, plan)
    gone = plan_of(console, [DeleteRow("task", {"id": 4711}, {})])
    with pytest.raises(Conflict, match="task 4711 is gone already"):
        apply(console, gone)


@BOTH_ENGINES
def test_undo_of_a_deletion_refuses_when_the_key_is_taken(console, session, engine):
    task = make_task(session)
    was = whole_row(console, "task", task.id)
    plan = plan_of(console, [DeleteRow("task", {"id": task.id}, was)])
    apply(console, plan)
    make_task(session, id=task.id)
    with pytest.raises(Conflict, match="is there by now"):
        undo(console, plan)


@BOTH_ENGINES
def test_changes_of_one_row_follow_each_other(console, session, engine):
    task = make_task(session)
    first = row_update(Task, task.id, before={"overlap": 1}, after={"overlap": 2})
    second = row_update(Task, task.id, before={"overlap": 2}, after={"overlap": 3})
    before = raw_rows(console, "task", engine)
    plan = plan_of(console, [first, second])
    apply(console, plan)
    assert whole_row(console, "task", task.id)["overlap"] == 3
    undo(console, plan)
    assert raw_rows(console, "task", engine) == before


@ON_POSTGRESQL
def test_serial_and_identity_columns_both_give_keys(console, session):
    """Releases on Django 3 made serial columns, later ones identity columns."""
    for kind in ("serial", "integer generated by default as identity"):
        session.execute(text("drop table if exists webhook_action"))
        session.execute(
            text(f"create table webhook_action (id {kind} primary key, action text not null, webhook_id int)")
        )
        session.commit()
        deployment = console.reattach()
        plan = plan_of(console, [InsertRow("webhook_action", {"webhook_id": 1}, unless={})] * 2)
        apply(console, plan)
        with deployment.read() as reading:
            assert reading.execute(text("select id, action from webhook_action order by id")).all() == [
                (1, ""),
                (2, ""),
            ]
        undo(console, plan)


def test_a_change_is_the_same_after_a_trip_through_json():
    moment = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
    for change in (
        row_update(Task, 1, before={"updated_at": moment, "meta": None}, after={"updated_at": None, "meta": {"$x": 1}}),
        InsertRow("task", {"data": [1, {"a": None}], "created_at": moment}, unless={"id": 3}),
        DeleteRow("task", {"id": 1}, {"data": "text", "created_at": moment}),
    ):
        assert from_dict(to_dict(change)) == change
        assert (
            from_dict(to_dict(change.inverse())).op
            == {"update": "update", "insert": "delete", "delete": "insert"}[change.op]
        )


def test_equal_as_the_database_sees_it():
    assert same(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1))
    assert same(1, True) and same(0, False)
    assert not same(None, "") and not same(None, 0)
    assert revive(plain({"at": [datetime(2024, 1, 1, tzinfo=UTC)]})) == {"at": [datetime(2024, 1, 1, tzinfo=UTC)]}


def test_a_diff_tells_only_what_differs_and_no_secret():
    update = row_update(Task, 1, before={"overlap": 1, "meta": None}, after={"overlap": 2, "meta": None})
    assert list(diff(update)) == [{"label": "task 1", "op": "update", "column": "overlap", "before": 1, "after": 2}]
    [line] = diff(row_update("htx_user", 1, before={"password": "pbkdf2$old"}, after={"password": "pbkdf2$new"}))
    assert "pbkdf2" not in str(line)
    [line] = diff(InsertRow("webhook", {"url": "x"}, unless={}))
    assert (line["label"], line["before"], line["after"]) == ("webhook new", None, "x")


def _set_raw(session, engine: str, table: str, column: str, key: int, document: str | None) -> None:
    cast = "cast(:document as jsonb)" if engine == "postgresql" else ":document"
    session.execute(text(f"update {table} set {column} = {cast} where id = {key}"), {"document": document})
    session.commit()


def _without_foreign_keys(session, engine: str) -> None:
    """These tests are about single rows; Label Studio itself would delete and add what hangs on them as well."""
    if engine == "sqlite":
        event.listen(session.get_bind(), "connect", lambda raw, _: raw.execute("pragma foreign_keys = off"))
        session.get_bind().dispose()
        return
    for name, owner in session.execute(
        text("select conname, conrelid::regclass from pg_constraint where contype = 'f' and conrelid <> 0")
    ).all():
        session.execute(text(f'alter table {owner} drop constraint "{name}"'))
    session.commit()


def test_secrets_inside_a_value_are_masked_too():
    update = row_update(
        "project", 1, before={"x": ExactJson('{"token": "hunter2secret"}')}, after={"x": "pwd=hunter2secret"}
    )
    [line] = diff(update)
    assert "token" in line["before"] and "hunter2secret" not in str(line)
