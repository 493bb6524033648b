"""What an action comes down to: one statement after the other, each about one relation of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from ..errors import Conflict, Refused
from .actions import Action
from .links import Link
from .targets import PAGE_BYTES, Index, Table, find_index, find_table, identifier

_WORDS = {
    "vacuum": "VACUUM (PARALLEL 0) {}",
    "vacuum_analyze": "VACUUM (ANALYZE, PARALLEL 0) {}",
    "analyze": "ANALYZE {}",
    "vacuum_full": "VACUUM (FULL) {}",
    "reindex_index": "REINDEX INDEX CONCURRENTLY {}",
    "drop_leftover": "DROP INDEX CONCURRENTLY {}",
}
_TITLES = {
    "vacuum": "VACUUM {}", "vacuum_analyze": "VACUUM (ANALYZE) {}", "analyze": "ANALYZE {}",
    "vacuum_full": "VACUUM FULL {}", "reindex_index": "REINDEX {}", "drop_leftover": "DROP INDEX {}",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One statement about one relation. `pages` is what it works through, for the bar."""

    action: str
    title: str
    statement: sql.Composed
    oid: int
    schema: str
    name: str
    table_oid: int
    pages: int
    indexes: int

    @property
    def concurrently(self) -> bool:
        return self.action in {"reindex_index", "drop_leftover"}


@dataclass(frozen=True)
class Target:
    """A table, the index in question if it is about one, and the steps of the action on them."""

    table: Table
    index: Index | None
    steps: tuple[Step, ...]
    #: what the steps leave out, in sentences
    notes: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.index.name if self.index else self.table.name


def find(link: Link, action: Action, table: str, index: str, schema: str) -> Target:
    """Look the names up now and work out the steps. Raises NotFound, and Refused when the names do not fit the action."""
    if action.on == "index":
        if not index:
            raise Refused(f"{action.title} is about an index; name one.")
        owner, found = find_index(link, index, schema, version=link.version)
        if table and owner.name != table:
            raise Refused(f"{index} is an index of {owner.name}, not of {table}.")
        return Target(owner, found, _of_index(action, owner, found))
    if not table:
        raise Refused(f"{action.title} is about a table; name one.")
    owner = find_table(link, table, schema, version=link.version, for_index=action.name == "reindex_table")
    if action.name == "reindex_table":
        return _of_all_indexes(owner)
    pages = (owner.heap_bytes + (0 if action.name == "analyze" else owner.index_bytes)) // PAGE_BYTES
    return Target(owner, None, (_step(action.name, owner, owner.oid, owner.schema, owner.name, pages),))


def need_same(link: Link, step: Step) -> None:
    """Raise Conflict unless the relation still has the name it had when it was looked up."""
    rows = link.run(
        "select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.oid = %(oid)s and c.relname = %(name)s and n.nspname = %(schema)s",
        {"oid": step.oid, "name": step.name, "schema": step.schema},
    )
    if not rows:
        raise Conflict(f"{step.schema}.{step.name} was replaced or renamed meanwhile. Look again and make a new plan.")


def _of_index(action: Action, table: Table, index: Index) -> tuple[Step, ...]:
    if action.name == "drop_leftover":
        return (_drop(table, index),)
    return (*_leftovers_of(table), _rebuild(table, index))


def _of_all_indexes(table: Table) -> Target:
    rebuilt = [index for index in table.indexes if index.kind == "i" and index.constraint != "x" and not index.leftover]
    guards = [index.name for index in table.indexes if index.constraint == "x"]
    notes = (
        (f"Left out, as PostgreSQL cannot rebuild the index of an exclusion constraint beside its work: {', '.join(guards)}.",)
        if guards else ()
    )  # fmt: skip
    rebuilt.sort(key=lambda index: (index.size_bytes, index.oid))
    return Target(table, None, (*_leftovers_of(table), *(_rebuild(table, index) for index in rebuilt)), notes)


def _leftovers_of(table: Table) -> Sequence[Step]:
    """Leftovers of earlier runs go first: they slow writing down, and their names get in the way."""
    return [_drop(table, index) for index in table.indexes if index.leftover and not index.building]


def _rebuild(table: Table, index: Index) -> Step:
    pages = (2 * table.heap_bytes + index.size_bytes) // PAGE_BYTES
    return _step("reindex_index", table, index.oid, index.schema, index.name, pages)


def _drop(table: Table, index: Index) -> Step:
    return _step("drop_leftover", table, index.oid, index.schema, index.name, 1)


def _step(action: str, table: Table, oid: int, schema: str, name: str, pages: int) -> Step:
    statement = sql.SQL(_WORDS[action]).format(identifier(schema, name))
    return Step(
        action, _TITLES[action].format(name), statement, oid, schema, name, table.oid, max(1, pages), len(table.indexes)
    )
