"""Tables and indexes as PostgreSQL's catalogue knows them at the moment of asking; what may be worked on, and what not.

Names are only ever looked up: what is not in the catalogue, or lies outside of the schemas of Label Studio's search
path, is refused, and what goes into a statement is the catalogue's own name, quoted by the driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from ..errors import NotFound, Refused
from .actions import Action

PAGE_BYTES = 8192
#: Names that REINDEX CONCURRENTLY gives to what it builds, and to what it is about to remove.
LEFTOVER_NAME = re.compile(r"_cc(new|old)\d*$")


@dataclass(frozen=True)
class Index:
    """One index. `constraint` is PostgreSQL's letter: p primary, u unique, x exclusion; empty for a plain index."""

    oid: int
    schema: str
    name: str
    table_oid: int
    table: str
    size_bytes: int
    valid: bool
    constraint: str
    kind: str
    method: str
    building: bool

    @property
    def leftover(self) -> bool:
        """Invalid, and named as REINDEX CONCURRENTLY names its own."""
        return not self.valid and bool(LEFTOVER_NAME.search(self.name)) and not self.constraint


@dataclass(frozen=True)
class Table:
    """One table, and what the role may do with it. Sizes in bytes, rows as the statistics estimate them."""

    oid: int
    schema: str
    name: str
    kind: str
    temporary: bool
    owner: str
    may_maintain: bool
    may_drop: bool
    heap_bytes: int
    #: somebody keeps the whole table to themselves, and the sizes are those of the last vacuum
    locked: bool
    rows: int
    dead_rows: int | None
    tablespace: str
    indexes: tuple[Index, ...] = ()

    @property
    def index_bytes(self) -> int:
        return sum(index.size_bytes for index in self.indexes)

    @property
    def total_bytes(self) -> int:
        return self.heap_bytes + self.index_bytes


#: Measuring needs a lock on the relation; where somebody has, or waits for, the strongest, what the planner knows will do.
_LOCKED = """exists (select from pg_locks l where l.locktype = 'relation' and l.relation = c.oid and l.pid <> pg_backend_pid()
        and l.mode = 'AccessExclusiveLock'
        and l.database = (select oid from pg_database where datname = current_database()))"""
_TABLES = """
select c.oid::bigint as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind, c.relpersistence = 't' as temporary,
       pg_get_userbyid(c.relowner) as owner,
       r.rolsuper or pg_has_role(c.relowner, 'USAGE')
         or (not %(by_index)s and exists (select from pg_database d where d.datname = current_database()
                                          and pg_has_role(d.datdba, 'USAGE')))
         or {maintain} as may_maintain,
       r.rolsuper or pg_has_role(c.relowner, 'USAGE') as may_drop,
       case when c.relkind not in ('r', 'm') then 0 when {locked} then c.relpages::bigint * 8192
            else pg_table_size(c.oid) end as heap_bytes, {locked} as locked,
       greatest(c.reltuples, coalesce(s.n_live_tup, 0))::bigint as rows, s.n_dead_tup as dead_rows,
       case when c.reltablespace = 0 then '' else pg_tablespace_location(c.reltablespace) end as tablespace
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_roles r on r.rolname = current_user
left join pg_stat_all_tables s on s.relid = c.oid
where c.relkind in ('r', 'p', 'm', 'f', 'v', 't') and {which}
order by array_position(current_schemas(false), n.nspname) limit 1
"""
_INDEXES = """
select i.indexrelid::bigint as oid, n.nspname as schema, c.relname as name, t.oid::bigint as table_oid, t.relname as "table",
       case when c.relkind <> 'i' then 0 when {locked} then c.relpages::bigint * 8192
            else pg_relation_size(c.oid) end as size_bytes, i.indisvalid as valid,
       coalesce((select max(con.contype::text) from pg_constraint con
                 where con.conindid = i.indexrelid and con.contype in ('p', 'u', 'x')), '') as "constraint",
       c.relkind::text as kind, am.amname as method,
       exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
         or exists (select from pg_locks l where l.locktype = 'relation' and l.relation = i.indexrelid
                    and l.database = (select oid from pg_database where datname = current_database())
                    and l.mode in ('ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')
                    and l.pid <> pg_backend_pid()) as building
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_am am on am.oid = c.relam
where {which}
order by i.indexrelid
"""


