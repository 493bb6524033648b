"""How much of a table or index a rewrite would give back: estimated from the catalogue, or measured.

The estimate computes how many pages the live rows would fill if they were written anew, from the average widths, the
shares of nulls and the numbers of different values that ANALYZE found (`page_layout.py`), and takes the rest of the
file for bloat: dead rows, and room that dead rows left. It is as good as those statistics. GIN, GiST, SP-GiST, BRIN and
hash indexes and TOAST tables are not estimable, as nothing in the catalogue tells what they hold.

`measure` asks the extension pgstattuple, which reads the relation (a table only where it is not all visible). In an
index it counts entries of dead rows as used: they are until VACUUM takes them away.

Source: the layout of pages in PostgreSQL's manual; `pg_stats`; pgstattuple's chapter of the manual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from . import page_layout
from .freed import Bloat
from .indexes import IndexStats
from .naming import quoted
from .page_layout import Column
from .tables import TableStats
from .version import major

#: Relations below this many pages are not worth a number.
FEWEST_PAGES = 10
BTREE_FILLFACTOR = 90
_HOW_HEAP = "estimated from the rows' average width as of the last ANALYZE"
_HOW_BTREE = "estimated from the keys' average width and number as of the last ANALYZE"


_COLUMNS = text("""
select a.attrelid as oid, a.attnum as number, a.attname as name, a.attlen as length, a.attalign::text as alignment,
       a.attstorage::text as storage, a.attisdropped as dropped, n.nspname as schema, r.relname as relation,
       r.relkind::text = 'i' as in_index,
       r.relkind::text <> 'i' and not has_column_privilege(a.attrelid, a.attnum, 'SELECT') as hidden
from pg_attribute a
join pg_class r on r.oid = a.attrelid
join pg_namespace n on n.oid = r.relnamespace
where a.attrelid = any (:oids) and a.attnum > 0
order by a.attrelid, a.attnum
""")
#: Apart from the columns: joined to them, the view is planned badly when there are many tables.
_STATISTICS = text("""
select schemaname, tablename, attname, avg_width, null_frac, n_distinct from pg_stats
where not inherited and schemaname = any (:schemas) and tablename = any (:names)
""")
#: B-trees whose equal keys share an entry: every operator class says that equal values are the same image.
_DEDUPLICATED = text("""
with differing as materialized (
  select coalesce(array_agg(o.oid), '{}') as classes
  from pg_opclass o join pg_am m on m.oid = o.opcmethod and m.amname = 'btree'
  left join pg_amproc p on p.amprocfamily = o.opcfamily and p.amproclefttype = o.opcintype
                       and p.amprocrighttype = o.opcintype and p.amprocnum = 4
  where p.oid is null
), loose as materialized (
  select coalesce(array_agg(oid), '{}') as collations from pg_collation where not collisdeterministic
)
select i.indexrelid as oid
from pg_index i
join pg_class x on x.oid = i.indexrelid
cross join differing cross join loose
where i.indexrelid = any (:oids) and i.indnatts = i.indnkeyatts
  and not 'deduplicate_items=off' = any (coalesce(x.reloptions, '{}'))
  and not string_to_array(i.indclass::text, ' ')::oid[] && differing.classes
  and not string_to_array(i.indcollation::text, ' ')::oid[] && loose.collations
