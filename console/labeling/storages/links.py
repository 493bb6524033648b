"""Which objects of a source storage have tasks already: its link rows, one for each task.

A link has no index on its key, so asking for keys page by page would read all links each time. They are read once
instead, as 16 bytes each: a million links take some tens of megabytes and a second or two. Two keys never share the
128 bits of a hash; were they to, an object would be taken for one that is linked.
Source: Label Studio's `io_storages/base_models.py ImportStorageLink`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy
from sqlalchemy import func, select

from ...deployment.storages import Storage
from ..db import Db

_ROWS_AT_ONCE = 10_000
_DIGEST_BYTES = 16
#: Another writer may commit a link whose id was drawn before the newest that we know of, by so many at most.
_LATE_IDS = 1_000


class KnownLinks:
    """The keys that have links, as they stood when this was made; `newest_id` is the highest id among them."""

    def __init__(self, db: Db, storage: Storage) -> None:
        links = db.table(storage.kind.link_name)
        own = links.c.storage_id == storage.id
        self.newest_id = int(db.value(select(func.coalesce(func.max(links.c.id), 0))) or 0)
        digests = bytearray()
        statement = select(links.c.key).where(own).execution_options(yield_per=_ROWS_AT_ONCE)
        for keys in db.session.execute(statement).scalars().partitions(_ROWS_AT_ONCE):
            digests += _digests(keys)
        pairs = numpy.frombuffer(bytes(digests), dtype="<u8").reshape(-1, 2)
        order = numpy.lexsort((pairs[:, 1], pairs[:, 0]))
        self._first = numpy.ascontiguousarray(pairs[order, 0])
        self._second = numpy.ascontiguousarray(pairs[order, 1])

    def __len__(self) -> int:
        return len(self._first)

    def tasks(self, keys: Sequence[str]) -> list[int]:
        """How many tasks each of these keys has, in their order; 0 for a key without a link."""
        if not len(self._first) or not keys:
            return [0] * len(keys)
        asked = numpy.frombuffer(_digests(keys), dtype="<u8").reshape(-1, 2)
        start = numpy.searchsorted(self._first, asked[:, 0], side="left")
        end = numpy.searchsorted(self._first, asked[:, 0], side="right")
        at = numpy.minimum(start, len(self._first) - 1)
        same = (end > start) & (self._second[at] == asked[:, 1])
        return numpy.where(same, end - start, 0).tolist()


def linked_since(db: Db, storage: Storage, newest_id: int, keys: Sequence[str]) -> set[str]:
    """Those of the keys that got a link after `newest_id` was the newest."""
    links = db.table(storage.kind.link_name)
    late = links.c.id > newest_id - _LATE_IDS
    fresh = set(db.values(select(links.c.key).where(late, links.c.storage_id == storage.id)))
    return fresh & set(keys) if fresh else fresh


def _digests(keys: Sequence[Any]) -> bytes:
    return b"".join(
        [blake2b(str(key).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest() for key in keys]
    )
