"""What would Sync do? The same walk, filter, links and reading as a real sync, and nothing is written.

A bucket of a million objects passes through in flat memory: counts and first examples are kept. Of a storage that reads
tasks the first `contents` new objects are opened; the others are told as not read.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ...deployment import Deployment
from ...deployment.buckets import (
    Bucket,
    BucketDenied,
    BucketError,
    BucketUnreachable,
    ObjectInfo,
    ObjectMissing,
    ObjectTooLarge,
    Reach,
    open_bucket,
)
from ...deployment.keys import extension
from ...deployment.storage_rules import ScanRules, scan_rules
from ...deployment.storages import Storage
from ...deployment.storages import storage as find_storage
from ...errors import Invalid, Refused
from ...patterns import PatternInvalid, PatternTimeout
from ..db import Caller, Db
from ..imports.checks import Json, Wrong
from . import parts
from .ahead import in_order
from .links import KnownLinks
from .making import READERS, tasks_in
from .new_tasks import Form
from .objects import Batch, walk
from .reading import SMALL_BYTES, Broken, need_tasks
from .suggestions import Seen, suggestions
from .sync import BROKEN_OFF

#: Objects whose contents are read unless the caller says otherwise.
CONTENTS = 1_000
#: Larger objects are not opened to look.
MOST_BYTES = 256 * 2**20
#: So many objects in a row that their bucket did not send in time, and no more are asked for.
GIVE_UP_AFTER = 16
EXAMPLES = 10
#: Keys kept to try other filters on.
_SAMPLE = 2_000
_MOST_EXTENSIONS = 200


Progress = Callable[[int, int, str], None]


_REFUSALS: dict[type[BucketError], str] = {
    BucketDenied: "reading is refused", BucketUnreachable: "the bucket gives no answer", ObjectMissing: "gone meanwhile",
    ObjectTooLarge: "too large",
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What to look at. None leaves a setting as the row has it; an empty `regex_filter` is no filter.

    `contents`: so many new objects are opened, 0 for all. `prefix` is the path of local files.
    """

    prefix: str | None = None
    recursive: bool | None = None
    regex_filter: str | None = None
    use_blob_urls: bool | None = None
    contents: int = CONTENTS

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From plain data. Raises Invalid for a name that there is not, or a value of another type."""
        types = {"prefix": str, "regex_filter": str, "recursive": bool, "use_blob_urls": bool, "contents": int}
        for name, value in given.items():
            if name not in types or not (value is None or isinstance(value, types[name])):
                raise Invalid({name: [f"A dry run takes {', '.join(types)}."]})
        return cls(**{name: value for name, value in given.items() if value is not None})

    def applied(self, rules: ScanRules) -> ScanRules:
        """The rules with what differs from the row."""
        changed: dict[str, Any] = {}
        if self.prefix is not None:
            changed["prefix"] = self.prefix
        if rules.provider != "redis":
            if self.recursive is not None:
                changed["recursive"] = self.recursive
            if self.regex_filter is not None:
                changed["pattern"] = self.regex_filter or None
            if self.use_blob_urls is not None:
                changed["as_files"] = self.use_blob_urls
        return replace(rules, **changed)


@dataclass
class Opened:
    """What the contents of one object are: so many tasks, some left out, or a fault; `tasks` counts those before it."""

    tasks: int = 0
    rejected: list[str] = field(default_factory=list)
    dropped: int = 0
    fault: Broken | BucketError | None = None


@dataclass
class Look:
    """The dry run under way: counts, examples, and where Label Studio would stop."""

    rules: ScanRules
    bucket: Bucket
    form: Form
    options: Options
    progress: Progress
    stopped: Callable[[], bool]
    address: Callable[[str], str | None]
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Any]] = field(default_factory=dict)
    extensions: dict[str, Counter[str]] = field(default_factory=dict)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    stops: dict[str, Any] | None = None
    seen: Seen = field(default_factory=Seen)
    #: objects in a row that did not come
    silent: int = 0
    ended: bool = True
    #: large objects are opened one after the other
    one_large: threading.Lock = field(default_factory=threading.Lock)

    def at(self, batch: Batch) -> None:
        """Count one part of the listing."""
        for name, objects in (("filtered", batch.filtered), ("linked", batch.linked), ("new", batch.new)):
            self.counts[name] += len(objects)
            for info in objects:
                self.counts["bytes"] += info.size
                self._by_extension(info.key)[name] += 1
            self._example(name, [info.key for info in objects[:EXAMPLES]])
        self.counts["listed"] += len(batch.new) + len(batch.linked) + len(batch.filtered)
        self.counts["linked_tasks"] += batch.linked_tasks
        self.counts["folders"] += len(batch.folders)
        self._example("folders", batch.folders[:EXAMPLES])
        self.counts["broken_off"] += batch.broken_off
        self.seen.add(batch, _SAMPLE)
        self.progress(self.counts["listed"], 0, f"{self.counts['listed']:,} objects listed")

    def opened(self, info: ObjectInfo, found: Opened, unread: int) -> None:
        """Count the contents of one new object, in the order of the walk; `unread` of those before were not opened."""
        self.counts["read"] += 1
        self.counts["dropped"] += found.dropped
        self.counts["rejected"] += len(found.rejected)
        self._example("rejected", found.rejected)
        if found.fault is None:
            self.silent = 0
            self.counts["tasks"] += found.tasks
            self.counts["good"] += 1
            if not self.stops:
                self.counts["until_stop"] += found.tasks
            self.counts["empty"] += found.tasks == 0
            self._example("becoming", [{"key": info.key, "tasks": found.tasks}])
        else:
            self.silent += isinstance(found.fault, BucketUnreachable)
            self.fault(info, found.fault, found.tasks, unread)

    def fault(self, info: ObjectInfo, fault: Broken | BucketError, tasks_before: int = 0, unread: int = 0) -> None:
        """Count an object that a sync would stop at. Label Studio keeps the tasks of it that come before the fault."""
        reason = fault.reason if isinstance(fault, Broken) else _refusal(fault)
        kind = fault.kind if isinstance(fault, Broken) else type(fault).__name__
        fresh = {
            "reason": reason,
            "kind": kind,
            "count": 0,
            "told": str(fault),
            "statement": getattr(fault, "statement", ""),
        }
        told = self.faults.setdefault(reason, fresh | {"examples": []})
        told["count"] += 1
        self.counts["failing"] += 1
        self._by_extension(info.key)["failing"] += 1
        if len(told["examples"]) < EXAMPLES:
            told["examples"].append(info.key)
        if isinstance(fault, BucketDenied):
            self.seen.denied = str(fault)
        if self.stops is None:
            self.stops = {
                "key": info.key, "reason": reason, "told": str(fault),
                "tasks": self.counts["until_stop"] + tasks_before, "objects": self.counts["good"],
                "tasks_of_this_object": tasks_before, "certain": unread == 0,
            }  # fmt: skip

    def _by_extension(self, key: str) -> Counter[str]:
        name = extension(key)
        if name not in self.extensions and len(self.extensions) >= _MOST_EXTENSIONS:
            name = "others"
        return self.extensions.setdefault(name, Counter())

    def _example(self, name: str, some: list[Any]) -> None:
        kept = self.examples.setdefault(name, [])
        kept += some[: EXAMPLES - len(kept)]

    # --- contents

    def read_all(self, objects: Iterator[ObjectInfo]) -> None:
        """Open new objects in the order of the walk, as many as wanted."""
        large = 0
        wanted = self._wanted(objects)
        for (info, unread), found in in_order(lambda one: self._open(one[0]), wanted, threads=READERS, ahead=64):
            if found is None:
                large += 1
                self.counts["not_read"] += 1
            else:
                self.opened(info, found, unread + large)
            done = self.counts["listed"]
            self.progress(done, 0, f"{done:,} objects listed, {self.counts['read']:,} read")

    def _wanted(self, objects: Iterator[ObjectInfo]) -> Iterator[tuple[ObjectInfo, int]]:
        """Objects to open, or to refuse by their name, with the number of those before that are not opened."""
        taken = unread = 0
        for info in objects:
            if self.stopped():
                self.ended = False
                return
            if not self.rules.opens(info.key):
                yield info, unread
            elif self.options.contents and taken >= self.options.contents:
                unread += 1
                self.counts["not_read"] += 1
            else:
                taken += 1
                yield info, unread

    def _open(self, info: ObjectInfo) -> Opened | None:
        """None for an object that is too large to be opened for a look, and when the bucket has fallen silent."""
        found = Opened()
        try:
            need_tasks(info.key, self.rules)
            self.form.json.plain(info.key)
            if info.size > MOST_BYTES or self.silent >= GIVE_UP_AFTER:
                return None
            with self.one_large if info.size > SMALL_BYTES else nullcontext():
                for task in tasks_in(self.bucket, info, self.rules, self.form, found.rejected):
                    found.tasks += 1
                    found.dropped += task.dropped
        except Wrong as wrong:
            found.fault = Broken("a key that no database stores", f"{info.key!r}: {wrong}")
        except (Broken, BucketError) as fault:
            found.fault = fault
        return found

    def files(self, objects: Iterator[ObjectInfo]) -> None:
        """Each new object is a task that shows it; only a few addresses are made, as examples."""
        for info in objects:
            try:
                if not info.key.isascii() or "\0" in info.key:
                    self.form.json.plain(info.key)
            except Wrong as wrong:
                self.fault(info, Broken("a key that no database stores", f"{info.key!r}: {wrong}"))
                continue
            self.counts["tasks"] += 1
            self.counts["good"] += 1
            self.counts["until_stop"] += self.stops is None
            if len(self.examples.get("becoming", ())) < EXAMPLES:
                self._example("becoming", [{"key": info.key, "tasks": 1, "address": self.address(info.key)}])


def look(
    deployment: Deployment, storage: Storage | str, bucket: Bucket | None = None, *, options: Options | None = None,
    progress: Progress = lambda done, total, label: None, stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """What a sync of this source storage would do now, as plain data; see `_document` for its shape.

    Raises BucketError when the bucket cannot be listed, Refused for a target storage, NotFound.
    """
    started, options = time.monotonic(), options or Options()
    settings, schema = deployment.settings, deployment.schema
    with deployment.read() as session:
        db = Db(session, schema, Caller(0, "", None))
        found = find_storage(session, schema, storage) if isinstance(storage, str) else storage
        if found.kind.is_target:
            raise Refused(f"{found.reference} is a target storage; a sync of it brings no tasks.")
        project, known = parts.target(db, found), KnownLinks(db, found)
    saved = scan_rules(found, schema)
    rules = options.applied(saved)

    def address(key: str) -> str | None:
        try:
            return rules.address(key, local_root=str(settings.local_files_root), host=settings.label_studio_url or "")
        except ValueError as error:
            return str(error)

    form = Form(Json(deployment.kind == "postgresql"), project.controls)
    problem = ""
    with closing(bucket or open_bucket(rules.provider, found.row, Reach.of(settings))) as reached:
        here = Look(rules, reached, form, options, progress, stopped, address)
        try:
            _walk(here, known)
        except (PatternInvalid, PatternTimeout) as error:
            problem, here.stops = str(error), _stop(str(error), 0, 0, True)
            _sample(here, known)
        document = _document(found, saved, here, problem)
        document["suggestions"] = suggestions(here.seen, rules, reached, document)
    document |= {
        "complete": here.ended and not problem,
        "stopped": not here.ended,
        "seconds": round(time.monotonic() - started, 3),
    }
    listed = here.counts["listed"]
    progress(listed, listed, f"{listed:,} objects listed, {here.counts['read']:,} read")
    return document


def _walk(here: Look, known: KnownLinks) -> None:
    """List, and read or count what is new; `ended` tells whether it came to the end."""

    def new_objects() -> Iterator[ObjectInfo]:
        for batch in walk(here.bucket, here.rules, known):
            here.at(batch)
            yield from batch.new
            if here.stopped():
                here.ended = False
                return

    if here.rules.as_files:
        here.files(new_objects())
    else:
        here.read_all(new_objects())
    if here.ended and here.counts["broken_off"] and here.stops is None:
        here.stops = _stop(BROKEN_OFF, here.counts["until_stop"], here.counts["good"], here.counts["not_read"] == 0)


def _stop(reason: str, tasks: int, objects: int, certain: bool) -> dict[str, Any]:
    """Where a sync would end that is not an object's fault."""
    return {"key": None, "reason": reason, "told": reason, "tasks": tasks, "objects": objects,
            "tasks_of_this_object": 0, "certain": certain}  # fmt: skip


