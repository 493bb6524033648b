"""A Redis source storage without a path looks for keys that begin with "None".

Label Studio makes text of the empty path before it asks Redis for keys, and the text of nothing is `None`. So a sync of
such a storage lists `None*`, finds no key, and ends well. An empty text would list every key, and a prefix those that
begin with it: the form stores an empty text, the API and SQL may leave the column empty.

The repair stores an empty text. The next sync then takes every key of the database: name a prefix instead when others
use it, too. Listing uses KEYS, which stops the server while it runs: with millions of keys, give storages a server
of their own.

Source: `RedisImportStorageBase.iter_objects` in Label Studio's io_storages/redis/models.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.buckets import Listing
from .. import Change, Context, Finding, Severity, check
from ..sources import in_use, storage_update


@check(
    title="Every Redis source storage has a path",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Every sync ends well and brings no task",
    cause="The path is empty, and Label Studio makes the text None of it.",
)
def null_path(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Row: its database, the pattern that is listed, and how many keys match it."""
    empty = [storage for storage in in_use(ctx, prefixes=["redis"]) if storage.get("path") is None]
    for storage, listing in ctx.probes.listings(empty):
        matched = len(listing.keys) if isinstance(listing, Listing) else None
        row = {"path": None, "db": storage.get("db"), "listed": "None*", "keys_matched": matched,
               "why_not_listed": None if isinstance(listing, Listing) else str(listing)}  # fmt: skip
        seen = "" if matched is None else f" ({matched:,} match)"
        yield Finding(
            subject=storage.subject, name=storage.title,
            summary=f"The path is empty, so a sync asks for keys that begin with “None”{seen}",
            evidence=ctx.evidence("path of the storage", [row]),
        )  # fmt: skip


@null_path.fix(title="Store an empty text as path, which means every key")
def store_empty_text(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Replace the empty path of this storage. Nothing is synced by that."""
    yield storage_update(ctx, finding, "path", None, "")
