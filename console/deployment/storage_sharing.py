"""Which storages look at the same objects: two sources on one place make every task twice, a target's files may be read
back as tasks, and an object that is removed for one is gone for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .buckets import folder_of
from .storage_list import StorageLine

How = Literal["the same place", "lies inside", "lies around"]


@dataclass(frozen=True)
class Share:
    """A storage and another one that sees some of its objects: `how` the other's place lies to its own."""

    line: StorageLine
    other: StorageLine
    how: How


def sharing(line: StorageLine, others: Iterable[StorageLine]) -> list[Share]:
    """The others that see objects of this one, in their order."""
    bucket, folder = _place(line)
    found = []
    for other in others:
        its_bucket, its_folder = _place(other)
        if other.reference == line.reference or its_bucket != bucket or not bucket[-1]:
            continue
        if its_folder == folder:
            found.append(Share(line, other, "the same place"))
        elif its_folder.startswith(folder):
            found.append(Share(line, other, "lies inside"))
        elif folder.startswith(its_folder):
            found.append(Share(line, other, "lies around"))
    return found


def shared_among(lines: Sequence[StorageLine], everybody: Sequence[StorageLine]) -> list[Share]:
    """For the storages of one project: each with every storage of the deployment that it shares objects with."""
    return [share for line in lines for share in sharing(line, everybody)]


def _place(line: StorageLine) -> tuple[tuple[str, ...], str]:
    """(what has to be equal, the folder within). Endpoints count: two MinIOs may both have a bucket `data`."""
    provider = line.kind.provider

    def text(name: str) -> str:
        return line.connection.get(name) or ""

    if provider == "localfiles":
        return (provider, "/"), folder_of(text("path"))
    if provider == "redis":  # targets write under bare numbers, whatever their path says
        path = "" if line.kind.is_target else text("path")
        return (provider, text("port") or "6379", text("db"), text("host") or "localhost"), path
    if provider == "azure":
        return (provider, text("account_name"), text("container")), folder_of(text("prefix"))
    return (provider, text("s3_endpoint"), text("bucket")), folder_of(text("prefix"))
