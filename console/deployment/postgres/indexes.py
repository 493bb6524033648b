"""Every index: what it is, how large, how often used; and those that do no good, are broken or are missing.

One statement for the indexes, one for foreign keys. Nothing here says that an index may go because it was not used for
an hour: the counters start anew at a crash or a reset, each replica counts for itself, and a unique index keeps a rule.

Source: `pg_index` and `pg_constraint` in PostgreSQL's manual; the migrations of Label Studio that build indexes beside
the server (CREATE INDEX CONCURRENTLY), as `expected.py` lists them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from .freed import Bloat
from .naming import qualified
from .version import major

#: More indexes than any release has by far; the largest are read.
MOST_INDEXES = 10_000
#: What an interrupted REINDEX CONCURRENTLY leaves behind.
LEFTOVER = re.compile(r"_cc(?:new|old)\d*$")


@dataclass(frozen=True)
class IndexStats:
    """One index. Sizes are bytes, times UTC; None where the server does not tell."""

    oid: int
    schema: str
    name: str
    table_oid: int
    table: str
    #: "btree", "gin", "gist", "brin", "hash", "spgist"
    method: str
    #: the whole statement, as PostgreSQL words it; "" while the table is locked, as wording it waits for the lock
    definition: str
    size_bytes: int
    rows: int | None
    scans: int
    #: PostgreSQL 16 and later
    last_scan: datetime | None
    unique: bool
    primary: bool
    #: name of the constraint that it serves, or ""
    constraint: str
    #: false: a build that never came to its end; queries do not use it
    valid: bool
    ready: bool
    live: bool
    partial: bool
    expression: bool
    #: an index on a partitioned table itself, without storage
    partitioned: bool
    #: attached to the index of a partitioned table, which may not be dropped alone
    attached: bool
    #: the index that `CLUSTER` follows, or the replica identity: somebody chose it
    chosen: bool
    fillfactor: int | None
    #: somebody builds it right now
    building: bool
    #: the table is locked exclusively: the size is as of the last VACUUM or ANALYZE
    locked: bool
    #: what makes two indexes alike: (column, operator class, collation, direction) of each key, and the rest
    keys: tuple[tuple[str, str, str, str], ...] = field(repr=False, default=())
    included: tuple[str, ...] = field(repr=False, default=())
    #: the table's column behind each key and included column; 0 for an expression
    column_numbers: tuple[int, ...] = field(repr=False, default=())
    predicate: str = field(repr=False, default="")
    bloat: Bloat | None = None

    @property
    def sql_name(self) -> str:
        """Schema-qualified and quoted."""
        return qualified(self.schema, self.name)

    @property
    def leftover(self) -> bool:
        """Left by a REINDEX CONCURRENTLY that was interrupted, and of no use: an invalid `…_ccnew` or `…_ccold`."""
        return not self.valid and bool(LEFTOVER.search(self.name)) and not self.building


@dataclass(frozen=True)
class Overlap:
    """`index` can go: `covered_by` answers the same questions. `kind` is "same", or "prefix" of its columns."""

    index: IndexStats
    covered_by: IndexStats
    kind: str


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key whose column leads no index: each delete of a referenced row reads the whole table."""

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    references: str
    table_bytes: int
    rows: int | None


