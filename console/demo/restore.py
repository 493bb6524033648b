"""Label Studio's own database, as the demo restores it.

`data/label-studio-1.23.2.pg.sql.gz` was dumped with pg_dump from a Label Studio 1.23.2 that ran its own migrations and
was filled through its own HTTP calls with throw-away data. The PostgreSQL that comes as a wheel has no contrib modules,
so `without_contrib` took out the extensions btree_gin and pg_trgm and the two trigram indexes that need them, and
nothing else. To derive it again from a full dump:

    python -m console.demo.restore FULL.pg.sql.gz console/demo/data/label-studio-1.23.2.pg.sql.gz
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import psycopg2

DUMP = Path(__file__).with_name("data") / "label-studio-1.23.2.pg.sql.gz"
NEEDS_CONTRIB = re.compile(
    r"^(?:CREATE EXTENSION|COMMENT ON EXTENSION)\b[^;]*;\n"
    r"|^CREATE INDEX [^;]*\bgin_trgm_ops\b[^;]*;\n",
    re.MULTILINE,
)


def without_contrib(sql: str) -> str:
    """The dump without statements that need an extension. Data rows never start a line with CREATE."""
    return NEEDS_CONTRIB.sub("", sql)


def restore(url: str) -> None:
    """Run the shipped dump in an empty database, all or nothing."""
    sql = gzip.decompress(DUMP.read_bytes()).decode()
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
    finally:
        connection.close()


if __name__ == "__main__":
    full, derived = Path(sys.argv[1]), Path(sys.argv[2])
    text = without_contrib(gzip.decompress(full.read_bytes()).decode())
    derived.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
