"""Free room where the database lies. PostgreSQL has no function that tells it.

It is measured when the server's data directory is of this machine and may be read (the console beside the database, or
its volume mounted here), which its `postmaster.pid` proves; otherwise the operator may say it in
`LSCONSOLE_DATABASE_FREE_BYTES`, and otherwise it is not known.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import Settings
from .links import Link

SERVER = """
select (select setting from pg_settings where name = 'data_directory') as directory,
       (select setting from pg_settings where name = 'port') as port,
       extract(epoch from pg_postmaster_start_time())::bigint as started
"""


def free_bytes(link: Link, settings: Settings, tablespace: str = "") -> tuple[int | None, str]:
    """(bytes, how it is known) of the disk below the data directory, or of a table space's path; None when unknown."""
    [server] = link.run(SERVER)
    return free_bytes_of(server, settings, tablespace)


def free_bytes_of(server: Mapping[str, Any], settings: Settings, tablespace: str = "") -> tuple[int | None, str]:
    """The same from the row that `SERVER` selects: directory, port and start of the server."""
    directory = server["directory"]
    if directory and _is_here(Path(directory), server["port"], server["started"]):
        place = tablespace or directory
        try:
            found = os.statvfs(place)
        except OSError as error:
            return None, f"{place} cannot be measured: {error.strerror}."
        return found.f_bavail * found.f_frsize, f"measured at {place}"
    told = settings.database_free_bytes
    if told:
        return told, "as set in LSCONSOLE_DATABASE_FREE_BYTES"
    why = (
        "The data directory is not of this machine, or may not be read here."
        if directory
        else "The role may not see where the data directory is."
    )
    return None, f"{why} Look with `df` on the database's host and set LSCONSOLE_DATABASE_FREE_BYTES."


def _is_here(directory: Path, port: str, started: int) -> bool:
    """Whether the directory on this machine is the one this very server runs on."""
    try:
        lines = (directory / "postmaster.pid").read_text().splitlines()
        return lines[3].strip() == port and abs(int(lines[2]) - started) <= 2
    except (OSError, IndexError, ValueError):
        return False
