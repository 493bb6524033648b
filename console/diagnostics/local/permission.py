"""Files of a local storage cannot be read by Label Studio.

Its container runs as user 1001 of group 0. Files that were copied by root, or with a tight umask, are there and cannot
be opened: a sync fails at the first of them, and the browser gets 404. A folder that is shut is passed over in silence,
so its files just never arrive. A link whose target is not mounted into the container is no file to Label Studio.
A name that is no UTF-8 cannot be stored: the sync fails at it.

Looked at are the first files below each storage. Mode bits are judged for the user that Label Studio's image runs as;
where it runs as another one, set `user_id`. Files that the console can read and that user cannot are a warning.

Source: Label Studio's Dockerfile (`USER 1001`), `get_data` and `localfiles_data` in io_storages/localfiles.
"""
# ruff: noqa: PTH116, PTH112

from __future__ import annotations

import os
import shlex
import stat
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ...deployment.local_paths import has_key, is_below, normalized
from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from .disk import local_storages, root_of

WORDS = {
    "unreadable": "cannot be read", "shut": "folders cannot be entered", "broken link": "links lead nowhere",
    "no UTF-8": "have names that are no UTF-8",
}  # fmt: skip


@check(
    title="Label Studio may read the files of its local storages",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="A sync fails at the first such file, or leaves a folder out; the browser gets 404",
    cause="The files belong to somebody else and their mode lets nobody else read them.",
)
def permission(ctx: Context, files: int = 500, user_id: int = 1001) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: path, what is wrong with it, owner, mode, the command."""
    found = [item for item in local_storages(ctx, targets=False) if _is_here(item, ctx)]
    if not found:
        raise NotApplicable("No source storage of local files has its directory here.")
    for item in found:
        top = normalized(str(item.get("path")))
        rows = list(problems(top, files, user_id))
        if rows:
            yield _finding(ctx, item, top, rows, files, user_id)


def problems(top: str, files: int, user_id: int) -> Iterator[dict[str, Any]]:
    """What is wrong with the first entries below a directory, itself included."""
    for path, entry in islice(_entries(top), files):
        try:
            found = os.stat(path)
        except OSError:
            kind = "broken link" if entry is not None and entry.is_symlink() else "unreadable"
            yield _row(path, kind, os.lstat(path), False)
            continue
        folder = stat.S_ISDIR(found.st_mode)
        if not has_key(path):
            yield _row(path, "no UTF-8", found, True)
        elif (folder or stat.S_ISREG(found.st_mode)) and not _may(found, user_id, folder):
            ours = os.access(path, os.R_OK | (os.X_OK if folder else 0))
            yield _row(path, "shut" if folder else "unreadable", found, ours)


def _entries(top: str) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    yield top, None
    waiting = [top]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    yield entry.path, entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:  # told as a folder that is shut
            continue


def _may(found: os.stat_result, user_id: int, folder: bool) -> bool:
    """Whether mode bits let this user of group 0 read, and enter a folder."""
    wanted = 0o5 if folder else 0o4
    if user_id == 0:
        return True
    shift = 6 if found.st_uid == user_id else 3 if found.st_gid == 0 else 0
    return (found.st_mode >> shift) & wanted == wanted


def _row(path: str, wrong: str, found: os.stat_result, ours: bool) -> dict[str, Any]:
    shown = path.encode(errors="surrogateescape").decode(errors="replace")
    quoted = shlex.quote(shown)
    command = {
        "broken link": f"readlink -f {quoted}", "no UTF-8": f"convmv -f latin1 -t utf8 --notest {quoted}",
    }.get(wrong, f"chmod a+rX {quoted}")  # fmt: skip
    mode = f"{found.st_uid}:{found.st_gid} {stat.filemode(found.st_mode)}"
    return {"path": shown, "wrong": wrong, "owner_and_mode": mode, "console_may": ours, "command": command}


def _is_here(item: Storage, ctx: Context) -> bool:
    path = normalized(str(item.get("path") or ""))
    return path.startswith("/") and is_below(path, root_of(ctx)) and os.path.isdir(path)


def _finding(ctx: Context, item: Storage, top: str, rows: list[dict[str, Any]], files: int, user_id: int) -> Finding:
    counted = Counter(row["wrong"] for row in rows)
    told = ", ".join(f"{number:,} {WORDS[kind]}" for kind, number in counted.items())
    certain = any(row["wrong"] == "no UTF-8" or not row["console_may"] for row in rows)
    repair = (
        f"To let everybody read: chmod -R a+rX {shlex.quote(top)}" if counted["unreadable"] + counted["shut"] else ""
    )
    return Finding(
        subject=item.subject, name=item.title, summary=f"Of the first {files:,} entries in {top}, {told}",
        severity=Severity.ERROR if certain else Severity.WARNING,
        cause=f"The files belong to others than user {user_id}, and their mode lets nobody else read them. {repair}"
        if repair else "Links lead out of what is mounted, or names come from a system with another encoding.",
        evidence=ctx.evidence(f"stat of the first {files:,} entries below {top}", rows),
    )  # fmt: skip
