"""The access matrix of one storage: everything that Label Studio, a browser or a target needs of it, tried once.

Looking writes nothing. PUT and DELETE are tried with consent alone, with an object of our own that is removed again.
The whole look ends in time, also when the bucket never answers: what was not reached by then is unknown.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..deployment import Deployment
from ..deployment.buckets import (
    Bucket,
    BucketBlocked,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketUnreachable,
    ObjectInfo,
    ObjectMissing,
    Reach,
    Timeouts,
    Unsupported,
    folder_of,
    open_bucket,
)
from ..deployment.storage_rules import ScanRules, scan_rules
from ..deployment.storages import Storage
from ..errors import ConsoleError
from ..masking import mask_text
from ..patterns import PatternInvalid, PatternTimeout, match_all
from . import policies
from .cells import OPERATIONS, Cell, Matrix
from .endpoints import Endpoint, endpoint_of, region_of
from .idle import WRITES, idle
from .links import Link
from .origin import origin_of
from .samples import linked_key, shown_key

#: The longest that one storage may take.
LOOK_SECONDS = 20.0
TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5)
#: Objects listed to choose one from.
LISTED = 200
MARKER = ".lsconsole-probe-"
MARKER_BODY = b'{"note": "LS Console tried whether it may write here; this object may be removed."}'


def look(deployment: Deployment, storage: Storage, *, consent: bool = False, seconds: float = LOOK_SECONDS) -> Matrix:
    """Try everything. `consent`: also write and remove a marker object, whatever the storage's direction."""
    trial = Trial(deployment, storage, consent=consent, seconds=seconds)
    worker = threading.Thread(target=trial.run, name=f"matrix {storage.reference}", daemon=True)
    worker.start()
    worker.join(seconds)
    return trial.result()


