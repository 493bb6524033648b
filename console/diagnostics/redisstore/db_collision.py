"""Storages share a Redis database with each other, or with Label Studio's own queue.

A target storage writes each annotation under its plain number. A source storage in the same database that takes all
keys, or those that begin with a digit, reads them back as tasks at the next sync. In the database of the queue, annotations
lie among jobs, and whoever empties the queue empties them, too. Database 0 is refused by Label Studio: such a
storage cannot be saved, tested or synced.

The repair gives a target that collides a number that no other storage of that server uses. What it wrote stays where it
is; sync the target once to write everything there.

Source: `RedisStorageMixin.get_redis_connection` and `save_annotation` in Label Studio's io_storages/redis/models.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ...deployment.storages import Storage, storages
from .. import Change, Context, Finding, Severity, check
from ..sources import in_use, storage_update

Place = tuple[str, int, int]
DEFAULT_PORT = 6379
#: Databases of a Redis nobody configured.
DATABASES = 16
_HERE = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - names for one machine


@check(
    title="Every Redis storage has a database of its own",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Annotations come back as tasks, or vanish with the queue",
    cause="Source, target or queue were given the same server and database number.",
)
def db_collision(ctx: Context) -> Iterator[Finding]:
    """One finding per storage that collides. Rows: it and what it shares its database with."""
    looked_at = in_use(ctx, prefixes=["redis", "redis-export"], targets=True)
    with ctx.transaction() as session:
        everything = list(storages(session, ctx.schema, prefixes=["redis", "redis-export"]))
    queue = _queue(ctx)
    for storage in looked_at:
        place = _place(storage)
        if place is None:
            yield _refused(ctx, storage)
            continue
        others = [other for other in everything if _place(other) == place and _meet(storage, other)]
        if others or place == queue:
            yield _finding(ctx, storage, place, others, in_queue=place == queue, used=everything)


@db_collision.fix(title="Write to a database that no other storage uses")
def use_free_database(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Change `db` of this target. Nothing is written to Redis by that."""
    for row in finding.evidence.rows[:1]:
        if row["free_db"] is not None:
            yield storage_update(ctx, finding, "db", row["db"], row["free_db"])


def _place(storage: Storage) -> Place | None:
    """Server and database; None for database 0."""
    if not storage.get("db"):
        return None
    port = str(storage.get("port") or "").strip()
    return _server(
        str(storage.get("host") or ""), int(port) if port.isdecimal() else DEFAULT_PORT, int(storage.row["db"])
    )


def _server(host: str, port: int, database: int) -> Place:
    host = host.strip().strip("[]").lower()
    return ("localhost" if host in _HERE else host, port, database)


def _queue(ctx: Context) -> Place | None:
    """Where Label Studio's queue is, as far as the console was told."""
    if not ctx.settings.redis_url:
        return None
    try:
        parts = urlsplit(ctx.settings.redis_url)
        path = parts.path.strip("/")
        return _server(parts.hostname or "", parts.port or DEFAULT_PORT, int(path) if path.isdecimal() else 0)
    except ValueError:
        return None


def _meet(storage: Storage, other: Storage) -> bool:
    """Whether a source and a target of one database get in each other's way: only keys that are numbers do."""
    if storage.kind.is_target == other.kind.is_target:
        return False
    source = other if storage.kind.is_target else storage
    path = str(source.get("path"))
    return not path or path[0].isdigit() or path[0] in "*?[\\"


def _free(storage: Storage, used: Sequence[Storage], queue: Place | None) -> int | None:
    place = _place(storage)
    taken = {found for item in used if (found := _place(item))} | ({queue} if queue else set())
    if place is None:
        place = _server(str(storage.get("host") or ""), DEFAULT_PORT, 0)
    return next((number for number in range(1, DATABASES) if (place[0], place[1], number) not in taken), None)


def _finding(
    ctx: Context, storage: Storage, place: Place, others: Sequence[Storage], *, in_queue: bool, used: Sequence[Storage]
) -> Finding:
    free = _free(storage, used, _queue(ctx)) if storage.kind.is_target else None
    where = {"host": place[0], "port": place[1], "db": place[2]}
    rows = [{"what": storage.reference, **where, "path": storage.get("path"), "free_db": free}]
    rows += [{"what": other.reference, **where, "path": other.get("path"), "free_db": None} for other in others]
    if in_queue:
        rows.append({"what": "Label Studio's queue", **where, "path": None, "free_db": None})
    shared = " and ".join(
        [*(other.reference for other in others[:10]), *(["the queue of Label Studio"] if in_queue else [])]
    )
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"Shares database {place[2]} of {place[0]}:{place[1]} with {shared}",
        severity=Severity.ERROR if others or storage.kind.is_target else Severity.WARNING,
        evidence=ctx.evidence("host, port and db of every Redis storage; LSCONSOLE_REDIS_URL", rows),
        fixes=("use_free_database",) if free is not None else (),
    )  # fmt: skip


def _refused(ctx: Context, storage: Storage) -> Finding:
    row = {"what": storage.reference, "host": storage.get("host"), "port": storage.get("port"), "db": storage.get("db"),
           "path": storage.get("path"), "free_db": None}  # fmt: skip
    return Finding(
        subject=storage.subject, name=storage.title, summary="Database 0 is refused by Label Studio",
        impact="The storage cannot be saved, tested or synced",
        cause="0 is where Redis clients write that name no database. Give the storage another number.",
        evidence=ctx.evidence("db of the storage", [row]), fixes=(),
    )  # fmt: skip
