"""A storage of media files is set to read its objects as JSON tasks.

With "Treat every bucket object as a source file" off (`use_blob_urls` false; newer pages call it the import method
*Tasks*), Label Studio opens each object and looks for JSON tasks in it. At the first photo or recording the whole sync
fails: since 1.21 at the extension, before that at the content. Tasks made before that object stay.

If the objects are what people label, the toggle belongs on. If the tasks are JSON files and other files lie beside
them, the filter has to keep those out.

Source: the sync of import storages in Label Studio's io_storages app: `.json`, `.jsonl`, `.parquet` and keys without an
extension are opened, others refused.
"""

from collections.abc import Iterator

from ...deployment.buckets import Listing
from ...deployment.keys import by_extension, is_json, is_media, json_filter, opens_as_tasks
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..sources import FILTERED, in_use, keys_of, listed, passing, repairable, storage_update


@check(
    title="Storages that read tasks hold JSON",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="A sync fails at the first file that is not JSON",
    cause="The storage is set to look for tasks inside its objects, and most of what it takes is no JSON.",
)
def blob_toggle_off(ctx: Context, other_share_percent: float = 5) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: extension, keys that pass the filter, an example, what a sync makes of them."""
    reading = [storage for storage in in_use(ctx, prefixes=FILTERED) if not storage.get("use_blob_urls")]
    for storage, listing in ctx.probes.listings(reading):
        if isinstance(listing, Unknown):
            yield listing
            continue
        try:
            keys = passing(storage, [item.key for item in listing.keys])
        except Unknown as undecided:
            yield undecided
            continue
        others = [key for key in keys if not opens_as_tasks(key)]
        if len(others) * 100 > other_share_percent * len(keys):
            yield _finding(ctx, storage, listing, keys, others)


def _finding(ctx: Context, storage: Storage, listing: Listing, keys: list[str], others: list[str]) -> Finding:
    narrowed = json_filter(keys) if any(map(is_json, keys)) else None
    rows = [
        row | {
            "sync": "opened as JSON" if opens_as_tasks(row["example"]) else "fails",
            "filter": storage.get("regex_filter"), "narrowed": narrowed,
        }
        for row in by_extension(keys)
    ]  # fmt: skip
    fixes = ["switch_on"] if sum(map(is_media, keys)) * 2 > len(keys) else []
    if narrowed and repairable(storage):
        fixes.append("narrow_filter")
    taken = "taken by the filter" if storage.get("regex_filter") else "taken, as there is no filter,"
    cut = f" ({keys_of(listing)} looked at)" if listing.truncated else ""
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"{len(others):,} of {len(keys):,} keys {taken} are no JSON, and the storage reads JSON tasks{cut}",
        cause="" if len(others) * 2 > len(keys) else "The filter lets other files through beside the JSON tasks.",
        evidence=ctx.evidence(listed(storage, listing), rows), fixes=tuple(fixes),
    )  # fmt: skip


@blob_toggle_off.fix(title="Make one task of every file")
def switch_on(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch `use_blob_urls` on: each object becomes a task that shows it."""
    yield storage_update(ctx, finding, "use_blob_urls", False, True)


@blob_toggle_off.fix(title="Let the filter take JSON files alone")
def narrow_filter(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Keep the toggle off and refuse everything that is not JSON."""
    for row in finding.evidence.rows[:1]:
        yield storage_update(ctx, finding, "regex_filter", row["filter"], row["narrowed"])