_INDEXES = """
with locked as materialized (
  select distinct relation from pg_locks
  where mode = 'AccessExclusiveLock' and locktype = 'relation'
    and database = (select oid from pg_database where datname = current_database())
), building as materialized (
  select index_relid from pg_stat_progress_create_index where datname = current_database()
)
select x.oid, n.nspname as schema, x.relname as name, t.oid as table_oid, t.relname as table, a.amname as method,
       coalesce(case when l.relation is null then pg_get_indexdef(x.oid) end, '') as definition,
       x.reltuples::bigint as rows, x.reloptions, x.relkind::text as kind,
       case when l.relation is null then coalesce(pg_relation_size(x.oid), 0)
            else x.relpages::bigint * current_setting('block_size')::int end as size_bytes,
       l.relation is not null as locked,
       pg_stat_get_numscans(x.oid) as scans, {last_scan} as last_scan,
       i.indisunique as "unique", i.indisprimary as "primary", coalesce(k.conname, '') as constraint_name,
       i.indisvalid as valid, i.indisready as ready, i.indislive as live, i.indpred is not null as partial,
       i.indexprs is not null as expression, x.relispartition as attached,
       i.indisclustered or i.indisreplident as chosen,
       x.oid in (select index_relid from building) as building,
       i.indnkeyatts as key_columns, i.indkey::text as columns, i.indclass::text as classes,
       i.indcollation::text as collations, i.indoption::text as options,
       case when i.indexprs is not null and l.relation is null then
         array(select pg_get_indexdef(x.oid, at, true) from generate_series(1, i.indnatts) at)
       end as worded, count(*) over () as total
from pg_index i
join pg_class x on x.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = x.relnamespace
join pg_am a on a.oid = x.relam
left join pg_constraint k on k.conindid = x.oid and k.contype in ('p', 'u', 'x')
left join locked l on l.relation in (x.oid, t.oid)
where t.relkind in ('r', 'p', 'm') and n.nspname = any (current_schemas(false))
  and (:table_oid = 0 or t.oid = :table_oid)
  and (x.relpages::bigint * current_setting('block_size')::int >= :least
       or not (i.indisvalid and i.indisready and i.indislive))
order by x.relpages desc, x.oid limit :most
"""
_FOREIGN_KEYS = text("""
select n.nspname as schema, c.relname as "table", k.conname as name, f.relname as "references",
       c.relpages::bigint * current_setting('block_size')::int as table_bytes, c.reltuples::bigint as rows,
       array(select a.attname::text from unnest(k.conkey) with ordinality as p(num, at)
             join pg_attribute a on a.attrelid = c.oid and a.attnum = p.num order by p.at) as columns
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_class f on f.oid = k.confrelid
join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and k.conparentid = 0 and n.nspname = any (current_schemas(false))
  and not exists (
    select from pg_index i
    where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
      and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
  )
order by c.relpages desc, c.relname, k.conname
limit 1000
""")


def read(session: Session, *, at_least_bytes: int = 0, table_oid: int = 0) -> list[IndexStats]:
    """All indexes of the search path's tables, the largest first. One statement.

    Those smaller than `at_least_bytes` as of the last VACUUM or ANALYZE are left out, unless they are invalid; with
    `table_oid` those of other tables.
    """
    last_scan = "pg_stat_get_lastscan(x.oid)" if major(session) >= 16 else "null::timestamptz"
    rows = session.execute(
        text(_INDEXES.format(last_scan=last_scan)),
        {"most": MOST_INDEXES, "least": at_least_bytes, "table_oid": table_oid},
    ).mappings()
    found = {row["oid"]: _index(row) for row in rows}
    return sorted(found.values(), key=lambda index: (-index.size_bytes, index.schema, index.name))


def foreign_keys_without_index(session: Session) -> list[ForeignKey]:
    """The largest tables first. One statement."""
    major(session)
    return [
        ForeignKey(row["schema"], row["table"], row["name"], tuple(row["columns"]), row["references"],
                   row["table_bytes"], row["rows"] if row["rows"] >= 0 else None)
        for row in session.execute(_FOREIGN_KEYS).mappings()
    ]  # fmt: skip


def unused(indexes: Iterable[IndexStats], *, statistics_days: float | None, min_days: float = 30,
           min_bytes: int = 2**20) -> list[IndexStats] | None:  # fmt: skip
    """Never used since the counters began, `statistics_days` ago; None while that is too short a time to tell.

    What keeps a rule (unique, a constraint), was chosen by somebody, or is invalid is never among them.
    """
    if statistics_days is None or statistics_days < min_days:
        return None
    return [
        index for index in indexes
        if index.scans == 0 and index.last_scan is None and index.size_bytes >= min_bytes and index.valid
        and not (index.unique or index.constraint or index.chosen or index.partitioned or index.attached)
    ]  # fmt: skip


