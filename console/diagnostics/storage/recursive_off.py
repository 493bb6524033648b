"""A storage looks into one folder alone, and everything lies in folders below it.

With "Recursive scan" off (`recursive_scan` false, which is the default of new storages), a sync takes the objects that
lie directly under the prefix and enters no folder. The connection test looks at all keys that begin with the prefix, so
it passes. After an upgrade the same happens to storages that were read to their last folder before: up to 1.20 a storage
without a prefix always was.

Before the switch is turned on, the keys below are counted through the filter: that many objects would be new.

Source: `iter_objects` of each import storage in Label Studio's io_storages app, which lists with a delimiter.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...deployment.buckets import Bucket, Listing
from ...deployment.storage_rules import scan_rules
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..sources import FILTERED, address, in_use, keys_of, passing, storage_update


@dataclass(frozen=True)
class _Below:
    """What lies directly under the prefix, and all the way down."""

    top: Listing
    deep: Listing | None


@check(
    title="Storages that enter no folder have files at their top",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Every sync of this storage ends well and brings nothing",
    cause="Recursive scan is off, and the files lie in folders below the prefix.",
)
def recursive_off(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: folder that is not entered, keys in it that the filter takes, an example."""
    flat = [item for item in in_use(ctx, prefixes=FILTERED) if not scan_rules(item, ctx.schema).recursive]
    questions = [(storage, "one level and all below", _asks(ctx, storage)) for storage in flat]
    for storage, answer in ctx.probes.answers(questions):
        if isinstance(answer, Unknown):
            yield answer
        elif answer.deep is not None:
            try:
                keys = passing(storage, [item.key for item in answer.deep.keys])
            except Unknown as undecided:
                yield undecided
                continue
            if answer.deep.keys:
                yield _finding(ctx, storage, answer.deep, keys)


def _asks(ctx: Context, storage: Storage) -> Callable[[Bucket], _Below]:
    prefix, limit = scan_rules(storage, ctx.schema).prefix, ctx.probes.limit

    def ask(bucket: Bucket) -> _Below:
        top = bucket.list(prefix, False, limit)
        # Local files tell no folders: what is there is asked.
        below = not top.keys and (top.common_prefixes or storage.kind.provider == "localfiles")
        return _Below(top, bucket.list(prefix, True, limit) if below else None)

    return ask


def _finding(ctx: Context, storage: Storage, deep: Listing, keys: list[str]) -> Finding:
    prefix = scan_rules(storage, ctx.schema).prefix.rstrip("/")
    start = len(prefix) + 1 if prefix else 0
    folders: dict[str, list[str]] = {}
    for key in keys or [item.key for item in deep.keys]:
        folders.setdefault(key[start:].partition("/")[0], []).append(key)
    rows = [
        {"folder": f"{name}/", "keys": len(found) if keys else 0, "example": found[0]}
        for name, found in sorted(folders.items(), key=lambda item: -len(item[1]))
    ]
    taken = f"{len(keys):,} of {keys_of(deep)}" if deep.truncated or len(keys) != len(deep.keys) else f"{len(keys):,}"
    if not keys:
        taken = f"none of {keys_of(deep)}, as the filter refuses them,"
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"No file lies directly under {address(storage)}; with folders entered, {taken} would be taken",
        evidence=ctx.evidence(f"LIST {address(storage)}, one level and all below: {keys_of(deep)}", rows),
        fixes=("switch_on",) if "recursive_scan" in storage.row else (),
    )  # fmt: skip


@recursive_off.fix(title="Enter folders too")
def switch_on(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch `recursive_scan` on; the next sync takes the files of all folders below the prefix."""
    storage = next(item for item in ctx.storages(prefixes=FILTERED) if item.subject == finding.subject)
    yield storage_update(ctx, finding, "recursive_scan", storage.get("recursive_scan"), True)