def find_table(connection: Any, name: str, schema: str = "", *, version: int, for_index: bool = False) -> Table:
    """The table of this name, looked up now. Raises NotFound.

    `connection`: anything with `run(statement, values) -> list of dicts`. `for_index`: rights as REINDEX wants them,
    for which owning the database is not enough.
    """
    which = "n.nspname = any (current_schemas(false)) and c.relname = %(name)s"
    which += " and n.nspname = %(schema)s" if schema else ""
    _need_text(name, schema)
    rows = _tables(connection, which, {"name": name, "schema": schema}, version, for_index)
    if not rows:
        raise NotFound(f"There is no table {name} in the schemas of Label Studio's database. {_hint(schema)}".strip())
    return rows[0]


def find_index(connection: Any, name: str, schema: str = "", *, version: int) -> tuple[Table, Index]:
    """The index of this name and its table. Raises NotFound."""
    which = "n.nspname = any (current_schemas(false)) and c.relname = %(name)s"
    which += " and n.nspname = %(schema)s" if schema else ""
    _need_text(name, schema)
    rows = connection.run(_INDEXES.format(which=which, locked=_LOCKED), {"name": name, "schema": schema})
    if not rows:
        raise NotFound(f"There is no index {name} in the schemas of Label Studio's database. {_hint(schema)}".strip())
    index = Index(**rows[0])
    [table] = _tables(connection, "c.oid = %(oid)s", {"oid": index.table_oid}, version, True)
    return table, index


def invalid_indexes(connection: Any) -> list[Index]:
    """Every invalid index of Label Studio's schemas, left over or not."""
    which = "not i.indisvalid and c.relkind = 'i' and n.nspname = any (current_schemas(false))"
    return [Index(**row) for row in connection.run(_INDEXES.format(which=which, locked=_LOCKED), {})]


def indexes_of(connection: Any, table_oid: int) -> tuple[Index, ...]:
    """The indexes of one table, by oid, valid or not."""
    return tuple(
        Index(**row)
        for row in connection.run(_INDEXES.format(which="t.oid = %(oid)s", locked=_LOCKED), {"oid": table_oid})
    )


def why_refused(action: Action, table: Table, index: Index | None) -> list[str]:
    """What forbids the action on this table or index whoever asks, in whole sentences."""
    kinds = {"f": "is a foreign table: its rows live in another server", "v": "is a view and holds no rows",
             "t": "is PostgreSQL's own"}  # fmt: skip
    if table.kind in kinds:
        return [f"{table.name} {kinds[table.kind]}."]
    if table.temporary:
        return [f"{table.name} is a temporary table of another session."]
    if table.kind == "p" and action.name != "analyze":
        return [f"{table.name} is partitioned and holds no rows itself; choose its partitions one by one."]
    if index is None:
        return []
    if index.kind == "I":
        return [f"{index.name} belongs to a partitioned table; choose the indexes of its partitions."]
    if action.name == "drop_leftover":
        return _why_kept(index)
    if action.name == "reindex_index" and index.constraint == "x":
        return [f"{index.name} guards an exclusion constraint, which PostgreSQL cannot rebuild beside its work. "
                f"REINDEX INDEX without CONCURRENTLY stops all writing; run it by hand in a window."]  # fmt: skip
    if action.name == "reindex_index" and index.leftover:
        return [f"{index.name} is left over from a REINDEX that was cut off; it is to be dropped, not rebuilt."]
    return []


def _why_kept(index: Index) -> list[str]:
    if index.valid:
        return [f"{index.name} is valid and in use; only invalid leftovers of a REINDEX are dropped here."]
    if not index.leftover:
        return [f"{index.name} is invalid, but no leftover of a REINDEX CONCURRENTLY (…_ccnew, …_ccold). "
                "It belongs to Label Studio's schema: rebuild it."]  # fmt: skip
    if index.building:
        return [f"{index.name} is being built or removed right now by another session."]
    return []


def identifier(schema: str, name: str) -> sql.Composed:
    """A name of the catalogue, quoted."""
    return sql.SQL(".").join([sql.Identifier(schema), sql.Identifier(name)])


def need(found: list[str]) -> None:
    """Raise Refused with all reasons, if there are any."""
    if found:
        raise Refused(" ".join(found))


def _tables(connection: Any, which: str, values: dict[str, Any], version: int, by_index: bool) -> list[Table]:
    maintain = "has_table_privilege(c.oid, 'MAINTAIN')" if version >= 170000 else "false"
    rows = connection.run(
        _TABLES.format(which=which, maintain=maintain, locked=_LOCKED), values | {"by_index": by_index}
    )
    return [Table(**row, indexes=indexes_of(connection, row["oid"])) for row in rows]


def _need_text(*names: str) -> None:
    if any("\x00" in name for name in names):
        raise NotFound("No table or index has such a name.")


def _hint(schema: str) -> str:
    return f"Only schemas of its search path are worked on; {schema} was asked for." if schema else ""