""")
_PERMITTED = text("""
select n.nspname as schema, current_user as role,
       has_schema_privilege(n.oid, 'USAGE')
       and has_function_privilege(format('%I.pgstattuple_approx(regclass)', n.nspname), 'EXECUTE')
       and has_function_privilege(format('%I.pgstatindex(regclass)', n.nspname), 'EXECUTE') as permitted
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgstattuple'
""")


class _Part(NamedTuple):
    """A column of a table or an index; the last three are None without statistics."""

    number: int
    name: str
    length: int
    alignment: str
    storage: str
    dropped: bool
    in_index: bool
    hidden: bool
    width: int | None
    null_share: float | None
    distinct: float | None


def estimate(
    session: Session, tables: Iterable[TableStats], indexes: Iterable[IndexStats] = (), *, most: int = 300,
    all_tables: Iterable[TableStats] | None = None,
) -> dict[int, Bloat]:  # fmt: skip
    """Bloat by oid of these tables and indexes; looked at are the `most` largest. At most three statements.

    `all_tables` tells the rows of the tables whose indexes are asked for, when they are not all in `tables`.
    """
    major(session)
    asked, given = list(tables), list(indexes)
    by_oid = {table.oid: table for table in (*asked, *(all_tables or ()))}
    large = [(table.main_bytes, table.oid) for table in asked if _worth(table.main_bytes, table)]
    large += [
        (index.size_bytes, index.oid)
        for index in given
        if index.method == "btree" and _worth(index.size_bytes, by_oid.get(index.table_oid))
    ]
    chosen = {oid for _, oid in sorted(large, reverse=True)[:most]}
    trees = [index for index in given if index.oid in chosen]
    columns = _columns(session, [table for table in asked if table.oid in chosen], trees, by_oid)
    shared = _deduplicated(session, trees)
    found = {table.oid: _heap(table, columns.get(table.oid, [])) for table in asked}
    for index in given:
        found[index.oid] = _index(index, by_oid.get(index.table_oid), columns, index.oid in shared)
    left_out = Bloat(None, None, f"not among the {most} largest, ask for it alone")
    return found | {oid: left_out for _, oid in large if oid not in chosen}


def measure(session: Session, tables: Iterable[TableStats], indexes: Iterable[IndexStats] = ()) -> dict[int, Bloat]:
    """The same by pgstattuple, one statement for each relation; where it is not installed or permitted, `needs` tells.

    Reads the relations: ask for those that somebody looks at.
    """
    major(session)
    permitted = session.execute(_PERMITTED).mappings().first()
    relations: list[TableStats | IndexStats] = [*tables, *indexes]
    if permitted is None:
        needs = "CREATE EXTENSION pgstattuple;"
        return {
            item.oid: Bloat(None, None, "the extension pgstattuple is not installed", needs=needs) for item in relations
        }
    if not permitted["permitted"]:
        needs = f"GRANT pg_stat_scan_tables TO {quoted(permitted['role'])};"
        return {item.oid: Bloat(None, None, "not permitted to use pgstattuple", needs=needs) for item in relations}
    schema = quoted(permitted["schema"])
    return {item.oid: _measured(session, schema, item) for item in relations}


def _measured(session: Session, schema: str, item: TableStats | IndexStats) -> Bloat:
    if item.locked:
        return Bloat(None, None, "somebody holds an exclusive lock on it")
    # The schema's name comes from the catalogue and is quoted.
    call = f"select * from {schema.replace('%', '%%')}." + "{}(%(oid)s)"  # noqa: S608
    ask = session.connection().exec_driver_sql
    if isinstance(item, TableStats):
        if item.kind == "partitioned":
            return Bloat(None, None, "a partitioned table has no storage of its own")
        return measured_heap(
            ask(call.format("pgstattuple_approx"), {"oid": item.oid}).mappings().one(), item.fillfactor
        )
    if item.method != "btree" or item.partitioned:
        return _not_estimable(item.method)
    row = ask(call.format("pgstatindex"), {"oid": item.oid}).mappings().one()
    return measured_btree(row, item.fillfactor or BTREE_FILLFACTOR)


def measured_heap(row: Any, fillfactor: int) -> Bloat:
    """From a row of pgstattuple_approx: what is used, and the room the fill factor keeps beside it."""
    size = row["table_len"]
    used = size - row["dead_tuple_len"] - row["approx_free_space"]
    return _bloat(size - used * 100 / fillfactor, size, "measured by pgstattuple", exact=True)


def measured_btree(row: Any, fillfactor: int) -> Bloat:
    """From a row of pgstatindex: leaf pages at their density, against as few pages as the fill factor allows."""
    size, leaves, pages = row["index_size"], row["leaf_pages"], row["leaf_pages"] + row["internal_pages"]
    density = row["avg_leaf_density"] if leaves else 0.0
    if not size or not pages or density != density:  # NaN: no leaf page holds anything
        return _bloat(0, size, "measured by pgstattuple", exact=True)
    block = size / (pages + row["empty_pages"] + row["deleted_pages"] + 1)
    needed = (pages * min(density / fillfactor, 1) + 1) * block
    return _bloat(size - needed, size, "measured by pgstattuple", exact=True)


def _columns(
    session: Session, tables: Sequence[TableStats], trees: Sequence[IndexStats], by_oid: dict[int, TableStats]
) -> dict[int, list[_Part]]:
    own = {table.oid for table in tables} | {index.table_oid for index in trees}
    oids = sorted(own | {index.oid for index in trees})
    if not oids:
        return {}
    holders = [by_oid[oid] for oid in own if oid in by_oid]
    names = [holder.name for holder in holders] + [index.name for index in trees if index.expression]
    schemas = {holder.schema for holder in holders} | {index.schema for index in trees}
    statistics = {
        (row.schemaname, row.tablename, row.attname): row
        for row in session.execute(_STATISTICS, {"names": names, "schemas": sorted(schemas)})
    }
    found: dict[int, list[_Part]] = {}
    for row in session.execute(_COLUMNS, {"oids": oids}):
        seen = statistics.get((row.schema, row.relation, row.name))
        found.setdefault(row.oid, []).append(
            _Part(
                row.number,
                row.name,
                row.length,
                row.alignment,
                row.storage,
                row.dropped,
                row.in_index,
                row.hidden,
                None if seen is None else seen.avg_width,
                None if seen is None else seen.null_frac,
                None if seen is None else seen.n_distinct,
            )
        )
    return found


def _deduplicated(session: Session, trees: Sequence[IndexStats]) -> set[int]:
    asked = [index.oid for index in trees if not index.unique]
    return set(session.scalars(_DEDUPLICATED, {"oids": asked})) if asked else set()


def _worth(size: int, table: TableStats | None) -> bool:
    return table is not None and size >= FEWEST_PAGES * table.block_bytes


def _heap(table: TableStats, rows: Sequence[_Part]) -> Bloat:
    if table.kind == "partitioned":
        return Bloat(None, None, "a partitioned table has no storage of its own")
    if not _worth(table.main_bytes, table):
        return Bloat(None, None, f"under {FEWEST_PAGES} pages, not worth a number")
    unknown = _why_unknown(table, [row for row in rows if not row.dropped])
    if unknown:
        return unknown
    columns = [_column(row) for row in rows]
    needed = page_layout.heap_pages(
        table.live_rows or 0, columns, block=table.block_bytes, fillfactor=table.fillfactor
    )  # fmt: skip
    return _bloat(table.main_bytes - needed * table.block_bytes, table.main_bytes, _HOW_HEAP)


def _index(index: IndexStats, table: TableStats | None, columns: dict[int, list[_Part]], shared: bool) -> Bloat:
    if index.method != "btree" or index.partitioned:
        return _not_estimable(index.method)
    if table is None:
        return Bloat(None, None, "its table was not read")
    if not _worth(index.size_bytes, table):
        return Bloat(None, None, f"under {FEWEST_PAGES} pages, not worth a number")
    if index.oid not in columns:
        return Bloat(None, None, "not looked at")
    own = {row.number: row for row in columns[index.oid]}
    of_table = {row.number: row for row in columns.get(index.table_oid, [])}
    parts = [own[at] if number == 0 else of_table[number] for at, number in enumerate(index.column_numbers, 1)]
    unknown = _why_unknown(table, parts)
    if unknown:
        return unknown
    rows = float(table.live_rows or 0)
    if index.partial:
        rows = min(rows, float(index.rows or 0))
    described = [_column(row) for row in parts]
    keys = len(index.keys)
    needed = page_layout.btree_pages(
        rows, described[:keys], included=described[keys:], block=table.block_bytes,
        fillfactor=index.fillfactor or BTREE_FILLFACTOR, deduplicated=shared,
    )  # fmt: skip
    return _bloat(index.size_bytes - needed * table.block_bytes, index.size_bytes, _HOW_BTREE)


def _why_unknown(table: TableStats, parts: Sequence[_Part]) -> Bloat | None:
    hidden = [row.name for row in parts if row.hidden]
    if hidden:
        needs = f"GRANT SELECT ON {table.sql_name} TO {quoted(table.reader)};"
        return Bloat(None, None, f"statistics of column {hidden[0]} are not visible to this role", needs=needs)
    untold = [row for row in parts if row.width is None and (row.length < 0 or not row.in_index)]
    if table.live_rows is None or (untold and table.live_rows > 0):
        if untold and untold[0].in_index and table.analyzed:
            return Bloat(None, None, f"statistics of expression {untold[0].name} are told to the table's owner only")
        return Bloat(None, None, "no statistics: never analyzed, or changed since", needs=f"ANALYZE {table.sql_name};")
    return None


def _column(row: _Part) -> Column:
    fixed = row.length > 0
    if row.dropped:  # rows written since hold a null in its place
        return Column(0, 1, True, null_share=1.0)
    return Column(
        width=float(row.length if fixed else row.width or 0), alignment=page_layout.ALIGNMENTS[row.alignment],
        fixed=fixed, plain=row.storage == "p", null_share=float(row.null_share or 0), distinct=row.distinct,
    )  # fmt: skip


def _bloat(freed: float, size: int, how: str, *, exact: bool = False) -> Bloat:
    freed = min(max(freed, 0), size)
    return Bloat(int(freed), round(100 * freed / size, 1) if size else 0.0, how, exact)


def _not_estimable(method: str) -> Bloat:
    words = {"gin": "GIN", "gist": "GiST", "spgist": "SP-GiST", "brin": "BRIN", "hash": "hash"}
    return Bloat(None, None, f"{words.get(method, method)} is not estimable")
