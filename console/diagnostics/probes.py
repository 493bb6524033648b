"""What buckets answered, asked once per run: several checks look at the same listing."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ..deployment import Deployment
from ..deployment.buckets import Bucket, BucketDenied, BucketError, Listing, ObjectMissing, Reach, open_bucket
from ..deployment.storage_rules import scan_rules
from ..deployment.storages import Storage
from ..doctor import matrix
from ..doctor.cells import Matrix
from ..errors import Unknown

Answer = TypeVar("Answer")

#: Buckets asked side by side, so that one dead endpoint does not use up a check's time.
AT_A_TIME = 6


@dataclass(frozen=True)
class ReadProbe:
    """HEAD and GET of the first byte of one object: None means it worked, else the provider's refusal."""

    key: str
    head: BucketDenied | None
    get: BucketDenied | None


class BucketProbes:
    """Listings and read probes of storages, remembered for one run. Every failure is an Unknown naming the storage."""

    def __init__(self, deployment: Deployment, *, deep: bool = False) -> None:
        self._deployment = deployment
        self._limit = 10_000_000 if deep else deployment.settings.listing_limit
        self._answers: dict[tuple[str, str], Any] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._guard = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        #: storages that a check looked at, by subject
        self.seen_storages: set[str] = set()

    @property
    def limit(self) -> int:
        """The most keys one listing holds."""
        return self._limit

    def listing(self, storage: Storage) -> Listing:
        """The keys Label Studio would look at, by its own rules of prefix and recursion. Raises Unknown."""
        rules = scan_rules(storage, self._deployment.schema)
        return self._once(storage, "listing", lambda bucket: bucket.list(rules.prefix, rules.recursive, self._limit))

    def listings(self, storages: Sequence[Storage]) -> Iterator[tuple[Storage, Listing | Unknown]]:
        """Each storage with its listing, or with why there is none; several buckets are asked at a time."""
        return self._side_by_side([(storage, partial(self.listing, storage)) for storage in storages])

    def readings(
        self, samples: Sequence[tuple[Storage, list[str]]]
    ) -> Iterator[tuple[Storage, list[ReadProbe] | Unknown]]:
        """Each storage with what reading its keys came to, or with why that cannot be told; several at a time."""
        return self._side_by_side([(storage, partial(self.reading, storage, keys)) for storage, keys in samples])

    def reading(self, storage: Storage, keys: list[str]) -> list[ReadProbe]:
        """HEAD and a one-byte GET of each key; objects gone meanwhile are left out.

        Raises Unknown when the bucket does not answer at all.
        """

        def read(bucket: Bucket) -> list[ReadProbe]:
            probes = []
            for key in keys:
                with contextlib.suppress(ObjectMissing):
                    probes.append(ReadProbe(key, _refusal(bucket.head, key), _refusal(bucket.get_range, key, 0, 0)))
            return probes

        return self._once(storage, f"reading {keys}", read)

    def answers(
        self, questions: Sequence[tuple[Storage, str, Callable[[Bucket], Answer]]]
    ) -> Iterator[tuple[Storage, Answer | Unknown]]:
        """Each storage with what a function learned from its bucket, or with why that cannot be told; several at a time.

        The text names the question, so that it is asked once a run. A BucketError of the function is an Unknown.
        """
        return self._side_by_side(
            [(storage, partial(self._once, storage, question, ask)) for storage, question, ask in questions]
        )

    def matrices(self, storages: Sequence[Storage]) -> Iterator[tuple[Storage, Matrix | Unknown]]:
        """Each storage with its access matrix: what Label Studio, and a browser of its pages, may do there."""
        return self._side_by_side([(storage, partial(self._matrix, storage)) for storage in storages])

    def _matrix(self, storage: Storage) -> Matrix:
        consent = self._deployment.settings.write_probes and storage.kind.is_target
        looked: Matrix = self._once(
            storage, "matrix", lambda _: matrix.look(self._deployment, storage, consent=consent)
        )
        return looked

    def folders(self, storage: Storage, parent: str) -> list[str]:
        """The folders right below a folder, each with its slash. Raises Unknown."""
        found: list[str] = self._once(
            storage, f"folders of {parent}", lambda bucket: bucket.list(parent, False, self._limit).common_prefixes
        )
        return found

    def close(self) -> None:
        for bucket in self._buckets.values():
            bucket.close()

    def _side_by_side(
        self, questions: Sequence[tuple[Storage, Callable[[], Answer]]]
    ) -> Iterator[tuple[Storage, Answer | Unknown]]:
        waiting: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        for _, ask in questions:
            waiting.put(ask)
        for _ in range(min(AT_A_TIME, len(questions))):
            # Daemons: a server that trickles its answer must not keep the process from ending.
            threading.Thread(target=_ask_all, args=(waiting,), name="ask buckets", daemon=True).start()
        for storage, ask in questions:
            try:
                answer: Answer | Unknown = ask()
            except Unknown as error:
                answer = error
            yield storage, answer

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
                    storage.kind.provider, storage.row, Reach.of(self._deployment.settings)
                )
            return self._buckets[storage.subject]


def _ask_all(waiting: queue.SimpleQueue[Callable[[], Any]]) -> None:
    """The answers are remembered; whoever asks next gets them."""
    with contextlib.suppress(queue.Empty):
        while True:
            ask = waiting.get_nowait()
            with contextlib.suppress(Unknown):
                ask()


def _refusal(call: Callable[..., Any], *arguments: Any) -> BucketDenied | None:
    """None when the call works, BucketDenied when it is refused; anything else is raised."""
    try:
        call(*arguments)
    except BucketDenied as error:
        return error
    return None
