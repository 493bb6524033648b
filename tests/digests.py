"""What a database holds, in a form that two moments can be compared by."""

from __future__ import annotations

import hashlib

from sqlalchemy import create_engine, inspect, text

from console.deployment.database import parse_url


def digests(url: str) -> dict[str, str]:
    """A digest of every row of every table, whatever the order."""
    engine = create_engine(parse_url(url))
    found = {}
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            rows = sorted(repr(tuple(row)) for row in connection.execute(text(f'select * from "{table}"')))
            found[table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    engine.dispose()
    return found
