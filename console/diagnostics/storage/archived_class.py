"""Objects lie in an archive class, from which nothing is read at once.

A lifecycle rule moves objects to Glacier (Amazon), Archive (Azure) after some months. They are still listed, and the
tasks stay; reading answers 403 InvalidObjectState or 409 BlobArchived. Google's archive class is read at once and only
costs more. Restore the objects, or let the rule move them to a class that answers at once (Glacier Instant Retrieval,
Standard-IA, Cool).

Source: `x-amz-storage-class` of HEAD and LIST (Amazon's object storage classes), the access tier of Azure's blobs.
"""

from collections.abc import Iterator

from ...deployment.buckets import ObjectInfo
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sources import address, in_use, keys_of, passing

#: Classes that need a restore before anything is read.
ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE", "ARCHIVE"})


@check(
    title="No object of a source lies in an archive",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="These files are listed, and neither a sync nor a browser can read them",
    cause="A lifecycle rule, or whoever wrote them, put them into an archive class.",
)
def archived_class(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: key, its class, its size."""
    for storage, listing in ctx.probes.listings(in_use(ctx, prefixes=["s3", "azure"])):
        if isinstance(listing, Unknown):
            yield listing
            continue
        archived = {item.key: item for item in listing.keys if _is_archived(storage, item)}
        try:
            kept = passing(storage, list(archived))
        except Unknown as undecided:
            yield undecided
            continue
        if kept:
            yield _finding(ctx, storage, [archived[key] for key in kept], keys_of(listing))


def _is_archived(storage: Storage, item: ObjectInfo) -> bool:
    return (item.storage_class or "").upper() in ARCHIVES


def _finding(ctx: Context, storage: Storage, items: list[ObjectInfo], looked_at: str) -> Finding:
    rows = [{"key": item.key, "class": item.storage_class, "bytes": item.size} for item in items]
    named = ", ".join(dict.fromkeys(str(item.storage_class) for item in items))
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"{len(items):,} of {looked_at} {'lies' if len(items) == 1 else 'lie'} in an archive class ({named})",
        evidence=ctx.evidence(f"LIST {address(storage)}: {looked_at}", rows),
    )  # fmt: skip
