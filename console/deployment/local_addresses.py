"""Addresses of local files in task data: which there are, what each means, and how Label Studio wants it written.

Label Studio serves a file as `/data/local-files/?d=` and its path below LOCAL_FILES_DOCUMENT_ROOT. People also write
what looks natural: an absolute path, `file://`, a drive letter, the address without `?d=`.

Source: `localfiles_data` in Label Studio's io_storages/localfiles/views.py and `get_data` in its models.py.
"""
# ruff: noqa: PTH118

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from .local_paths import is_below, normalized

VIEW = "/data/local-files"
#: Longest text that is taken for an address of a file.
LONGEST = 4096
_ADDRESS = re.compile(
    r"(?P<host>https?://[^/\s]+(?:/[^/\s?#]+)*)?/data/local-files(?P<slash>/?)(?P<rest>.*)", re.DOTALL
)
_DRIVE = re.compile(r"/?[A-Za-z]:[\\/](?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """One value of task data that means a local file. `form` is `right` or what is wrong with it; `path` is relative
    to the root, None where nobody can tell; `host` is what stands before the address."""

    value: str
    form: str
    path: str | None
    host: str = ""

    @property
    def wanted(self) -> str | None:
        """The value as Label Studio would write it."""
        return None if self.path is None else f"{self.host}{VIEW}/?d={quote(self.path)}"


class Reader:
    """Reads values against one document root and the directories of the storages.

    `exists` tells whether a path is there, None where the disk is not Label Studio's: then only the spelling decides.
    Without `known` the root is a guess, and absolute paths mean nothing that could be written another way.
    """

    def __init__(
        self,
        root: str,
        folders: Sequence[str] = (),
        exists: Callable[[str], bool] | None = os.path.exists,
        *,
        known: bool = True,
    ) -> None:
        self._root = normalized(root) or "/"
        places = [*(normalized(folder) for folder in folders), self._root]
        self._places = [place for place in places if place not in {"", "/"}]
        self._exists = exists
        self._known = known

    def read(self, value: str) -> Address | None:
        """What a value means; None for one that is no local file."""
        if not value.startswith(("/", "file:", "http")) and value[1:2] != ":":
            return None  # most values of most tasks
        if len(value) > LONGEST or "\0" in value or "\n" in value:
            return None
        if found := _ADDRESS.fullmatch(value):
            return self._address(value, found["host"] or "", bool(found["slash"]), found["rest"])
        if value.startswith("file:"):
            path = unquote(re.sub(r"^file:/*", "/", value))
            return self._foreign(value, "file_scheme", path)
        if found := _DRIVE.fullmatch(value):
            return self._foreign(value, "drive_letter", value)
        path = normalized(value) if value.startswith("/") else ""
        if path and any(is_below(path, folder) and path != folder for folder in self._places):
            return self._foreign(value, "absolute_path", value)
        return None

    def values(self, data: Any) -> Iterator[Address]:
        """Every local file that a task's data names, at any depth."""
        if isinstance(data, str):
            if found := self.read(data):
                yield found
        elif isinstance(data, dict | list):
            for item in data.values() if isinstance(data, dict) else data:
                yield from self.values(item)

    def rewritten(self, data: Any) -> Any:
        """The same data with every address as Label Studio wants it, as far as that can be told."""
        if isinstance(data, str):
            found = self.read(data)
            return found.wanted if found and found.form != "right" and found.wanted else data
        if isinstance(data, dict):
            return {name: self.rewritten(item) for name, item in data.items()}
        return [self.rewritten(item) for item in data] if isinstance(data, list) else data

    def _address(self, value: str, host: str, slash: bool, rest: str) -> Address | None:
        if rest and not slash and not rest.startswith("?"):
            return None  # another view, of a longer name
        query = dict(part.partition("=")[::2] for part in rest.partition("?")[2].partition("#")[0].split("&"))
        if "d" not in query:
            path = _relative(unquote(rest.partition("?")[0]))
            return Address(value, "no_query", self._below(path) if path else None, host)
        told = unquote(query["d"])
        path = self._below(_relative(told.replace("\\", "/")))
        if not slash:
            form = "no_slash"
        elif "\\" in told:
            form = "backslash"
        elif path != _relative(told):
            form = "root_repeated"
        else:
            form = "right"
        return Address(value, form, path, host)

    def _below(self, path: str) -> str:
        """A relative path that repeats the root loses it, unless the file is there as it is written."""
        repeated = self._root.strip("/")
        if not repeated or not is_below(path, repeated) or path == repeated:
            return path
        if self._exists and self._exists(os.path.join(self._root, path)):
            return path
        return path[len(repeated) + 1 :]

    def _foreign(self, value: str, form: str, path: str) -> Address:
        path = normalized(path)
        if not self._known:
            return Address(value, form, None)
        if is_below(path, self._root) and path != self._root and not _DRIVE.fullmatch(path):
            return Address(value, form, posixpath.relpath(path, self._root))
        return Address(value, form, self.nearest(path))

    def nearest(self, path: str) -> str | None:
        """The longest end of a foreign path that is there below the root, relative to it."""
        if self._exists is None or self._root == "/":
            return None
        parts = [part for part in re.sub(r"^/?[A-Za-z]:", "", path.replace("\\", "/")).split("/") if part]
        if ".." in parts:
            return None
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            if self._exists(os.path.join(self._root, end)):
                return end
        return None


def _relative(path: str) -> str:
    """As the view reads `d`: one way of writing, no slash in front."""
    return posixpath.normpath(path).lstrip("/") if path.strip("/") else ""
