"""Queries on tasks and annotations take seconds.

A tab of the Data Manager that searches in annotation results, orders by a field of the data, or filters with
"contains" reads every row of its project; each user who opens the tab runs it again. The statement tells which kind it
is: `LIKE` or `UPPER(…)` over `result::text` is a search, `ORDER BY` over `data ->` an ordering, `EXISTS` chains are
filters.

Find the tab (its filters are in `data_manager_view` and `data_manager_filter`), and take the filter or the order out;
see also the missing indexes and old statistics, which make any query slow.

PostgreSQL counts statements only with its extension:

    ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';  -- and restart
    CREATE EXTENSION pg_stat_statements;

Reported are the `most` statements that took the most time in all, among those that ran `min_calls` times or more, took
`min_milliseconds` or more on average and touch the tables of tasks. Maintenance and dumps are left out. The values in
them are not kept by PostgreSQL.

Source: `pg_stat_statements`; the queries of Label Studio's data_manager app.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ...amounts import counted
from ...deployment.postgres.naming import quoted
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from ..postgresql import need_postgresql, role

EXTENSION = text("""
select n.nspname as schema, string_to_array(e.extversion, '.')::int[] >= '{1,8}' as has_exec_time
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'
""")
STATEMENTS = """
select queryid::text as query_id, calls, round(mean_exec_time::numeric, 1)::float as mean_milliseconds,
       round(max_exec_time::numeric, 1)::float as longest_milliseconds, round(total_exec_time::numeric / 1000, 1)::float as total_seconds,
       rows / greatest(calls, 1) as rows_each, left(query, 1500) as statement
from {schema}.pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database())
order by total_exec_time desc
limit 500
"""
#: SQLSTATE of a module that has to be loaded at the server's start.
NOT_LOADED = "55000"
ABOUT_TASKS = re.compile(r"\b(task|task_completion|prediction|tasks_annotationdraft)\b", re.IGNORECASE)
NOT_JUDGED = re.compile(
    r"\s*(vacuum|analyze|reindex|create|alter|copy|refresh|begin|commit|fetch|declare|set|/\*)", re.IGNORECASE
)


@check(
    title="Queries on tasks are quick",
    severity=Severity.WARNING,
    impact="Tabs of the Data Manager take many seconds, and hold a connection and a processor meanwhile",
    cause="Filters and orders that no index helps with, or indexes and statistics that are missing.",
)
def slow_queries(
    ctx: Context, min_milliseconds: int = 1000, min_calls: int = 5, most: int = 20
) -> Iterator[Finding | Unknown]:
    """One finding for the database. Rows: the statements, how often they ran, and how long they took."""
    need_postgresql(ctx, "SQLite does not count its queries.")
    extension = ctx.read.execute(EXTENSION).first()
    if extension is None:
        raise NotApplicable("Statements are not counted: the extension pg_stat_statements is not installed here.")
    statement = STATEMENTS.format(schema=quoted(extension.schema))
    if not extension.has_exec_time:
        statement = statement.replace("_exec_time", "_time")
    rows = _counted(ctx, statement)
    hidden = [row for row in rows if row["statement"] == "<insufficient privilege>"]
    if hidden:
        yield Unknown(f"The statements of other roles are hidden. Needs: GRANT pg_read_all_stats TO {role(ctx)};")
    slow = [
        row for row in rows
        if row["mean_milliseconds"] >= min_milliseconds and row["calls"] >= min_calls
        and ABOUT_TASKS.search(row["statement"]) and not NOT_JUDGED.match(row["statement"])
    ][:most]  # fmt: skip
    if not slow:
        return
    slowest = max(slow, key=lambda row: row["mean_milliseconds"])
    yield Finding(
        subject="deployment:database", name="Database", evidence=ctx.evidence(statement.strip(), slow),
        summary=f"{counted(len(slow), 'query', 'queries')} on tasks take {min_milliseconds:,} ms or more on average, "
                f"the slowest {slowest['mean_milliseconds'] / 1000:,.1f} s ({slowest['calls']:,} times)",
    )  # fmt: skip


def _counted(ctx: Context, statement: str) -> list[dict[str, Any]]:
    """What the extension has counted. Raises NotApplicable when it is installed and not loaded."""
    connection = ctx.read.connection()
    try:
        with connection.begin_nested():
            rows = connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).mappings()
            return [dict(row) for row in rows]
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) == NOT_LOADED:
            raise NotApplicable(
                "pg_stat_statements is installed but not loaded: shared_preload_libraries does not name it."
            ) from None
        raise
