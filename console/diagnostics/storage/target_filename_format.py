"""One target holds objects under two kinds of names.

Label Studio names a target's object by the id of its annotation, without an extension. With FUTURE_SAVE_TASK_TO_STORAGE
it writes one object per task instead, `ID.json`, or `ID` when FUTURE_SAVE_TASK_TO_STORAGE_JSON_EXT is off. A change of
these switches leaves both kinds side by side: programs that read the target count twice, and ids of tasks are taken for
ids of annotations.

Set both switches explicitly for the web server and the workers, then remove the kind that is not meant.

Source: `ExportStorageLink.get_key` in Label Studio's io_storages app.
"""

import re
from collections.abc import Iterator

from ...deployment.buckets import Listing
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sources import address, in_use, keys_of

_KINDS = {"an id": re.compile(r"\d+"), "an id with .json": re.compile(r"\d+\.json")}


@check(
    title="Every target holds one kind of names",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Programs that read this target take the same work twice, or tasks for annotations",
    cause="FUTURE_SAVE_TASK_TO_STORAGE or its extension was switched while the target was in use.",
)
def target_filename_format(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per target. Rows: kind of name, how many, an example."""
    targets = in_use(ctx, prefixes=["s3-export", "gcs-export", "azure-export", "localfiles-export"], targets=True)
    for storage, listing in ctx.probes.listings(targets):
        if isinstance(listing, Unknown):
            yield listing
            continue
        named = {kind: [item.key for item in listing.keys if form.fullmatch(item.key.rpartition("/")[2])]
                 for kind, form in _KINDS.items()}  # fmt: skip
        if all(named.values()):
            yield _finding(ctx, storage, listing, named)


def _finding(ctx: Context, storage: Storage, listing: Listing, named: dict[str, list[str]]) -> Finding:
    rows = [{"name": kind, "objects": len(keys), "example": keys[0]} for kind, keys in named.items()]
    told = " and ".join(f"{len(keys):,} by {kind}" for kind, keys in named.items())
    return Finding(
        subject=storage.subject, name=storage.title, summary=f"Of {keys_of(listing)}, {told}",
        evidence=ctx.evidence(f"LIST {address(storage)}: {keys_of(listing)}", rows),
    )  # fmt: skip
