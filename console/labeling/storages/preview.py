"""The first objects of a source storage, as its sync would see them. Source: `io_storages/api.py ImportStorageListFilesAPI`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ...deployment.buckets import BucketError, ObjectInfo, Reach, open_bucket
from ...deployment.schema import Schema
from ...deployment.storage_rules import ScanRules, scan_rules
from ...deployment.storages import Storage
from ...errors import Invalid
from ...patterns import PatternInvalid, PatternTimeout, match_all

#: Label Studio gives a preview this long.
SECONDS = 30.0
#: However many are asked for, no answer has more.
MOST = 10_000
MORE: dict[str, Any] = {"key": None, "last_modified": None, "size": None}
TIME_IS_UP: dict[str, Any] = {"key": "... storage scan timeout reached ...", "last_modified": None, "size": None}


def first_objects(
    storage: Storage, schema: Schema, reach: Reach, *, limit: int, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """At most `limit` objects that pass the storage's filter, each with `key`, `last_modified` and `size`.

    A last entry without a key says that the list was cut; one that says so, that time was up. Raises Invalid.
    """
    most = min(max(limit, 1), MOST)
    found: list[dict[str, Any]] = []
    give_up = time.monotonic() + seconds
    try:
        for some in _pages(storage, scan_rules(storage, schema), reach, seconds):
            found += ({"key": one.key, "last_modified": one.modified, "size": one.size} for one in some)
            if len(found) >= most:
                return [*found[:most], MORE]
            if time.monotonic() > give_up:
                return [*found, TIME_IS_UP]
    except (BucketError, PatternInvalid, PatternTimeout) as error:
        raise Invalid(f"Failed to list storage files: {error}") from None
    return found


def _pages(storage: Storage, rules: ScanRules, reach: Reach, seconds: float) -> Iterator[list[ObjectInfo]]:
    bucket = open_bucket(storage.kind.provider, storage.row, reach)
    try:
        for page in bucket.pages(rules.prefix, rules.recursive):
            if not rules.pattern or not page.objects:
                yield page.objects
                continue
            matches = match_all(rules.pattern, [rules.subject(one.key) for one in page.objects], seconds)
            yield [one for one, passes in zip(page.objects, matches, strict=True) if passes]
    finally:
        bucket.close()
