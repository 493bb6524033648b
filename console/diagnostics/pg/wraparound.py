"""The server's transaction counter is being used up.

PostgreSQL numbers transactions with 32 bits. VACUUM marks old rows as "before all others" (it freezes them), so that
numbers can be used again. When that is held off for two thousand million transactions, the server refuses every write
until somebody vacuums by hand, with the application down for hours. Autovacuum begins on its own at 200 million, even
when it is switched off; a number far past that means that it is kept from its work: by a transaction that never ends,
a prepared transaction, a replication slot that nobody reads, or a table whose vacuum fails.

What holds it off goes first (the evidence names the oldest), then the oldest tables are vacuumed:

    SELECT pid, usename, age(backend_xmin) FROM pg_stat_activity ORDER BY 3 DESC NULLS LAST LIMIT 5;
    SELECT gid, age(transaction) FROM pg_prepared_xacts;
    SELECT slot_name, age(xmin), age(catalog_xmin) FROM pg_replication_slots;
    VACUUM (FREEZE, VERBOSE) task_completion;

Reported from `warn_transactions` on, as critical from `alarm_transactions` on, for transactions and for their groups
(multixacts, which share locks of rows). The limit of both is 2,147 million.

Source: PostgreSQL's chapter on preventing transaction ID wraparound failures; `pg_database`, `pg_class`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from .. import Context, Finding, Severity, check
from ..postgresql import hidden_sessions, maintainable, need_postgresql
from ..server_changes import Maintain

AGES = """
select datname as database, age(datfrozenxid) as transactions, mxid_age(datminmxid) as multixacts,
       datname = current_database() as is_this_one
from pg_database
order by greatest(age(datfrozenxid), mxid_age(datminmxid)) desc
"""
TABLES = text("""
select n.nspname as schema, c.relname as "table", greatest(age(c.relfrozenxid), age(t.relfrozenxid)) as transactions,
       greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) as multixacts, pg_total_relation_size(c.oid) as bytes
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_class t on t.oid = c.reltoastrelid
where c.relkind in ('r', 'm') and n.nspname = any (current_schemas(false))
order by greatest(age(c.relfrozenxid), age(t.relfrozenxid)) desc, bytes desc limit 500
""")
HOLDERS = text("""
select 'session ' || pid as what, age(backend_xmin) as transactions from pg_stat_activity
where backend_xmin is not null and pid <> pg_backend_pid()
union all select 'prepared transaction ' || gid, age(transaction) from pg_prepared_xacts
union all select 'replication slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)) from pg_replication_slots
where xmin is not null or catalog_xmin is not null
order by 2 desc nulls last limit 1
""")
LIMIT = 2_147_483_647


@check(
    title="The transaction counter is far from its end",
    severity=Severity.WARNING,
    impact="At its end PostgreSQL refuses every write until somebody has vacuumed by hand, for hours",
)
def wraparound(
    ctx: Context, warn_transactions: int = 500_000_000, alarm_transactions: int = 1_200_000_000
) -> Iterator[Finding]:
    """One finding per database. Rows: the oldest tables of the attached one, or the database itself."""
    need_postgresql(ctx, "SQLite has no transaction counter that ends.")
    for row in ctx.read.execute(text(AGES)).mappings().all():
        age = max(row["transactions"], row["multixacts"])
        if age < warn_transactions:
            continue
        what = "transactions" if row["transactions"] >= row["multixacts"] else "groups of transactions (multixacts)"
        rows, fixes = [dict(row)], ()
        if row["is_this_one"]:
            mine = maintainable(ctx)
            oldest = [
                dict(table) for table in ctx.read.execute(TABLES).mappings()
                if max(table["transactions"], table["multixacts"]) >= warn_transactions
            ]  # fmt: skip
            rows = [table | {"may_vacuum": table["table"] in mine} for table in oldest] or rows
            fixes = ("vacuum",) if any(table.get("may_vacuum") for table in rows) else ()  # type: ignore[assignment]
        yield Finding(
            subject=f"deployment:database-{row['database']}", name=f"Database {row['database']}", fixes=fixes,
            severity=Severity.CRITICAL if age >= alarm_transactions else Severity.WARNING,
            summary=f"Database {row['database']} has used {age:,} {what} since its oldest row was frozen, "
                    f"{100 * age / LIMIT:.0f} % of all there are",
            cause=_why(ctx, warn_transactions), evidence=ctx.evidence(AGES.strip(), rows),
        )  # fmt: skip


@wraparound.fix(title="Vacuum the oldest tables", reversible=False)
def vacuum(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """VACUUM of each old table of Label Studio: at such an age it reads the whole table and freezes what is old."""
    for row in finding.evidence:
        if row.get("may_vacuum"):
            yield Maintain("vacuum", row["table"], schema=row["schema"], size_bytes=row["bytes"])


def _why(ctx: Context, warn: int) -> str:
    holder = ctx.read.execute(HOLDERS).first()
    if holder and holder.transactions and holder.transactions >= warn / 2:
        return (
            f"The oldest that holds VACUUM off is {holder.what} ({holder.transactions:,} transactions): end it first."
        )
    hidden = hidden_sessions(ctx)
    if hidden:
        return f"What holds VACUUM off may be a session that is hidden here. {hidden}"
    return "Autovacuum does not keep up, or fails on a table: PostgreSQL's log tells. Nothing old holds it off now."