class Trial:
    """One look at one storage; `run` fills the cells one by one, `result` may be asked for at any time."""

    def __init__(self, deployment: Deployment, storage: Storage, *, consent: bool, seconds: float) -> None:
        settings = deployment.settings
        self.storage, self.consent = storage, consent
        self.is_target = storage.kind.is_target
        self.reach = Reach.of(settings, TIMEOUTS)
        self.around = policies.Surroundings.of(settings)
        self.origin = origin_of(settings.label_studio_url)
        self.rules: ScanRules = scan_rules(storage, deployment.schema)
        with deployment.read() as session:
            self.known = linked_key(session, deployment.schema, storage)
            self.shown = shown_key(session, storage, self.rules)
        self.key: str | None = None
        self.marker: str | None = None
        self._left = ""
        self._cells: dict[str, Cell] = {}
        self._now, self._why_not = "resolve", ""
        self._crash: BaseException | None = None
        self._started = time.monotonic()
        self._deadline = self._started + seconds
        self._seconds = seconds
        self._endpoint: Endpoint | None = None
        self._link: Link | None = None

    def result(self) -> Matrix:
        """What is known by now. Raises what went wrong in us, never what went wrong over there."""
        if self._crash is not None:
            raise self._crash
        cells = dict(self._cells)
        late = [operation for operation in OPERATIONS if operation not in cells]
        for operation in late:
            told = f"There was no answer within {self._seconds:g} s."
            if self.marker and operation in WRITES:
                told = f"{told} {self.marker} may be left in the bucket: look for it, and remove it."
            elif operation != late[0]:
                told = f"Not reached: {late[0].upper()} took all {self._seconds:g} s."
            cells[operation] = self._idle(operation) or Cell(operation, "unknown", told)
        spent = round(time.monotonic() - self._started, 3)
        return Matrix(
            self.storage.reference, mask_text(self.storage.title), self.origin or "", self.key and mask_text(self.key),
            tuple(cells[operation] for operation in OPERATIONS), spent,
        )  # fmt: skip

    # --- in order

    def run(self) -> None:
        """Every operation in its order; after an address that does not answer nothing more is asked."""
        try:
            self._resolve()
            with contextlib.ExitStack() as stack:
                bucket = None if self._why_not else self._opened(stack)
                if bucket is not None:
                    stack.callback(self._clean, bucket)
                for operation in OPERATIONS[1:]:
                    self._cells[operation] = self._next(operation, bucket)
                    if operation == "list" and bucket is not None and not self._why_not:
                        self._compare_region(bucket)
        except BaseException as error:
            self._crash = error

    def _next(self, operation: str, bucket: Bucket | None) -> Cell:
        idle = self._idle(operation)
        if idle is not None:
            return idle
        if bucket is None or self._why_not:
            return Cell(operation, "unknown", f"Not tried: {self._why_not}")
        leaves_marker = operation == "delete" and self.marker is not None  # removed however late it is
        if time.monotonic() > self._deadline and not leaves_marker:
            return Cell(operation, "unknown", f"Not reached within {self._seconds:g} s.")
        tries: dict[str, Callable[[Bucket], Cell]] = {
            "list": self._list, "get": self._get, "head": self._head, "put": self._put, "delete": self._delete,
        }  # fmt: skip
        return (tries.get(operation) or self._browser(operation))(bucket)

    def _idle(self, operation: str) -> Cell | None:
        """A cell that is not tried, and why."""
        shows_files = self.rules.as_files or self.shown is not None
        return idle(self.storage, operation, consent=self.consent, origin=self.origin, shows_files=shows_files)

    # --- the address

    def _resolve(self) -> None:
        started = time.monotonic()
        try:
            self._endpoint = endpoint_of(self.storage, self.reach)
            cell = self._directory() if self._endpoint is None else self._address(self._endpoint)
        except BucketError as error:
            cell = self._failed("resolve", error)
        self._cells["resolve"] = replace(cell, seconds=_since(started))
        if cell.state == "failed":
            self._why_not = f"the address is out of reach. {cell.message}"

    def _address(self, endpoint: Endpoint) -> Cell:
        addresses = endpoint.addresses(self.reach)
        detail: dict[str, Any] = {"host": endpoint.host, "port": endpoint.port, "addresses": addresses[:8]}
        named = "" if addresses == [endpoint.host] else f" is {', '.join(addresses[:3])}"
        region = ""
        if self.storage.kind.provider == "s3":
            detail["region"] = region_of(self.storage, self.reach)
            region = f", region {detail['region']}"
        return Cell("resolve", "ok", f"{endpoint.host}:{endpoint.port}{named}{region}.", detail=detail)

    def _compare_region(self, bucket: Bucket) -> None:
        """Links are signed for the region that the storage names; listing and reading find their way from a wrong one."""
        ask: Callable[[], str | None] | None = getattr(bucket, "true_region", None)
        if ask is None:
            return
        named = region_of(self.storage, self.reach)
        try:
            right = ask()
        except BucketError:
            return  # LIST says it better
        if right and right != named:
            told = f"The bucket is in the region {right}, and this storage signs for {named}: links do not open."
            self._cells["resolve"] = replace(
                self._cells["resolve"],
                state="failed",
                message=told,
                code="wrong region",
                statement=f"region_name: {right}",
            )

    def _directory(self) -> Cell:
        """Local files: the path as Label Studio's own test judges it."""
        with contextlib.ExitStack() as stack:
            bucket = self._opened(stack)
            if bucket is None:
                return Cell("resolve", "failed", self._why_not)
            bucket.validate(self.rules.prefix, self.is_target)
            return Cell("resolve", "ok", f"{bucket.where} is there, below {self.reach.local_root}.")

    def _opened(self, stack: contextlib.ExitStack) -> Bucket | None:
        try:
            bucket = open_bucket(self.storage.kind.provider, self.storage.row, self.reach)
        except BucketError as error:
            self._cells["resolve"] = self._failed("resolve", error)
            self._why_not = str(error)
            return None
        stack.callback(bucket.close)
        return bucket

    # --- with the storage's own credentials

    def _list(self, bucket: Bucket) -> Cell:
        started = time.monotonic()
        if self.is_target:
            return self._asked(
                "list", lambda: bucket.validate(self.rules.prefix, True), "Label Studio's connection test passes."
            )
        try:
            listing = bucket.list(self.rules.prefix, self.rules.recursive, LISTED)
            told = f"{_objects(len(listing.keys), listing.truncated)}{self._below()}."
            keys = listing.keys
            if not keys and listing.common_prefixes:
                told = f"Nothing lies directly{self._below()}; {len(listing.common_prefixes):,} folders there are not entered."
                keys = bucket.list(self.rules.prefix, True, LISTED).keys
            self.key = self._chosen(keys) or self.known
            bucket.validate(self.rules.prefix, False)
        except Unsupported:
            return Cell("list", "not_applicable", "This provider knows no listing.", seconds=_since(started))
        except BucketError as error:
            self.key = self.key or self.known
            cell = self._failed("list", error)
            if isinstance(error, BucketUnreachable | BucketMissing | BucketBlocked):
                self._why_not = str(error)
            return replace(cell, seconds=_since(started))
        return Cell("list", "ok", told, seconds=_since(started), detail={"objects": len(listing.keys)})

    def _below(self) -> str:
        return f" below “{mask_text(self.rules.prefix)}”" if self.rules.prefix else " at the top of the bucket"

    def _chosen(self, objects: list[ObjectInfo]) -> str | None:
        """An object that a sync would take, with something in it, if there is one."""
        keys = [item.key for item in objects if item.size] or [item.key for item in objects]
        with contextlib.suppress(PatternInvalid, PatternTimeout):
            if self.rules.pattern:
                subjects = [self.rules.subject(key) for key in keys]
                taken = [key for key, hit in zip(keys, match_all(self.rules.pattern, subjects), strict=True) if hit]
                keys = taken or keys
        return next((key for key in keys if self.rules.as_files or self.rules.opens(key)), next(iter(keys), None))

    def _get(self, bucket: Bucket) -> Cell:
        return self._of_object("get", lambda key: bucket.get_range(key, 0, 0), "The first byte is read.")

    def _head(self, bucket: Bucket) -> Cell:
        return self._of_object("head", bucket.head, "Size and type are told.")

    def _of_object(self, operation: str, call: Callable[[str], object], told: str) -> Cell:
        key = self.key
        if key is None:
            return Cell(operation, "unknown", "There is no object to try it with.")
        cell = self._asked(operation, lambda: call(key), told)
        return replace(cell, detail={**cell.detail, "key": mask_text(key)})

    # --- as a browser

    def _browser(self, operation: str) -> Callable[[Bucket], Cell]:
        def asked(bucket: Bucket) -> Cell:
            key = self.key if self.rules.as_files else self.shown
            if key is None:
                return Cell(operation, "unknown", "There is no object to try it with.")
            if not self.storage.get("presign", True):
                return self._part_through_label_studio(bucket, key)
            if self._link is None and operation == "presign":
                made = self._signed(bucket, key)
                if made is not None:
                    return made
            if self._link is None:
                return Cell(operation, "unknown", "Not tried: no link could be signed.")
            tries = {
                "presign": self._link.opened, "range": self._link.in_part, "preflight": self._link.preflight,
                "simple": self._link.simple,
            }  # fmt: skip
            cell = tries[operation]()
            return replace(cell, detail={**cell.detail, "key": mask_text(key)})

        return asked

    def _signed(self, bucket: Bucket, key: str) -> Cell | None:
        """Sign a link as Label Studio would; a cell when that is refused already."""
        minutes = self.storage.get("presign_ttl")
        try:
            url = bucket.presign(key, 60 * (minutes if isinstance(minutes, int) and minutes > 0 else 1))
        except BucketError as error:
            return self._failed("presign", error)
        assert self._endpoint is not None  # what has signed links has an address
        self._link = Link(
            url, self.origin, self._endpoint, self.reach,
            lambda operation: policies.statement(self.storage, operation, self.around), lambda: _cors_in_words(bucket),
            seconds=TIMEOUTS.read_seconds,
        )  # fmt: skip
        return None

    def _part_through_label_studio(self, bucket: Bucket, key: str) -> Cell:
        def part() -> None:
            stream = bucket.stream(key, "bytes=0-1")
            stream.close()
            if stream.status != 206:
                raise BucketError(
                    "A part is answered with the whole file: seeking in audio and video does not work.",
                    str(stream.status),
                )

        return self._asked("range", part, "A part is answered with a part, as the media proxy of Label Studio asks.")

    # --- writing

    def _put(self, bucket: Bucket) -> Cell:
        folder = (
            self.rules.prefix.rstrip("/") + "/"
            if self.storage.kind.provider == "localfiles"
            else folder_of(self.storage.get("prefix"))
        )
        if self.storage.kind.provider == "redis":
            folder = "" if self.is_target else self.rules.prefix
        self.marker = f"{folder}{MARKER}{secrets.token_hex(8)}"
        marker = self.marker
        cell = self._asked("put", lambda: bucket.put(marker, MARKER_BODY), "A marker object is written.")
        return replace(cell, detail={**cell.detail, "key": mask_text(marker)})

    def _delete(self, bucket: Bucket) -> Cell:
        """Of the marker, also when writing it was refused: clouds ask for the right before they look for the object."""
        marker, wrote = self.marker or "", self._cells["put"].state
        if wrote != "ok" and self.storage.kind.provider == "localfiles":
            return Cell("delete", "unknown", "Nothing could be written, so there is nothing to remove.")
        told = "The marker object is removed again." if wrote == "ok" else "Objects may be removed."
        cell = self._asked("delete", lambda: bucket.delete(marker), told)
        if cell.state == "failed" and wrote == "ok":
            told = f"{cell.message.rstrip('.')}. The marker {mask_text(marker)} stays in the bucket: remove it by hand."
            cell = replace(cell, message=told)
        return replace(cell, detail={**cell.detail, "key": mask_text(marker)})

    def _clean(self, bucket: Bucket) -> None:
        """The marker goes too when something of ours broke between writing and removing it."""
        if self.marker and "delete" not in self._cells:
            with contextlib.suppress(BucketError):
                bucket.delete(self.marker)

    # --- answers

    def _asked(self, operation: str, call: Callable[[], object], told: str) -> Cell:
        started = time.monotonic()
        try:
            call()
        except Unsupported as error:
            return Cell(operation, "not_applicable", str(error), seconds=_since(started))
        except ObjectMissing as error:
            return Cell(
                operation,
                "unknown",
                f"{error} It was there a moment ago, or is known from a task.",
                seconds=_since(started),
            )
        except BucketError as error:
            return replace(self._failed(operation, error), seconds=_since(started))
        return Cell(operation, "ok", told, seconds=_since(started))

    def _failed(self, operation: str, error: BucketError) -> Cell:
        statement, told = "", str(error)
        if isinstance(error, BucketDenied) and error.statement:
            own = self.storage.kind.provider != "s3" or "kms:" in error.statement
            statement = error.statement if own else policies.statement(self.storage, operation, self.around)
            told = told.replace(f"; allow it: {error.statement}", ".")  # it stands in a place of its own
        elif self.storage.kind.provider == "localfiles":
            statement = policies.statement(self.storage, operation, self.around)
        return Cell(operation, "failed", mask_text(told), error.provider_code, statement)


def _cors_in_words(bucket: Bucket) -> str:
    """What the bucket's own rules say, where they may be read."""
    try:
        rules = bucket.cors()
    except ConsoleError:
        return ""
    if not rules:
        return "The bucket has no CORS rules."
    told = "; ".join(f"{', '.join(rule.methods)} for {', '.join(rule.origins)}" for rule in rules[:5])
    return f"Its rules allow {mask_text(told[:300])}."


def _objects(number: int, more: bool) -> str:
    return f"{number:,}{' or more' if more else ''} {'object' if number == 1 and not more else 'objects'}"


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
