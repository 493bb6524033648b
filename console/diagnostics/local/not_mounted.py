"""A storage's directory is not there.

In a container the volume has to be mounted into the app and into every worker, under the same path; forgotten in one of
them, the connection test says that the path does not exist, a sync fails, and files are not found. A directory
that was moved or renamed on the host looks the same.

The console judges by its own disk. Whether that is Label Studio's is taken as shown by a document root that was set and
is here, by a file that a sync read, or by an uploaded file; without any of them the answer is that it is not known.

Source: `validate_connection` in Label Studio's io_storages/localfiles/models.py.
"""
# ruff: noqa: PTH116

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from ...deployment.local_paths import is_below, normalized
from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from .disk import local_storages, proof, root_of


@check(
    title="Every local storage's directory is there",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Syncs fail, and the files of its tasks are not found",
    cause="The volume is not mounted, or the directory was moved.",
)
def not_mounted(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: its path, the last part of it that is there, and what stands in the way."""
    found = local_storages(ctx)
    if not found:
        raise NotApplicable("There is no storage of local files" + (" in scope" if ctx.scope.words else ""))
    missing = []
    for item in found:
        path = normalized(str(item.get("path") or ""))
        if path.startswith("/") and is_below(path, root_of(ctx)):  # the others are those of local.outside_root
            why = _missing(path)
            if why:
                missing.append((item, path, why))
    shown = proof(ctx) if missing else None
    for item, path, why in missing:
        if shown is None and why == "does not exist":
            yield Unknown(
                f"{item.reference}: {path} is not on the console's disk, and nothing shows that this is the disk of Label "
                "Studio. Run the console beside it, with the same volumes."
            )
        elif why == "cannot be looked into":
            yield Unknown(f"{item.reference}: {path} cannot be looked into by user id {os.geteuid()}.")
        else:
            yield _finding(ctx, item, path, why, shown)


def _finding(ctx: Context, item: Storage, path: str, why: str, shown: str | None) -> Finding:
    row = {"path": path, "there_up_to": _there(path), "why": why, "known_by": shown}
    return Finding(
        subject=item.subject, name=item.title, summary=f"{path} {why}",
        cause="" if why == "does not exist" else "A storage names the directory that holds its files; this is a file.",
        impact="" if why == "does not exist" else "Label Studio saves it, and every sync ends well with no task",
        evidence=ctx.evidence(f"stat {path}", [row]),
    )  # fmt: skip


def _missing(path: str) -> str | None:
    try:
        found = os.stat(path)
    except OSError as error:
        return "cannot be looked into" if error.errno == errno.EACCES else "does not exist"
    return None if stat.S_ISDIR(found.st_mode) else "is no directory"


def _there(path: str) -> str:
    while path != "/" and _missing(path) == "does not exist":
        path = path.rpartition("/")[0] or "/"
    return path
