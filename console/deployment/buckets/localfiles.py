"""Directories on this machine, walked, sorted and judged as Label Studio does with its local-files storages.

A key is the absolute path of a file. Label Studio judges paths as text: a storage lies below
LOCAL_FILES_DOCUMENT_ROOT by its spelling, and a symbolic link in it is followed wherever it leads, so links count and
are read here too. Directories that are links are not entered. What the kernel makes up (`/proc`, `/sys`) is
never read, for it holds our own environment; nor are the console's own files, nor anything that is no regular file.

A file whose name is no UTF-8 has no key: no database of Label Studio can hold one, and its sync breaks there.
`walk` hands such names out for whoever has to tell.

Source: `LocalFilesMixin` and `iter_objects` in Label Studio's io_storages/localfiles/models.py; the order of pathlib's
`glob` and `rglob` in Python 3.10 to 3.12, which its images run.
"""
# A listing holds paths by the million; a Path of each would cost more than the listing itself.
# ruff: noqa: PTH105, PTH108, PTH116, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import contextlib
import errno
import heapq
import mimetypes
import os
import secrets
import shlex
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO

from ..local_paths import ABSENT, RUN_PATHS, has_key, is_below, is_private, normalized, sorted_by_name, walk
from . import (
    PAGE_KEYS,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    CorsRule,
    Listing,
    ObjectInfo,
    ObjectMissing,
    ObjectTooLarge,
    Page,
    Reach,
    Stream,
    Unsupported,
)
from .ranges import span_of

CHUNK_BYTES = 256 * 1024
#: Folders that a listing which enters none of them names.
MOST_FOLDERS = 1000
_HINT = (
    ' Community tip: create a "mydata" or "label-studio-data" directory next to the Label Studio '
    "command to auto-enable LOCAL_FILES_DOCUMENT_ROOT when the environment variables are unset."
)


def open_bucket(row: Mapping[str, Any], reach: Reach) -> LocalFiles:
    """From a row of `io_storages_localfilesmixin`. What is wrong with its path is told at the first question."""
    path = normalized(str(row.get("path") or ""))
    return LocalFiles(path, reach.local_root, reach.local_serving, reach.own_dir)


