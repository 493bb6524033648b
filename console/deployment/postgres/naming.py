"""Names from the catalogue as they stand in a statement.

A table of a deployment may be called anything: capitals, spaces and quotes are legal. What goes into a statement that
is run comes from the catalogue and is quoted here; nothing that somebody typed is.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)

_WORDS = """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
    char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable
    desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group
    grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array
    json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize not
    notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary
    real references returning right row select session_user setof similar smallint some substring symmetric system_user
    table tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic
    verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi
    xmlroot xmlserialize xmltable
"""
#: Words that a name is not told from without quotes somewhere (13 to 18). Source: `pg_get_keywords()`, all but "U".
RESERVED = frozenset(_WORDS.split())


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

    Such a statement is sent as it is (`exec_driver_sql`, with the execution option `no_parameters`): a `%` in a name
    is no placeholder then, while `text()` would take a `:name` inside quotes for one.
    """
    return f"{quoted(schema)}.{quoted(name)}"
