"""The SQLite file is damaged, or rows refer to rows that are not there.

Damage comes from copying the file while it was written, from a disk that was full or failed, from a kill in the middle of
a write on a file system without proper locks. Pages answer 500 with "database disk image is malformed", or lists stop
half-way. Rows without their counterpart come from repairs by hand with foreign keys switched off, and make deleting or
exporting a project fail.

Never repair the only copy. Stop Label Studio, copy the file together with its `-wal` and `-journal`, and save what can be
read into a new file, on the copy:

    sqlite3 copy.sqlite3 '.recover' | sqlite3 recovered.sqlite3
    sqlite3 recovered.sqlite3 'pragma integrity_check; pragma foreign_key_check'

Asked are `quick_check`, which skips comparing indexes with their tables, and `foreign_key_check`; with `--deep` the whole
`integrity_check`. Each reads the whole file: one over `larger_than_mb` is looked at with `--deep` alone.

Source: SQLite's documentation of these pragmas and of `.recover`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from sqlalchemy import exc, text

from ...amounts import bytes_text, counted
from .. import Context, Finding, Severity, Unknown, check
from ..sqlite_place import file_of

MOST_ERRORS = 100
#: References that are counted before the count stops.
MOST_REFERENCES = 100_000


@check(
    title="The SQLite file is whole, and every reference in it leads somewhere",
    severity=Severity.CRITICAL,
    impact="Pages fail, and more is lost with every write",
    cause="The file was copied while in use, the disk failed, or locks did not hold.",
)
def integrity(ctx: Context, larger_than_mb: int = 500) -> Iterator[Finding]:
    """A finding for damage, and one for rows whose counterpart is missing. Rows: SQLite's own words; tables and counts."""
    path = file_of(ctx)
    size = path.stat().st_size
    if size > larger_than_mb * 1024 * 1024 and not ctx.deep:
        raise Unknown(
            f"The file of {bytes_text(size)} was not read through; `lsconsole check sqlite.integrity --deep` does."
        )
    pragma = "integrity_check" if ctx.deep else "quick_check"
    errors = _errors(ctx, pragma)
    if errors != ["ok"]:
        more = " or more" if len(errors) >= MOST_ERRORS else ""
        yield Finding(
            subject="deployment:database", name="Database",
            summary=f"SQLite finds {len(errors)}{more} {'error' if len(errors) == 1 else 'errors'} in the file: {errors[0][:200]}",
            evidence=ctx.evidence(f"pragma {pragma}", [{"error": error[:500]} for error in errors]),
        )  # fmt: skip
        return  # references of a damaged file say nothing
    yield from _references(ctx)


def _errors(ctx: Context, pragma: str) -> list[str]:
    """SQLite's findings, or the one word of a file so damaged that it cannot be gone through."""
    try:
        return [str(row[0]) for row in ctx.read.execute(text(f"pragma {pragma}({MOST_ERRORS})"))]
    except exc.DBAPIError as error:
        if "malformed" in str(error.orig) or "not a database" in str(error.orig):
            return [str(error.orig)]
        raise


def _references(ctx: Context) -> Iterator[Finding]:
    broken: Counter[tuple[str, str]] = Counter()
    for row in islice(ctx.read.execute(text("pragma foreign_key_check")), MOST_REFERENCES):
        broken[row[0], row[2]] += 1
    if not broken:
        return
    total = sum(broken.values())
    rows = [{"table": table, "refers_to": parent, "rows": number} for (table, parent), number in broken.most_common()]
    yield Finding(
        subject="table:references", name="References", severity=Severity.WARNING,
        summary=f"{counted(total, 'row')} {'refers' if total == 1 else 'refer'} to rows that are not there, "
                f"most of them in {rows[0]['table']}",
        impact="Deleting, exporting or moving what they belong to may fail",
        cause="Rows were deleted by hand, with foreign keys switched off.",
        evidence=ctx.evidence("pragma foreign_key_check", rows),
    )  # fmt: skip
