"""What the checks of the database share: names as SQL wants them, and what the roles at hand may see and do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import exc, text

from ..deployment import database
from ..deployment.postgres.naming import quoted
from ..errors import NotApplicable, Unknown
from .check import Context

_MAINTAINABLE = """
select c.relname
from pg_class c
join pg_database d on d.datname = current_database()
where c.relkind in ('r', 'p', 'm')
  and c.relnamespace = any (select oid from pg_namespace where nspname = any (current_schemas(false)))
  and (pg_has_role(current_user, c.relowner, 'usage') or ({database} and pg_has_role(current_user, d.datdba, 'usage'))
       or {maintain})
"""
_HIDDEN = """
select coalesce(string_agg(distinct usename, ', '), '') as users, count(*) as sessions
from pg_stat_activity
where datname = current_database() and usesysid is not null
  and not pg_has_role(current_user, usesysid, 'usage')
  and not pg_has_role(current_user, 'pg_read_all_stats', 'usage')
"""
_SIGNALS = """
select pg_has_role(current_user, 'pg_signal_backend', 'usage') as any_session,
       coalesce((select rolsuper from pg_roles where rolname = current_user), false) as superuser,
       array(select rolname::text from pg_roles where pg_has_role(current_user, oid, 'usage')) as own
"""


def need_postgresql(ctx: Context, why: str) -> None:
    """Raise NotApplicable on SQLite, with the reason in the words of the check."""
    if ctx.schema.dialect != "postgresql":
        raise NotApplicable(why)


def literal(value: str) -> str:
    """A text as it stands in a statement."""
    return "'" + value.replace("'", "''") + "'"


def role(ctx: Context) -> str:
    """The looking role, as a GRANT names it."""
    return quoted(ctx.deployment.role)


def hidden_sessions(ctx: Context) -> Unknown | None:
    """What to say when other people's sessions are hidden from the looking role; None when every one is seen."""
    row = ctx.read.execute(text(_HIDDEN)).one()
    if not row.sessions:
        return None
    number = f"{row.sessions:,} {'session' if row.sessions == 1 else 'sessions'}"
    return Unknown(
        f"{number} of {row.users} cannot be looked into by {ctx.deployment.role}. "
        f"Needs: GRANT pg_read_all_stats TO {role(ctx)};"
    )


def maintainable(ctx: Context, *, of_database: bool = True) -> set[str]:
    """Tables that the fixing role may maintain: its own, or those it was given MAINTAIN for (PostgreSQL 17).

    `of_database` counts the owner of the database in, who may VACUUM and ANALYZE but neither REINDEX nor DROP.
    """
    server: Any = ctx.read.connection().dialect.server_version_info
    granted = "has_table_privilege(c.oid, 'MAINTAIN')" if server >= (17,) else "false"
    statement = _MAINTAINABLE.format(database=str(of_database).lower(), maintain=granted)
    rows = _as_fixer(ctx, statement)
    return {row.relname for row in rows}


def may_signal(ctx: Context) -> tuple[bool, bool, set[str]]:
    """What the fixing role may end: sessions of anybody but superusers, of superusers too, and of these roles."""
    for row in _as_fixer(ctx, _SIGNALS):
        return row.any_session, row.superuser, set(row.own)
    return False, False, set()


def writable_sequences(ctx: Context) -> set[str]:
    """Sequences that the fixing role may set, as `schema.name`."""
    statement = """
    select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (current_schemas(false))
      and case when c.relkind = 'S' then has_sequence_privilege(c.oid, 'UPDATE') end
    """
    return {row.name for row in _as_fixer(ctx, statement)}


def _as_fixer(ctx: Context, statement: str) -> Iterable[Any]:
    """Rows as the fixing role sees them; none when it cannot be asked, as it then can repair nothing either."""
    if not ctx.settings.fix_database_url:
        return ctx.read.execute(text(statement)).all()
    try:
        with database.read_session(ctx.deployment.fix_engine) as session:
            return session.execute(text(statement)).all()
    except exc.SQLAlchemyError:
        return []


def ago(seconds: float) -> str:
    """A length of time in the two largest units that matter: `3 min`, `2 h 5 min`, `4 d 1 h`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{rest} s"
