"""Paths on this machine as Label Studio spells, walks and sorts them.

Names that are no UTF-8 are handed out with surrogates in them; no database can hold those, see `has_key`.

Source: `normalize_storage_path` and `iter_objects` in Label Studio's io_storages/localfiles; the order of pathlib's
`glob` and `rglob` in Python 3.10 to 3.12, which its images run.
"""
# A listing holds paths by the million; a Path of each would cost more than the listing itself.

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

#: Paths sorted in memory at a time; longer listings are sorted on disk.
RUN_PATHS = 200_000
#: What the kernel makes up: our own environment, and that of whoever runs beside us.
MADE_UP = ("/proc", "/sys")
#: What pathlib takes for "no such file".
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}


def normalized(path: str) -> str:
    """A path as Label Studio stores it: no blanks around it, slashes one way, no `.`, `..` and slash at the end.

    Source: `normalize_storage_path`, from release 1.23 on; older ones store what was typed.
    """
    path = path.strip().replace("\\", "/")
    return os.path.normpath(path) if path else ""


def is_below(path: str, folder: str) -> bool:
    """Whether a path is the folder or lies in it, by its spelling."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_private(path: str, own_dir: str | None) -> bool:
    """Whether a path leads, over whatever links, to what no storage may hand out: what the kernel makes up, and the files
    of the console itself, its state and its secret key, that lie directly in `own_dir`."""
    real = os.path.realpath(path)
    ours = own_dir is not None and real.rpartition("/")[0] == os.path.realpath(own_dir)
    return ours or any(is_below(real, made_up) for made_up in MADE_UP)


def walk(top: str, recursive: bool) -> Iterator[str]:
    """Paths of files in the order in which pathlib's `glob("*")` or `rglob("*")` meets them, links to files among
    them. A directory below the top that cannot be opened is passed over, as there. Names that are no UTF-8 hold
    surrogates. Raises OSError."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except PermissionError:
            continue
        except OSError as error:
            if error.errno in ABSENT and folder != top:  # gone meanwhile
                continue
            raise
        inner = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                inner.append(entry.path)
            elif _is_file(entry):
                yield entry.path
        if recursive:
            waiting += reversed(inner)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        return False


def has_key(path: str) -> bool:
    """Whether a path is text that a database can hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def sorted_by_name(paths: Iterable[str], stack: contextlib.ExitStack) -> Iterator[str]:
    """Paths by the name of the file, those of one name as they came. Long lists are sorted on disk, run by run."""
    paths = filter(has_key, paths)
    runs: list[Iterable[str]] = []
    while True:
        run = sorted(islice(paths, RUN_PATHS), key=os.path.basename)
        if len(run) < RUN_PATHS:
            runs.append(run)
            return heapq.merge(*runs, key=os.path.basename)
        spilled = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n"))  # noqa: SIM115
        # a path may hold line ends and no NUL
        spilled.writelines(path.replace("\n", "\0") + "\n" for path in run)
        spilled.seek(0)
        runs.append(_lines(spilled))


def _lines(spilled: IO[str]) -> Iterator[str]:
    for line in spilled:
        yield line[:-1].replace("\0", "\n")