def _sample(here: Look, known: KnownLinks) -> None:
    """The start of the listing without the filter, which cannot be used: something to try other filters on."""
    here.counts.clear()
    here.examples.clear()
    for batch in walk(here.bucket, replace(here.rules, pattern=None), known):
        here.seen.add(Batch(filtered=batch.new + batch.linked, folders=batch.folders), _SAMPLE)
        if len(here.seen.filtered) >= _SAMPLE:
            break


def _document(storage: Storage, saved: ScanRules, here: Look, problem: str) -> dict[str, Any]:
    """The answer. `pattern_problem`: the filter cannot be used, and a sync would fail before it lists anything.

    `listed` all objects under the prefix, `filtered` those the filter refuses, `linked` those with tasks (`tasks` counts
    them), `new` the rest. `new.tasks` is what the objects that were read (all of them, as files) would become;
    `failing` objects end a sync of Label Studio's, `stops` names the first of them and how many tasks it makes till then.
    """
    counts, rules = here.counts, here.rules
    names = ("prefix", "recursive", "pattern", "as_files")
    return {
        "schema_version": 1, "storage": storage.reference, "title": storage.title, "project": storage.project_id,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": {name: getattr(rules, name) for name in names},
        "changed": [name for name in names if getattr(rules, name) != getattr(saved, name)],
        "pattern_problem": problem,
        "listed": {"objects": counts["listed"], "bytes": counts["bytes"], "broken_off": bool(counts["broken_off"])},
        "folders": {"count": counts["folders"], "examples": here.examples.get("folders", [])},
        "filtered": {"count": counts["filtered"], "examples": here.examples.get("filtered", [])},
        "linked": {"objects": counts["linked"], "tasks": counts["linked_tasks"],
                   "examples": here.examples.get("linked", [])},
        "new": {"objects": counts["new"], "tasks": counts["tasks"], "read": counts["read"],
                "not_read": counts["not_read"], "empty": counts["empty"], "examples": here.examples.get("becoming", [])},
        "failing": {"count": counts["failing"],
                    "reasons": sorted(here.faults.values(), key=lambda fault: -fault["count"])},
        "left_out": {"tasks": counts["rejected"], "examples": here.examples.get("rejected", []),
                     "annotations_or_predictions": counts["dropped"]},
        "stops": here.stops,
        "extensions": [
            {"extension": name or "none", **{state: by_state[state] for state in ("new", "linked", "filtered", "failing")}}
            for name, by_state in sorted(here.extensions.items(), key=lambda item: -item[1].total())[:50]
        ],
    }  # fmt: skip


def _refusal(error: BucketError) -> str:
    """What kept an object from being read, in words that are the same for all objects; the provider's code behind it."""
    word = next(
        (word for kind, word in _REFUSALS.items() if isinstance(error, kind)), "the bucket's answer makes no sense"
    )
    return f"{word} ({error.provider_code})" if error.provider_code else word
