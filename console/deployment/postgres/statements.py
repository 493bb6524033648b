"""The slowest statements, when the extension pg_stat_statements keeps them and the role may see them.

Statements come with `$1` in place of their values; what an application wrote into the text itself is masked.

Source: pg_stat_statements in PostgreSQL's manual, 13 to 18.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ...masking import mask_text
from .naming import quoted
from .version import major

QUERY_CHARACTERS = 2000


@dataclass(frozen=True)
class Statement:
    """One statement, all its calls together. Times are milliseconds."""

    query: str
    calls: int
    mean_ms: float
    max_ms: float
    total_ms: float
    rows: int
    #: of all blocks it read, from the cache
    cache_hit_percent: float | None


@dataclass(frozen=True)
class Slow:
    """`rows` is None when nobody can tell; then `why` says so, and `needs` is the statement that would help."""

    rows: list[Statement] | None
    why: str = ""
    needs: str = ""


_OFFERED = text("select 1 from pg_available_extensions where name = 'pg_stat_statements'")
_INSTALLED = text("""
select n.nspname as schema, current_user as role, pg_has_role('pg_read_all_stats', 'usage') as sees_all
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'
""")
_SLOW = """
select left(query, %(characters)s) as query, calls, mean_exec_time as mean_ms, max_exec_time as max_ms,
       total_exec_time as total_ms, rows, shared_blks_hit as hits, shared_blks_hit + shared_blks_read as blocks
from {schema}.pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database())
  and mean_exec_time >= %(slow_ms)s and query ~ %(tables)s
order by total_exec_time desc limit %(most)s
"""


def slowest(session: Session, tables: Iterable[str], *, min_mean_ms: float = 100, most: int = 20) -> Slow:
    """Statements that name one of these tables and take at least `min_mean_ms` on average, the most time in all first.

    Two statements; the second in a savepoint, as the server refuses it unless it was started with the library.
    """
    major(session)
    installed = session.execute(_INSTALLED).mappings().first()
    if installed is None:
        if session.execute(_OFFERED).first() is None:
            return Slow(
                None,
                "the server does not have pg_stat_statements: install PostgreSQL's contrib package, name it in "
                "shared_preload_libraries and restart",
                "",
            )
        return Slow(
            None,
            "pg_stat_statements is not installed; it also has to be in shared_preload_libraries",
            "CREATE EXTENSION pg_stat_statements;",
        )
    grant = f"GRANT pg_read_all_stats TO {quoted(installed['role'])};"
    plain = [name for name in tables if name.replace("_", "").isalnum()]
    statement = _SLOW.format(schema=quoted(installed["schema"]).replace("%", "%%"))
    values = {
        "characters": QUERY_CHARACTERS,
        "slow_ms": min_mean_ms,
        "most": most,
        "tables": rf"\m({'|'.join(plain)})\M",
    }
    try:
        with session.begin_nested():
            rows = session.connection().exec_driver_sql(statement, values).mappings().all()
    except DBAPIError as error:
        code = getattr(error.orig, "pgcode", None)
        if code == "42501":
            return Slow(None, "not permitted to read pg_stat_statements", grant)
        if code in {"55000", "42703", "42P01"}:  # not preloaded, or the extension is older than the server
            return Slow(
                None,
                "the server was not started with pg_stat_statements (shared_preload_libraries), or the extension is older"
                " than the server (ALTER EXTENSION pg_stat_statements UPDATE)",
            )
        raise
    found = [
        Statement(mask_text(row["query"]).strip(), row["calls"], row["mean_ms"], row["max_ms"], row["total_ms"],
                  row["rows"], 100 * row["hits"] / row["blocks"] if row["blocks"] else None)
        for row in rows
    ]  # fmt: skip
    if not installed["sees_all"]:
        return Slow(found, "other roles' statements are hidden", grant)
    return Slow(found)