def invalid(indexes: Iterable[IndexStats]) -> list[IndexStats]:
    """Those that a failed build left behind, the leftovers of REINDEX too. What is being built now is none of them."""
    return [
        index
        for index in indexes
        if not (index.valid and index.ready and index.live) and not index.building and not index.partitioned
    ]


def leftovers(indexes: Iterable[IndexStats]) -> list[IndexStats]:
    """What an interrupted REINDEX CONCURRENTLY left behind: safe to drop."""
    return [index for index in indexes if index.leftover]


def overlaps(indexes: Iterable[IndexStats]) -> list[Overlap]:
    """Indexes that another one of the same table makes superfluous, each told once, the largest first.

    The same: method, columns with operator class, collation and direction, INCLUDE, predicate. A prefix: a b-tree
    whose columns begin another b-tree's. An index that keeps a rule is never superfluous; a smaller index that is
    used may still be quicker than the larger one that covers it.
    """
    by_table: dict[int, list[IndexStats]] = defaultdict(list)
    for index in indexes:
        if index.valid and index.keys and not index.partitioned and not index.attached:
            by_table[index.table_oid].append(index)
    found = [overlap for group in by_table.values() for overlap in _overlaps(group)]
    return sorted(found, key=lambda overlap: (-overlap.index.size_bytes, overlap.index.name))


def _overlaps(group: list[IndexStats]) -> Iterable[Overlap]:
    gone: set[int] = set()
    # Whatever keeps a rule stays; of two alike the one with the younger number goes.
    for index in sorted(group, key=lambda index: -index.oid):
        if index.unique or index.constraint or index.chosen:
            continue
        others = [other for other in group if other.oid != index.oid and other.oid not in gone]
        for other in sorted(others, key=lambda other: (len(other.keys), other.oid)):
            kind = _covers(other, index)
            if kind:
                gone.add(index.oid)
                yield Overlap(index, other, kind)
                break


def _covers(other: IndexStats, index: IndexStats) -> str:
    if other.method != index.method or other.predicate != index.predicate:
        return ""
    if other.keys == index.keys:
        return "same" if set(index.included) <= set(other.included) else ""
    if index.method != "btree" or len(other.keys) <= len(index.keys):
        return ""
    if other.keys[: len(index.keys)] != index.keys:
        return ""
    told = {key[0] for key in other.keys} | set(other.included)
    return "prefix" if set(index.included) <= told else ""


def _index(row: Any) -> IndexStats:
    columns = row["columns"].split()
    named = [
        f"({worded})" if number == "0" else number
        for number, worded in zip(columns, row["worded"] or columns, strict=True)
    ]
    keys = zip(named, row["classes"].split(), row["collations"].split(), row["options"].split(), strict=False)
    told = bool(row["definition"]) or not (row["expression"] or row["partial"])
    options = dict(option.partition("=")[::2] for option in row["reloptions"] or ())
    return IndexStats(
        oid=row["oid"], schema=row["schema"], name=row["name"], table_oid=row["table_oid"], table=row["table"],
        method=row["method"], definition=row["definition"], size_bytes=row["size_bytes"],
        rows=row["rows"] if row["rows"] >= 0 else None, scans=row["scans"], last_scan=row["last_scan"],
        unique=row["unique"], primary=row["primary"], constraint=row["constraint_name"], valid=row["valid"],
        ready=row["ready"], live=row["live"], partial=row["partial"], expression=row["expression"],
        partitioned=row["kind"] == "I", attached=row["attached"], chosen=row["chosen"],
        fillfactor=int(options["fillfactor"]) if "fillfactor" in options else None,
        building=row["building"], locked=row["locked"],
        keys=tuple(list(keys)[: row["key_columns"]]) if told else (), included=tuple(named[row["key_columns"] :]),
        column_numbers=tuple(map(int, columns)),
        predicate=row["definition"].rpartition(" WHERE ")[2] if row["partial"] else "",
    )  # fmt: skip
