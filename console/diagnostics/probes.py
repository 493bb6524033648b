"""What buckets answered, asked once per run: several checks look at the same listing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..deployment import Deployment
from ..deployment.buckets import Bucket, BucketDenied, BucketError, Listing, open_bucket
from ..deployment.storages import Storage
from ..errors import Unknown


@dataclass(frozen=True)
class ReadProbe:
    """HEAD and GET of the first byte of one object: None means it worked, else the provider's refusal."""

    key: str
    head: BucketError | None
    get: BucketError | None


class BucketProbes:
    """Listings and read probes of storages, remembered for one run. Every failure is an Unknown naming the storage."""

    def __init__(self, deployment: Deployment, *, deep: bool = False) -> None:
        self._deployment = deployment
        self._limit = 10_000_000 if deep else deployment.settings.listing_limit
        self._answers: dict[tuple[str, str], Any] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._guard = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self.seen_storages: set[str] = set()

    @property
    def limit(self) -> int:
        """The most keys one listing holds."""
        return self._limit

    def listing(self, storage: Storage) -> Listing:
        """The keys Label Studio would look at, by its own rules of prefix and recursion. Raises Unknown."""
        return self._once(
            storage,
            "listing",
            lambda bucket: bucket.list(
                storage.get("prefix") or "", bool(storage.get("recursive_scan", True)), self._limit
            ),
        )

    def reading(self, storage: Storage, keys: list[str]) -> list[ReadProbe]:
        """HEAD and a one-byte GET of each key. Raises Unknown when the bucket does not answer at all."""

        def read(bucket: Bucket) -> list[ReadProbe]:
            probes = []
            for key in keys:
                probes.append(ReadProbe(key, _refusal(bucket.head, key), _refusal(bucket.get_range, key, 0, 0)))
            return probes

        return self._once(storage, f"reading {keys}", read)

    def close(self) -> None:
        for bucket in self._buckets.values():
            bucket.close()

    def _once(self, storage: Storage, question: str, ask: Callable[[Bucket], Any]) -> Any:
        key = (storage.subject, question)
        with self._guard:
            self.seen_storages.add(storage.subject)
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._answers:
                try:
                    self._answers[key] = ask(self._bucket(storage))
                except BucketError as error:
                    self._answers[key] = Unknown(f"{storage.reference}: {error}")
        answer = self._answers[key]
        if isinstance(answer, Unknown):
            raise answer
        return answer

    def _bucket(self, storage: Storage) -> Bucket:
        with self._guard:
            if storage.subject not in self._buckets:
                self._buckets[storage.subject] = open_bucket(
                    storage.kind.provider, storage.row, self._deployment.settings.bucket_environment
                )
            return self._buckets[storage.subject]


def _refusal(call: Callable[..., Any], *arguments: Any) -> BucketError | None:
    """None when the call works, BucketDenied when it is refused; anything else is raised."""
    try:
        call(*arguments)
    except BucketDenied as error:
        return error
    return None
