"""Names from the catalogue as they stand in a statement.

A table of a deployment may be called anything: capitals, spaces and quotes are legal. What goes into a statement that
is run comes from the catalogue and is quoted here; nothing that somebody typed is.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)

#: Words that PostgreSQL takes for a name only in quotes (13 to 18). Source: `pg_get_keywords()`, categories R and T.
RESERVED = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "authorization",
        "binary",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "collation",
        "column",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "grant",
        "group",
        "having",
        "ilike",
        "in",
        "initially",
        "inner",
        "intersect",
        "into",
        "is",
        "isnull",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "natural",
        "not",
        "notnull",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "overlaps",
        "placing",
        "primary",
        "references",
        "returning",
        "right",
        "select",
        "session_user",
        "similar",
        "some",
        "symmetric",
        "system_user",
        "table",
        "tablesample",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
    ]
)


def quoted(name: str) -> str:
    """One name, quoted if it needs to be. Raises ValueError for what no catalogue holds: an empty name, a NUL byte."""
    if not name or "\0" in name:
        raise ValueError("PostgreSQL has no such name.")
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def qualified(schema: str, name: str) -> str:
    """`schema.name`, each part quoted if it needs to be.

    Such a statement is sent as it is (`exec_driver_sql` with `no_parameters=True`): a `%` in a name is no placeholder,
    and with `text()` a `:name` inside quotes would become one.
    """
    return f"{quoted(schema)}.{quoted(name)}"
