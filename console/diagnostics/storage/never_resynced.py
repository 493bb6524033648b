"""Files came into the bucket after the last sync, and nobody synced since.

Label Studio looks into a bucket when somebody clicks Sync, or calls `POST /api/storages/s3/ID/sync`; nothing syncs by
itself. A cron job that calls it, or `lsconsole storage sync s3:ID`, is the usual way.

Counted are the keys that pass the filter, have no link of this storage, and are younger than its last sync. Files that
are older and not linked are another matter: see `storage.regex_no_match`, `storage.recursive_off`.

Source: `ImportStorage.sync` in Label Studio's io_storages app, which no scheduler calls.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select

from ...deployment.buckets import Listing, ObjectInfo
from ...deployment.models import as_utc
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sources import FILTERED, address, in_use, keys_of, passing
from ..spans import span

#: Keys that one statement asks for.
ASKED = 500


@check(
    title="Nothing new waits in a bucket that was synced",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="New files do not become tasks until somebody syncs",
    cause="Label Studio never syncs by itself.",
)
def never_resynced(ctx: Context, older_than_hours: float = 24) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: key without a link, its size, when it was written."""
    synced = [storage for storage in in_use(ctx, prefixes=FILTERED) if as_utc(storage.get("last_sync"))]
    for storage, listing in ctx.probes.listings(synced):
        if isinstance(listing, Unknown):
            yield listing
            continue
        since = as_utc(storage.get("last_sync"))
        if since is None:
            continue
        try:
            new = _unseen(ctx, storage, _younger(storage, listing, since))
        except Unknown as undecided:
            yield undecided
            continue
        oldest = min((item.modified for item in new if item.modified), default=None)
        if oldest and (ctx.now - oldest).total_seconds() >= older_than_hours * 3600:
            yield _finding(ctx, storage, listing, new, since, oldest)


def _younger(storage: Storage, listing: Listing, since: datetime) -> list[ObjectInfo]:
    found = {item.key: item for item in listing.keys if item.modified and item.modified > since}
    return [found[key] for key in passing(storage, list(found))]


def _unseen(ctx: Context, storage: Storage, items: Sequence[ObjectInfo]) -> list[ObjectInfo]:
    """Those without a link of this storage."""
    link = ctx.schema.table(storage.kind.link_name).c
    known: set[str] = set()
    with ctx.transaction() as session:
        for start in range(0, len(items), ASKED):
            keys = [item.key for item in items[start : start + ASKED]]
            statement = select(link.key).where(link.storage_id == storage.id, link.key.in_(keys))
            known.update(session.scalars(statement))
    return [item for item in items if item.key not in known]


def _finding(
    ctx: Context, storage: Storage, listing: Listing, new: list[ObjectInfo], since: datetime, oldest: datetime
) -> Finding:
    rows = [{"key": item.key, "bytes": item.size, "written": item.modified} for item in new]
    cut = f" ({keys_of(listing)} looked at)" if listing.truncated else ""
    files = "1 file has" if len(new) == 1 else f"{len(new):,} files have"
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"{files} come in since the last sync {span(ctx.now - since)} ago, the first {span(ctx.now - oldest)} ago{cut}",
        cause=f"Label Studio never syncs by itself. `lsconsole storage sync {storage.reference}` brings them, from cron too.",
        evidence=ctx.evidence(f"LIST {address(storage)}: {keys_of(listing)}; {storage.kind.link_name}", rows),
    )  # fmt: skip
