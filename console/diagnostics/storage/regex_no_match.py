"""A storage's filter is valid and matches no key, so every sync ends well and brings nothing.

The filter is matched from the start of the whole key, the folders of the prefix included: `IMG_.*` never meets
`scans/2025/IMG_0001.jpg`. Of local files it is matched with the bare name, so a folder in it never fits. Letter case
counts (`.JPG` is not `.jpg`), and so does the spelling (`.jpeg`). The connection test of Label Studio does not look
at the filter.

Filters near the present one are tried on the keys that are really there; the first that matches is offered.

Source: `iter_objects` of each import storage in Label Studio's io_storages app, which calls `re.match` on the full key, or on the name.
"""

from collections.abc import Iterator

from ...deployment.buckets import Listing
from ...deployment.filters import nearest
from ...deployment.keys import by_extension
from ...deployment.storages import Storage
from ...patterns import PatternInvalid, PatternTimeout, match_all
from .. import Change, Context, Finding, Severity, Unknown, check
from ..sources import FILTERED, in_use, keys_of, listed, matched_with, repairable, shown, storage_update


@check(
    title="Every storage filter matches keys of its bucket",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Every sync of this storage ends well and brings no task",
    cause="The filter is matched from the start of the whole key, and none of the keys begins that way.",
)
def regex_no_match(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: keys by extension, an example, why it is refused, the nearest filter."""
    filtered = [storage for storage in in_use(ctx, prefixes=FILTERED) if storage.get("regex_filter")]
    for storage, listing in ctx.probes.listings(filtered):
        if isinstance(listing, Unknown):
            yield listing
            continue
        keys = [item.key for item in listing.keys]
        try:
            if keys and not any(match_all(storage.row["regex_filter"], matched_with(storage, keys))):
                yield _finding(ctx, storage, listing, keys)
        except PatternInvalid:
            continue  # what storage.regex_invalid reports
        except PatternTimeout as error:
            yield Unknown(f"{storage.reference}: {error}.")


def _finding(ctx: Context, storage: Storage, listing: Listing, keys: list[str]) -> Finding:
    pattern = storage.row["regex_filter"]
    found = nearest(pattern, storage.get("prefix") or "", matched_with(storage, keys))
    proposed, matches, change = found or (None, [False] * len(keys), "no filter near it matches this key either")
    taken = {key for key, match in zip(keys, matches, strict=True) if match}
    taken_by_extension = {row["extension"]: row["keys"] for row in by_extension(taken)}
    rows = [
        row | {
            "why": change if row["extension"] in taken_by_extension or not found else "the filter names other files",
            "filter": pattern, "nearest": proposed, "matched_then": taken_by_extension.get(row["extension"], 0),
        }
        for row in by_extension(keys)
    ]  # fmt: skip
    if listing.truncated:
        summary = f"None of {keys_of(listing)} matches the filter {shown(pattern)}; a deep run looks at all"
    else:
        summary = f"None of {keys_of(listing)} matches the filter {shown(pattern)}"
    by_name = storage.kind.provider == "localfiles"
    told = "The filter is matched from the start of the bare file name, and none of the names begins that way."
    cause = f"{shown(proposed)} would match {len(taken):,} of them: {change}." if proposed else told * by_name
    return Finding(
        subject=storage.subject, name=storage.title, summary=summary, cause=cause,
        severity=Severity.WARNING if listing.truncated else Severity.ERROR,
        evidence=ctx.evidence(listed(storage, listing), rows),
        fixes=("replace_filter",) if proposed and repairable(storage) else (),
    )  # fmt: skip


@regex_no_match.fix(title="Use the nearest filter that matches")
def replace_filter(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Replace the filter of this storage by the variant that was tried on its keys."""
    for row in finding.evidence.rows[:1]:
        yield storage_update(ctx, finding, "regex_filter", row["filter"], row["nearest"])
