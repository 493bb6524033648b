"""Pre-signed links are off, and the files are larger than Label Studio passes through well.

With `presign` off every byte of a file goes through a worker of Label Studio: at most 8 MiB for each request with a
range, and 20 seconds for each answer (RESOLVER_PROXY_MAX_RANGE_SIZE, RESOLVER_PROXY_TIMEOUT). A long recording stops
midway or stutters, other people wait for the same workers, and a bucket that is slow answers with 424.

Pre-signed links send the browser to the bucket instead; that needs CORS rules there (`storage.cors_missing`).

Source: `proxy_data_from_storage` and `time_limited_chunker` in Label Studio's io_storages app (`proxy_api.py`), since 1.19.
"""

from collections.abc import Iterator

from ...deployment.buckets import Listing
from ...deployment.keys import family
from ...deployment.storages import Storage
from .. import Change, Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import address, in_use, keys_of, passing, storage_update


@check(
    title="Large media are not passed through Label Studio",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Long sound and video stop midway or stutter, and hold up the workers of other people",
    cause="Pre-signed links are off, so every byte goes through Label Studio.",
)
def proxy_cuts_large(ctx: Context, larger_than_mib: float = 50) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: key, its kind, its size in MiB."""
    passed_on = [item for item in in_use(ctx, prefixes=["s3", "gcs", "azure"]) if not item.get("presign", True)]
    if not passed_on:
        raise NotApplicable("No storage in scope has pre-signed links off")
    for storage, listing in ctx.probes.listings(passed_on):
        if isinstance(listing, Unknown):
            yield listing
            continue
        sizes = {item.key: item.size for item in listing.keys if item.size > larger_than_mib * 2**20}
        try:
            keys = [key for key in passing(storage, list(sizes)) if family(key) not in {"json", "table"}]
        except Unknown as undecided:
            yield undecided
            continue
        if keys:
            yield _finding(ctx, storage, listing, {key: sizes[key] for key in keys}, larger_than_mib)


def _finding(ctx: Context, storage: Storage, listing: Listing, sizes: dict[str, int], limit: float) -> Finding:
    rows = [
        {"key": key, "kind": family(key), "mib": round(size / 2**20, 1)}
        for key, size in sorted(sizes.items(), key=lambda item: -item[1])
    ]
    what = "1 file is" if len(rows) == 1 else f"{len(rows):,} files are"
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"Pre-signed links are off, and {what} larger than {limit:g} MiB (of {keys_of(listing)})",
        evidence=ctx.evidence(f"LIST {address(storage)}: {keys_of(listing)}", rows),
    )  # fmt: skip


@proxy_cuts_large.fix(title="Send browsers to the bucket with pre-signed links")
def switch_on(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch `presign` on. Look at the CORS rules of the bucket first: browsers need them then."""
    yield storage_update(ctx, finding, "presign", False, True)
