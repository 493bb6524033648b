"""The files of snapshots on this machine's disk, when this disk is Label Studio's.

Source: `upload_to` of `Export` and `ConvertedFormat` in Label Studio's data_export app (`media/export/<project>/…`), and
`EXPORT_DIR`, where exports by the button leave two files each.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ..errors import NotApplicable, Unknown
from .check import Context

#: Files looked for to find out whether this disk is Label Studio's; files looked at in the export directory.
PROOFS, MOST_FILES = 50, 100_000


def media(ctx: Context) -> Path:
    """Label Studio's media directory, if it keeps its files on a disk. Raises NotApplicable."""
    kept = str(ctx.settings.bucket_environment.get("STORAGE_TYPE") or "")
    if kept:
        raise NotApplicable(f"Label Studio keeps its files in a bucket (STORAGE_TYPE={kept[:20]}).")
    return ctx.settings.base_data_dir / "media"


def need_theirs(ctx: Context, names: Sequence[str]) -> Path:
    """The media directory, when something shows that it is Label Studio's: one of these files, or an uploaded one.

    Raises NotApplicable where nobody said that its disk is here, Unknown when it does not look like it.
    """
    root = media(ctx)
    if "base_data_dir" not in ctx.settings.told and not root.is_dir():
        raise NotApplicable(
            "Label Studio's disk is not attached: name its data directory in BASE_DATA_DIR, if it is here."
        )
    if any(problem(root, name) is None for name in [*names[:PROOFS], *newest_uploads(ctx, PROOFS)]):
        return root
    raise Unknown(
        f"Nothing shows that {root} is Label Studio's: not one of its files is there. Run the console where Label "
        "Studio's data directory is mounted, and name it in BASE_DATA_DIR."
    )


def problem(root: Path, name: str) -> str | None:
    """What is wrong with a stored file, or None. Raises Unknown when it may not be looked at."""
    if not name:
        return "its row names none"
    path = os.path.normpath(root / name) if "\x00" not in name else ""
    if not path.startswith(f"{root}/"):
        return "its name leads out of the media directory"
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError as error:
        if error.errno == errno.EACCES:
            raise Unknown(f"{path} may not be looked at by user id {os.geteuid()}.") from None
        return "is not there"
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    return None if found.st_size else "is empty"


def sizes(root: Path) -> Iterator[tuple[str, int]]:
    """Name, as a row holds it, and bytes of the files below `export`, at most MOST_FILES."""
    seen = 0
    for directory, _, files in os.walk(root / "export"):
        for file in files:
            path = Path(directory) / file
            seen += 1
            if seen > MOST_FILES:
                return
            try:
                yield str(path.relative_to(root)), path.lstat().st_size
            except OSError:  # removed while we looked
                continue


def names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(row["file"]) for row in rows if row.get("file")]


def newest_uploads(ctx: Context, most: int) -> list[str]:
    """Names of the files that were uploaded last, as their rows hold them."""
    if not ctx.schema.has_table("data_import_fileupload"):
        return []
    upload = ctx.schema.table("data_import_fileupload")
    with ctx.transaction() as session:
        return [str(name) for name in session.scalars(select(upload.c.file).order_by(upload.c.id.desc()).limit(most))]
