"""A source storage has no filter, so a sync takes every object it lists.

Current releases take everything when the filter is empty; very old ones skipped everything. Either way the storage
says nothing about what it is for, and a log file, a thumbnail or a `.DS_Store` becomes a task. Where the storage reads
its objects as JSON tasks, a single file of another kind makes the whole sync fail.

It is worth a note where all objects are alike, and a warning where the bucket really holds others.

Source: `iter_objects` of Label Studio's storages (an empty filter is no filter), and the file extensions its sync
refuses since 1.21.
"""

from collections.abc import Iterator
from typing import Any

from ...deployment.buckets import Listing
from ...deployment.keys import by_extension, family, is_json, json_filter, media_filter, opens_as_tasks
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..sources import FILTERED, in_use, keys_of, listed, storage_update


@check(
    title="Every source storage says which objects it takes",
    severity=Severity.INFO,
    scopes=["project", "storage"],
    impact="Whatever is put into this place becomes a task at the next sync",
    cause="The filter is empty, which means every object.",
)
def regex_empty(ctx: Context, other_share_percent: float = 5) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows, where the bucket can be listed: extension, keys, an example, filter to set."""
    empty = [storage for storage in in_use(ctx, prefixes=FILTERED) if not storage.get("regex_filter")]
    listings = {storage.subject: answer for storage, answer in ctx.probes.listings(empty)}
    for storage in empty:
        answer = listings.get(storage.subject)
        if isinstance(answer, Unknown):
            yield answer
        yield _finding(ctx, storage, answer if isinstance(answer, Listing) else None, other_share_percent)


def _finding(ctx: Context, storage: Storage, listing: Listing | None, other_share_percent: float) -> Finding:
    keys = [item.key for item in listing.keys] if listing else []
    as_tasks = not storage.get("use_blob_urls")
    suggested = _suggestion(keys, as_tasks)
    summary, severity, impact = "The filter is empty: a sync takes every object", None, ""
    if listing:
        summary += f", of {keys_of(listing)} looked at"
    if as_tasks:
        unreadable = [key for key in keys if not opens_as_tasks(key)]
        if len(unreadable) * 100 > other_share_percent * len(keys):
            severity, impact = Severity.WARNING, "A sync fails at the first file that is not JSON"
            summary = f"The filter is empty, and {len(unreadable):,} of {_of(listing)} are no JSON"
    elif others := [key for key in keys if family(key) != _main(keys)]:
        severity, impact = Severity.WARNING, "Files that nobody can label become tasks"
        summary = f"The filter is empty, and {len(others):,} of {_of(listing)} are of another kind than the rest"
    row = {"filter": storage.get("regex_filter"), "suggested": suggested}
    rows: list[dict[str, Any]] = [found | row for found in by_extension(keys)] or [row]
    source = listed(storage, listing) if listing else f"{storage.kind.table_name}.regex_filter"
    return Finding(
        subject=storage.subject, name=storage.title, summary=summary, severity=severity, impact=impact,
        evidence=ctx.evidence(source, rows), fixes=("set_filter",) if suggested else (),
    )  # fmt: skip


@regex_empty.fix(title="Set a filter for the files that are meant")
def set_filter(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Store an explicit filter. Tasks made of other files stay; the next sync makes no more of them."""
    for row in finding.evidence.rows[:1]:
        yield storage_update(ctx, finding, "regex_filter", row["filter"], row["suggested"])


def _suggestion(keys: list[str], as_tasks: bool) -> str | None:
    """JSON needs no listing to be named; of media one has to see what is there."""
    if not as_tasks:
        return media_filter(keys)
    return json_filter(keys) if not keys or any(map(is_json, keys)) else None


def _main(keys: list[str]) -> str:
    families = [family(key) for key in keys]
    return max(dict.fromkeys(families), key=families.count)


def _of(listing: Listing | None) -> str:
    return keys_of(listing) if listing else ""
