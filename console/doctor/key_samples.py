"""Real keys of a storage, kept so that a filter can be tried on them while somebody types; and the trying.

The bucket is asked once, when the storage is looked at. A filter is matched as Label Studio does: with `re.match`, on the
whole key, on the file name for local files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..deployment import Deployment
from ..deployment.buckets import Reach, open_bucket
from ..deployment.storage_rules import scan_rules
from ..deployment.storages import Storage
from ..errors import NotApplicable
from ..labeling.db import Caller, Db
from ..labeling.storages.links import KnownLinks
from ..masking import mask_text
from ..patterns import PatternInvalid, PatternTimeout, match_all
from .matrix import TIMEOUTS

#: Keys that are kept of one storage.
MOST_KEYS = 1_000
#: The longest filter that is tried here, and how long it may take.
LONGEST_FILTER = 2_000
TRY_SECONDS = 1.0
#: Rows shown of each kind.
SHOWN = 8


@dataclass(frozen=True)
class Tried:
    """A filter tried: how many of the keys it takes, examples of both kinds, or why it cannot be tried."""

    pattern: str
    matched: int
    total: int
    rows: tuple[Mapping[str, Any], ...] = ()
    problem: str = ""


def sample(deployment: Deployment, storage: Storage) -> dict[str, Any]:
    """The first keys of a source as plain data: `keys` (`key`, `size`, `linked`), `more`, `names_only`, and `deeper` when
    nothing lies at the level that is scanned and these are from the folders below.

    Raises NotApplicable for targets and Redis, which apply no filter, and BucketError.
    """
    if storage.kind.is_target or storage.kind.provider == "redis":
        raise NotApplicable("No filter is applied here.")
    rules = scan_rules(storage, deployment.schema)
    with closing(open_bucket(rules.provider, storage.row, Reach.of(deployment.settings, TIMEOUTS))) as bucket:
        listing = bucket.list(rules.prefix, rules.recursive, MOST_KEYS)
        deeper = not listing.keys and not rules.recursive
        if deeper:
            listing = bucket.list(rules.prefix, True, MOST_KEYS)
    keys = [item.key for item in listing.keys]
    with deployment.read() as session:
        linked = KnownLinks(Db(session, deployment.schema, Caller(0, "", None)), storage).tasks(keys)
    return {
        "keys": [
            {"key": mask_text(item.key), "size": item.size, "linked": tasks > 0}
            for item, tasks in zip(listing.keys, linked, strict=True)
        ],
        "more": listing.truncated, "names_only": rules.names_only, "deeper": deeper and bool(keys),
    }  # fmt: skip


def try_filter(document: Mapping[str, Any], pattern: str) -> Tried:
    """Match a filter with the kept keys; an empty one takes all. Never raises for a bad filter."""
    items: list[Mapping[str, Any]] = document["keys"]
    subjects = [posixpath.basename(item["key"]) if document["names_only"] else item["key"] for item in items]
    if len(pattern) > LONGEST_FILTER:
        told = f"The filter has {len(pattern):,} characters; up to {LONGEST_FILTER:,} are tried here."
        return Tried(pattern[:LONGEST_FILTER], 0, len(items), problem=told)
    try:
        matches = match_all(pattern, subjects, TRY_SECONDS) if pattern else [True] * len(items)
    except (PatternInvalid, PatternTimeout) as error:
        return Tried(pattern, 0, len(items), problem=f"{error}.")
    rows = [{**item, "matches": hit} for item, hit in zip(items, matches, strict=True)]
    shown = [row for row in rows if row["matches"]][:SHOWN] + [row for row in rows if not row["matches"]][:SHOWN]
    return Tried(pattern, sum(matches), len(items), tuple(shown))
