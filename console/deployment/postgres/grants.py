"""What a role lacks for a part of the database page, as the exact statements that would give it.

Asked with the looking role's session for what is seen, with the fixing role's session for what may be done. One
statement each.

Source: "Predefined Roles" and "Privileges" in PostgreSQL's manual: pg_monitor holds pg_read_all_stats,
pg_read_all_settings and pg_stat_scan_tables; MAINTAIN came with 17, before it only owners vacuum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from .naming import qualified, quoted
from .version import major

#: Above this many tables one statement for the whole schema is told instead.
MOST_TABLES_TOLD = 5


@dataclass(frozen=True)
class Needed:
    """`part` is "sessions", "statistics of columns", "server", "bloat measured", "maintenance" or "end sessions"."""

    part: str
    #: what is missing without it, in words
    why: str
    #: to be run by a superuser or the owner
    statements: tuple[str, ...]


@dataclass(frozen=True)
class Grants:
    """What one role may do. Table names are those of the search path's schemas."""

    role: str
    superuser: bool
    reads_statistics: bool
    reads_settings: bool
    #: may cancel and end other roles' sessions (never a superuser's, unless it is one)
    signals_backends: bool
    scans_tables: bool
    #: (schema, table) that it may not read
    unreadable: frozenset[tuple[str, str]]
    #: (schema, table) that it may VACUUM, ANALYZE and REINDEX
    maintainable: frozenset[tuple[str, str]]
    #: (schema, table) whose indexes it may create and drop
    owned: frozenset[tuple[str, str]]
    #: (schema, table) -> owner
    owners: dict[tuple[str, str], str]
    major: int

    def may_maintain(self, table: str, schema: str = "public") -> bool:
        """VACUUM, ANALYZE and REINDEX of this table."""
        return (schema, table) in self.maintainable

    def may_drop_index(self, table: str, schema: str = "public") -> bool:
        """Create and drop indexes of this table."""
        return (schema, table) in self.owned

    def may_signal(self, user: str) -> bool:
        """Cancel or end a session of this user, as far as one can tell without trying."""
        return self.superuser or self.signals_backends or user == self.role

    def maintain_statement(self, table: str, schema: str = "public") -> str:
        """What lets this role maintain one table; "" when it may already."""
        if self.may_maintain(table, schema):
            return ""
        if self.major >= 17:
            return f"GRANT MAINTAIN ON {qualified(schema, table)} TO {quoted(self.role)};"
        owner = self.owners.get((schema, table))
        return f"GRANT {quoted(owner)} TO {quoted(self.role)};" if owner else ""

    def needed(self) -> list[Needed]:
        """Everything that is missing, for the whole page; empty for a superuser."""
        who, found = quoted(self.role), []
        if not self.reads_statistics:
            found.append(
                Needed(
                    "sessions",
                    "what other roles' sessions do, and their statements, is hidden",
                    (f"GRANT pg_read_all_stats TO {who};",),
                )
            )
        if self.unreadable:
            found.append(
                Needed(
                    "statistics of columns",
                    "bloat, and which sequence is behind, cannot be told",
                    self._select(sorted(self.unreadable)),
                )
            )
        if not self.reads_settings:
            found.append(
                Needed(
                    "server",
                    "where the data lies, and so how much room is left, is hidden",
                    (f"GRANT pg_read_all_settings TO {who};",),
                )
            )
        if not self.scans_tables:
            found.append(
                Needed(
                    "bloat measured",
                    "bloat can be estimated, but not measured",
                    (f"GRANT pg_stat_scan_tables TO {who};",),
                )
            )
        others = sorted(set(self.owners) - self.maintainable)
        if others:
            statements = dict.fromkeys(self.maintain_statement(table, schema) for schema, table in others)
            if len(statements) > MOST_TABLES_TOLD and self.major >= 17:
                statements = {"GRANT pg_maintain TO " + who + ";": None}
            found.append(
                Needed(
                    "maintenance",
                    f"{len(others)} of {len(self.owners)} tables cannot be vacuumed or reindexed by this role",
                    tuple(statements),
                )
            )
        if not (self.superuser or self.signals_backends):
            found.append(
                Needed(
                    "end sessions",
                    "sessions of other roles cannot be cancelled or ended",
                    (f"GRANT pg_signal_backend TO {who};",),
                )
            )
        return found  # fmt: skip

    def _select(self, tables: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        who, tables = quoted(self.role), list(tables)
        if len(tables) > MOST_TABLES_TOLD:
            return tuple(
                f"GRANT SELECT ON ALL TABLES IN SCHEMA {quoted(schema)} TO {who};"
                for schema in sorted({schema for schema, _ in tables})
            )
        return tuple(f"GRANT SELECT ON {qualified(schema, table)} TO {who};" for schema, table in tables)


_GRANTS = """
select current_user as role, (select rolsuper from pg_roles where rolname = current_user) as superuser,
       pg_has_role('pg_read_all_stats', 'usage') as reads_statistics,
       pg_has_role('pg_read_all_settings', 'usage') as reads_settings,
       pg_has_role('pg_signal_backend', 'usage') as signals_backends,
       pg_has_role('pg_stat_scan_tables', 'usage') as scans_tables,
       coalesce((select jsonb_agg(jsonb_build_array(n.nspname, c.relname, pg_get_userbyid(c.relowner),
           has_table_privilege(c.oid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE'),
           {maintain}, pg_has_role(c.relowner, 'usage')) order by n.nspname, c.relname)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'm') and n.nspname = any (current_schemas(false))), '[]') as tables
"""
#: Who may VACUUM: the owner, the database's owner, a superuser, and since 17 whoever was granted MAINTAIN.
OWNER = (
    "(pg_has_role(c.relowner, 'usage')"
    " or pg_has_role((select datdba from pg_database where datname = current_database()), 'usage'))"
)


def maintain_condition(version: int) -> str:
    """The SQL condition over `pg_class c` for "this role may maintain it"."""
    return f"({OWNER} or has_table_privilege(c.oid, 'MAINTAIN'))" if version >= 17 else OWNER


def read(session: Session) -> Grants:
    """What the role of this session may do. One statement."""
    version = major(session)
    row = session.execute(text(_GRANTS.format(maintain=maintain_condition(version)))).mappings().one()
    tables = {
        (schema, name): (owner, readable, maintained, owned)
        for schema, name, owner, readable, maintained, owned in row["tables"]
    }
    return Grants(
        role=row["role"], superuser=row["superuser"], reads_statistics=row["reads_statistics"],
        reads_settings=row["reads_settings"], signals_backends=row["signals_backends"], scans_tables=row["scans_tables"],
        unreadable=frozenset(name for name, facts in tables.items() if not facts[1]),
        maintainable=frozenset(name for name, facts in tables.items() if facts[2]),
        owned=frozenset(name for name, facts in tables.items() if facts[3]),
        owners={name: facts[0] for name, facts in tables.items()}, major=version,
    )  # fmt: skip
