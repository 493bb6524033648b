"""The sequences behind the ids of the deployment's tables: where each stands, and how far it can count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ..amounts import counted
from ..deployment.postgres.naming import qualified, quoted
from ..errors import Unknown

#: The last number that a column of this type can hold.
LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}

SEQUENCES = """
select distinct n.nspname as schema, s.relname as sequence, tn.nspname as table_schema, t.relname as "table",
       a.attname as column, format_type(a.atttypid, null) as type, q.seqmax as sequence_max,
       has_sequence_privilege(s.oid, 'SELECT') as sequence_seen, has_table_privilege(t.oid, 'SELECT') as table_seen,
       exists (select from pg_index i where i.indrelid = t.oid and i.indkey[0] = a.attnum and i.indisvalid
               and i.indpred is null) as indexed
from pg_class s
join pg_namespace n on n.oid = s.relnamespace
join pg_sequence q on q.seqrelid = s.oid and q.seqincrement > 0 and not q.seqcycle
join (
    select objid as sequence, refobjid as relation, refobjsubid as number
    from pg_depend
    where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and deptype in ('a', 'i') and refobjsubid > 0
    union
    select d.refobjid, e.adrelid, e.adnum
    from pg_depend d join pg_attrdef e on e.oid = d.objid
    where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_class'::regclass
) owned on owned.sequence = s.oid
join pg_class t on t.oid = owned.relation and t.relkind in ('r', 'p')
join pg_namespace tn on tn.oid = t.relnamespace and tn.nspname = any (current_schemas(false))
join pg_attribute a on a.attrelid = t.oid and a.attnum = owned.number and not a.attisdropped
where s.relkind = 'S' and format_type(a.atttypid, null) in ('smallint', 'integer', 'bigint')
order by t.relname, a.attname
"""


@dataclass(frozen=True)
class Sequence:
    """One sequence and the column it counts for."""

    schema: str
    name: str
    table_schema: str
    table: str
    column: str
    type: str
    sequence_max: int
    #: whether the looking role may read each
    sequence_seen: bool
    table_seen: bool
    #: whether the largest id is found without reading the table
    indexed: bool

    @property
    def readable(self) -> bool:
        return self.sequence_seen and self.table_seen

    @property
    def key(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def most(self) -> int:
        """The last number there is: the column's type or the sequence itself ends first."""
        return min(LARGEST[self.type], self.sequence_max)

    @property
    def setval(self) -> str:
        """The statement that moves the sequence to the largest id in use."""
        name = qualified(self.schema, self.name).replace("'", "''")
        table = qualified(self.table_schema, self.table)
        return f"SELECT setval('{name}', (SELECT max({quoted(self.column)}) FROM {table}));"  # noqa: S608  names of the catalogue, quoted


def sequences(session: Session) -> list[Sequence]:
    """Every rising sequence that an integer column of the search path takes its default from."""
    rows: Any = session.connection().exec_driver_sql(SEQUENCES)
    return [Sequence(*row) for row in rows]


def not_seen(every: Iterable[Sequence], role: str) -> Unknown | None:
    """What to say of the sequences that this role may not read, with what to grant; None when it may read all."""
    hidden = [item for item in every if not item.readable]
    if not hidden:
        return None
    wanted = {("SEQUENCES", item.schema) for item in hidden if not item.sequence_seen}
    wanted |= {("TABLES", item.table_schema) for item in hidden if not item.table_seen}
    grants = " ".join(
        f"GRANT SELECT ON ALL {kind} IN SCHEMA {quoted(schema)} TO {role};" for kind, schema in sorted(wanted)
    )
    return Unknown(f"{counted(len(hidden), 'sequence')} or the tables they count may not be read. Needs: {grants}")


def statement_of(items: Iterable[Sequence]) -> str:
    """The statement that reads where these sequences stand."""
    parts = []
    for item in items:
        table, sequence = qualified(item.table_schema, item.table), qualified(item.schema, item.name)
        name = item.key.replace("'", "''")
        largest = f"select coalesce(max({quoted(item.column)}), 0) from {table}"  # noqa: S608  as above
        value = f"select case when is_called then last_value else last_value - 1 end from {sequence}"  # noqa: S608
        parts.append(f"select '{name}' as sequence, ({largest}) as largest_id, ({value}) as stands_at")
    return "\nunion all ".join(parts)


def read_state(session: Session, items: list[Sequence]) -> dict[str, tuple[int, int]]:
    """Largest id in use and last number given, by key. Both are 0 for an empty table with a fresh sequence."""
    if not items:
        return {}
    rows: Any = session.connection().exec_driver_sql(statement_of(items), execution_options={"no_parameters": True})
    return {row.sequence: (row.largest_id, row.stands_at) for row in rows}
