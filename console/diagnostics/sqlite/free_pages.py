"""Much of the SQLite file is empty.

Deleted rows leave empty pages. SQLite fills them again, but never gives them back to the disk by itself: after a big project
was deleted the file, and each backup of it, stays as large as before.

`VACUUM` writes the file anew without them. It needs as much free disk as the file holds and keeps everybody from writing
until it ends, some seconds per gigabyte. Nothing is lost by leaving it.

Reported is a file of which more than `free_share_percent` is empty, if that is more than `free_over_mb`.

Source: SQLite's documentation of VACUUM and of `pragma freelist_count`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from ...amounts import bytes_text
from .. import Context, Finding, Severity, check
from ..server_changes import Maintain
from ..sqlite_place import file_of


@check(
    title="The SQLite file is not mostly empty",
    severity=Severity.INFO,
    impact="The disk and every backup hold the empty part too",
    cause="Rows were deleted; SQLite keeps their pages for new ones.",
)
def free_pages(ctx: Context, free_share_percent: int = 30, free_over_mb: int = 100) -> Iterator[Finding]:
    """One finding for the database. Row: pages, free ones, their size."""
    path = file_of(ctx)
    pages, free, size = (
        ctx.read.scalar(text(f"pragma {name}")) or 0 for name in ("page_count", "freelist_count", "page_size")
    )
    if free * 100 <= pages * free_share_percent or free * size <= free_over_mb * 1024 * 1024:
        return
    row = {"file": str(path), "pages": pages, "free_pages": free, "page_bytes": size, "free_bytes": free * size,
           "file_bytes": pages * size}  # fmt: skip
    yield Finding(
        subject="deployment:database", name="Database",
        summary=f"{bytes_text(free * size)} of the {bytes_text(pages * size)} of the SQLite file are empty",
        evidence=ctx.evidence("pragma page_count, freelist_count", [row]),
    )  # fmt: skip


@free_pages.fix(title="Write the file anew without its empty pages", reversible=False)
def rewrite(ctx: Context, finding: Finding) -> Iterator[Maintain]:
    """VACUUM: nobody writes meanwhile, and as much free disk as the file holds is needed."""
    yield Maintain("sqlite_vacuum", "", size_bytes=finding.evidence.rows[0]["file_bytes"])
