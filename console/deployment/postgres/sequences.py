"""Sequences behind the ids: is one behind its table, how much of its type is used up.

Two statements: the catalogue, and one `max()` for each column that leads an index, answered from the end of that index.
Where no index leads there, or the role may not read the column or the sequence, `max_id` or `last_value` is None and
`needs` says what would tell.

Source: `pg_sequence`, `pg_depend` and identity columns in PostgreSQL's manual.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from .naming import qualified, quoted
from .version import major

MOST_SEQUENCES = 1_000
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True)
class Sequence:
    """The sequence of one serial or identity column."""

    schema: str
    table: str
    column: str
    sequence_schema: str
    sequence: str
    #: "smallint", "integer", "bigint"
    column_type: str
    identity: bool
    #: the number given out last; 0 when none was; None when the role may not see it
    last_value: int | None
    #: the sequence's own end
    max_value: int
    increment: int
    #: largest number in the table, 0 when it is empty; None when it was not looked up
    max_id: int | None
    #: the table or the sequence is locked exclusively
    locked: bool
    #: the statement that would tell what is None, or ""
    needs: str = ""
    #: whether the reading role may call setval()
    may_set: bool = False

    @property
    def end(self) -> int:
        """The largest number that fits both the column and the sequence."""
        return min(self.max_value, _LARGEST.get(self.column_type, self.max_value))

    @property
    def behind(self) -> bool | None:
        """The next number is taken already; None when that cannot be told."""
        if self.last_value is None or self.max_id is None or self.increment < 0:
            return None
        return self.max_id > self.last_value

    @property
    def used_percent(self) -> float | None:
        """Of the numbers that fit, as far as the sequence or the table has come."""
        reached = max((value for value in (self.last_value, self.max_id) if value is not None), default=None)
        return None if reached is None else 100 * max(reached, 0) / self.end


_SEQUENCES = text("""
with locked as materialized (
  select distinct relation from pg_locks
  where mode = 'AccessExclusiveLock' and locktype = 'relation'
    and database = (select oid from pg_database where datname = current_database())
)
select n.nspname as schema, t.relname as "table", a.attname as "column", sn.nspname as sequence_schema,
       s.relname as sequence, format_type(a.atttypid, null) as column_type, d.deptype = 'i' as identity,
       q.seqmax as max_value, q.seqincrement as increment,
       has_sequence_privilege(s.oid, 'SELECT,USAGE') as may_sequence, has_sequence_privilege(s.oid, 'UPDATE') as may_set,
       case when has_sequence_privilege(s.oid, 'SELECT,USAGE') and has_schema_privilege(sn.oid, 'USAGE')
                 and s.oid not in (select relation from locked)
            then coalesce(pg_sequence_last_value(s.oid), 0) end as last_value,
       has_column_privilege(t.oid, a.attnum, 'SELECT') as may_column,
       t.oid in (select relation from locked) or s.oid in (select relation from locked) as locked,
       t.relkind = 'r' and exists (
         select from pg_index i join pg_class x on x.oid = i.indexrelid
         join pg_am m on m.oid = x.relam and m.amname = 'btree'
         where i.indrelid = t.oid and i.indisvalid and i.indpred is null and i.indkey[0] = a.attnum) as indexed,
       current_user as role
from pg_depend d
join pg_class s on s.oid = d.objid and s.relkind = 'S'
join pg_namespace sn on sn.oid = s.relnamespace
join pg_sequence q on q.seqrelid = s.oid
join pg_class t on t.oid = d.refobjid and t.relkind in ('r', 'p')
join pg_namespace n on n.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
  and n.nspname = any (current_schemas(false))
order by t.relpages desc, t.relname, a.attnum limit :most
""")


def read(session: Session) -> list[Sequence]:
    """Every serial and identity column of the search path's tables, the largest tables first."""
    major(session)
    rows = session.execute(_SEQUENCES, {"most": MOST_SEQUENCES}).mappings().all()
    found, asked = [], {}
    for at, row in enumerate(rows):
        item = Sequence(
            schema=row["schema"], table=row["table"], column=row["column"], sequence_schema=row["sequence_schema"],
            sequence=row["sequence"], column_type=row["column_type"], identity=row["identity"],
            last_value=row["last_value"], max_value=row["max_value"], increment=row["increment"], max_id=None,
            locked=row["locked"], may_set=row["may_set"],
        )  # fmt: skip
        role = quoted(row["role"])
        if not row["may_column"]:
            item = replace(item, needs=f"GRANT SELECT ON {qualified(item.schema, item.table)} TO {role};")
        elif not row["may_sequence"]:
            name = qualified(item.sequence_schema, item.sequence)
            item = replace(item, needs=f"GRANT SELECT ON SEQUENCE {name} TO {role};")
        if row["may_column"] and row["indexed"] and not row["locked"]:
            asked[at] = f"select {at}, max({quoted(item.column)})::bigint from {qualified(item.schema, item.table)}"  # noqa: S608
        found.append(item)
    for at, largest in _largest(session, list(asked.values())):
        found[at] = replace(found[at], max_id=largest or 0)
    return found


def _largest(session: Session, parts: list[str]) -> list[tuple[int, int | None]]:
    """The names in these statements are the catalogue's, and quoted."""
    if not parts:
        return []
    connection = session.connection().execution_options(no_parameters=True)
    return [(at, largest) for at, largest in connection.exec_driver_sql(" union all ".join(parts))]