class LocalFiles:
    """See `Bucket`. Threads may share it."""

    def __init__(self, path: str, root: str, serving: bool, own_dir: str | None) -> None:
        self.where = path
        self._path = path
        self._root = os.path.normpath(root)
        self._serving = serving
        self._own_dir = own_dir

    def close(self) -> None:
        """Nothing is held open."""

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        top = self._top(prefix)
        folders = [] if recursive else _folders(top)
        with contextlib.ExitStack() as stack:
            paths = _in_order(top, recursive, stack)
            while True:
                with _told("list", top, top):
                    batch = list(islice(paths, PAGE_KEYS))
                yield Page([found for path in batch if (found := self._info(path))], folders)
                folders = []
                if len(batch) < PAGE_KEYS:
                    return

    def list(self, prefix: str | None, recursive: bool, limit: int) -> Listing:
        top, limit = self._top(prefix), max(limit, 0)
        if limit > RUN_PATHS:
            objects: list[ObjectInfo] = []
            for page in self.pages(prefix, recursive):
                objects += page.objects
                if len(objects) > limit:
                    break
        else:  # every path is looked at, few are kept
            with _told("list", top, top):
                first = heapq.nsmallest(limit + 1, filter(has_key, walk(top, recursive)), key=os.path.basename)
            objects = [found for path in first if (found := self._info(path))]
        return Listing(objects[:limit], len(objects) > limit, [] if recursive else _folders(top))

    def starts_with(self, prefix: str) -> bool:
        """Whether there is a file whose path starts so."""
        top = self._top(os.path.dirname(prefix) or self._path)
        with _told("list", top, top):
            return any(path.startswith(prefix) for path in walk(top, recursive=True) if has_key(path))

    def validate(self, prefix: str | None, is_target: bool) -> None:
        """Label Studio's tests in its order and words. It does not ask whether the path is a directory."""
        path, root = normalized(prefix or self._path), self._root
        example = os.path.join(root, "dataset1")
        if not path:
            raise BucketProblem("Path must be set for Local Files storage")
        with _told("validate", path, path):
            try:
                os.stat(path if path.startswith("/") and "\0" not in path else "")
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                raise BucketMissing(f'Absolute local path "{path}" does not exist') from None
        if path == root:
            raise BucketProblem(
                f'Absolute local path "{path}" cannot be the same as LOCAL_FILES_DOCUMENT_ROOT="{root}" by security '
                f'reasons. Please add a subdirectory. For example: "{example}".'
            )
        if not is_below(path, root):
            raise BucketProblem(
                f'Absolute local path "{path}" must be a subdirectory of LOCAL_FILES_DOCUMENT_ROOT="{root}" by '
                f'security reasons. For example: "{example}".'
            )
        if not self._serving:
            raise BucketProblem(
                "Serving local files from the host filesystem can be a security risk, so "
                "LOCAL_FILES_SERVING_ENABLED is disabled by default. To enable Local Files storage, set the "
                'LOCAL_FILES_SERVING_ENABLED environment variable to "true" and restart Label Studio. See '
                f"https://labelstud.io/guide/storage.html#Local-storage for details.\n\n{_HINT}"
            )

    def head(self, key: str) -> ObjectInfo:
        with self._opened(key, "head") as file:
            return _described(self._inside(key), os.fstat(file.fileno()))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        with self._opened(key, "get") as file, _told("get", key, key):
            file.seek(start)
            return file.read(max(end - start + 1, 0))

    def read(self, key: str, most_bytes: int) -> bytes:
        with self._opened(key, "get") as file, _told("get", key, key):
            body = file.read(most_bytes + 1) if os.fstat(file.fileno()).st_size <= most_bytes else None
        if body is None or len(body) > most_bytes:
            raise ObjectTooLarge(f"{_shown(key)} is larger than {most_bytes:,} bytes.")
        return body

    def stream(self, key: str, byte_range: str | None = None) -> Stream:
        file = self._opened(key, "get")
        try:
            told = _described(key, os.fstat(file.fileno()))
            span = span_of(byte_range, told.size)
            file.seek(span[0] if span else 0)
        except BucketError:
            file.close()
            raise
        length = span[1] - span[0] + 1 if span else told.size
        return Stream(
            206 if span else 200, _chunks(file, length, key), file.close, length, told.content_type,
            f"bytes {span[0]}-{span[1]}/{told.size}" if span else None, told.etag, told.modified,
        )  # fmt: skip

    def presign(self, key: str, seconds: int, method: str = "GET") -> str:
        raise Unsupported("Local files have no signed addresses; Label Studio serves them itself.")

    def cors(self) -> tuple[CorsRule, ...]:
        raise Unsupported("Local files have no CORS rules; they come from Label Studio's own address.")

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        """Write a file whole or not at all. Owner and mode are those of the file it replaces, or else the owner of its
        directory, as far as we may set them: Label Studio has to be able to write it again."""
        path = self._writable(key)
        part = f"{os.path.dirname(path)}/.{os.path.basename(path)[:200]}.{secrets.token_hex(6)}.part"
        with _told("put", path, os.path.dirname(path)):
            try:
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
                with open(handle, "wb") as file:
                    _belong(file.fileno(), path)
                    file.write(body)
                os.replace(part, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(part)
                raise

    def delete(self, key: str) -> None:
        path = self._writable(key)
        with _told("delete", path, os.path.dirname(path)), contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def _top(self, prefix: str | None) -> str:
        """The directory to walk. Raises BucketProblem outside of the storage or the root, BucketMissing."""
        top = self._inside(normalized(prefix or "") or self._path)
        with _told("list", top, top):
            if not stat.S_ISDIR(os.stat(top).st_mode):
                raise BucketProblem(f"{_shown(top)} is a file; a storage names the directory that holds its files.")
            os.scandir(top).close()
        return top

    def _inside(self, key: str) -> str:
        """The path of a key. Raises BucketProblem for one outside of this storage, and for a storage that no root
        allows."""
        if not self._path.startswith("/") or "\0" in self._path:
            named = f"{_shown(self._path)} is no absolute path" if self._path else "This storage names no directory"
            raise BucketProblem(f"{named}; write the path from / on, as the container sees it.")
        if not is_below(self._path, self._root) or self._path == self._root:
            raise BucketProblem(
                f"{_shown(self._path)} does not lie below {_shown(self._root)}, the LOCAL_FILES_DOCUMENT_ROOT in use here."
            )
        path = os.path.normpath(os.path.join(self._path, key)) if "\0" not in key else ""
        if not is_below(path, self._path):
            raise BucketProblem(f"{_shown(key)} lies outside of this storage's directory, {_shown(self._path)}.")
        return path

    def _need_told(self) -> None:
        """With neither setting told, a row alone would decide which of this machine's files are read."""
        if self._root == "/" and not self._serving:
            raise BucketProblem(
                "Local files are not read or written here: set LOCAL_FILES_SERVING_ENABLED and LOCAL_FILES_DOCUMENT_ROOT "
                "as Label Studio has them."
            )

    def _opened(self, key: str, operation: str) -> BinaryIO:
        self._need_told()
        path = self._inside(key)
        with _told(operation, path, path):
            if is_private(path, self._own_dir):
                raise BucketProblem(
                    f"{_shown(path)} leads to what the kernel makes up, or to a file of the console; those are never read."
                )
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                os.close(handle)
                raise ObjectMissing(f"{_shown(path)} is no file.")
            return open(handle, "rb")

    def _writable(self, key: str) -> str:
        self._need_told()
        path = self._inside(key)
        inside = is_below(os.path.realpath(os.path.dirname(path)), os.path.realpath(self._path))
        if path == self._path or not inside or not has_key(path):
            raise BucketProblem(f"{_shown(key)} cannot be written: it is no name of a file in {_shown(self._path)}.")
        return path

    def _info(self, path: str) -> ObjectInfo | None:
        """What a listing tells of a path; None for what is no file, or gone by now."""
        try:
            with _told("list", path, os.path.dirname(path)):
                found = os.stat(path)
        except ObjectMissing:
            return None
        return _described(path, found) if stat.S_ISREG(found.st_mode) and has_key(path) else None


def _in_order(top: str, recursive: bool, stack: contextlib.ExitStack) -> Iterator[str]:
    with _told("list", top, top):
        return sorted_by_name(walk(top, recursive), stack)


def _folders(top: str) -> list[str]:
    with _told("list", top, top), os.scandir(top) as found:
        folders = (f"{entry.path}/" for entry in found if entry.is_dir(follow_symlinks=False) and has_key(entry.path))
        return sorted(islice(folders, MOST_FOLDERS))


def _described(path: str, found: os.stat_result) -> ObjectInfo:
    """Type and etag as Label Studio's view of local files tells them."""
    kind, encoding = mimetypes.guess_type(path)
    return ObjectInfo(
        path, found.st_size, f"{found.st_mtime_ns:x}-{found.st_size:x}",
        datetime.fromtimestamp(found.st_mtime, UTC), kind or "application/octet-stream", encoding,
    )  # fmt: skip


def _chunks(file: BinaryIO, length: int, path: str) -> Iterator[bytes]:
    while length > 0:
        with _told("get", path, path):
            chunk = file.read(min(CHUNK_BYTES, length))
        if not chunk:
            return
        length -= len(chunk)
        yield chunk


def _belong(handle: int, path: str) -> None:
    try:
        before, mode = os.stat(path), True
    except FileNotFoundError:
        before, mode = os.stat(os.path.dirname(path)), False
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.fchown(handle, before.st_uid, before.st_gid)
    if mode:
        os.fchmod(handle, stat.S_IMODE(before.st_mode))


@contextlib.contextmanager
def _told(operation: str, path: str, place: str) -> Iterator[None]:
    """The system's refusals in our words. `place` is what the command for a missing permission names."""
    try:
        yield
    except OSError as error:
        path, place = path or str(error.filename or ""), place or os.path.dirname(str(error.filename or ""))
        if error.errno in ABSENT:
            if operation in {"head", "get"} or (operation == "list" and path != place):
                raise ObjectMissing(f"There is no file {_shown(path)} on this machine.") from None
            raise BucketMissing(
                f"There is no directory {_shown(place)} on this machine; is the volume mounted here?"
            ) from None
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise _denied(operation, path, place, error) from None
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise BucketProblem(f"{_shown(path)} cannot be used: {reason}.") from None


def _denied(operation: str, path: str, place: str, error: OSError) -> BucketDenied:
    code = errno.errorcode.get(error.errno or 0, "")
    doing = {"put": "write", "delete": "delete", "list": "look into"}.get(operation, "read")
    if error.errno == errno.EROFS:
        return BucketDenied(f"{_shown(path)} lies on a read-only mount; mount it for writing.", operation, code)
    quoted = shlex.quote(_text(place))
    writing = f"chown :{os.getegid()} {quoted} && chmod g+rwx {quoted}"
    statement = writing if operation in {"put", "delete"} else f"chmod -R a+rX {quoted}"
    message = f"User id {os.geteuid()} may not {doing} {_shown(path)}; allow it: {statement}"
    return BucketDenied(message, operation, code, statement)


def _text(path: str) -> str:
    """A path that a page can show, whatever bytes it is made of."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _shown(path: str) -> str:
    path = _text(path)
    return repr(path if len(path) <= 200 else path[:200] + "…")
