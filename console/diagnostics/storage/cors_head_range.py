"""Pictures load, and sound or video never does: parts of files are not handed out, or not to scripts.

Players read a file in parts. They need three things of a bucket beside a plain GET: a part for a Range (206, not the whole
file), leave for the header Range where the browser asks first, and Content-Range among the headers that scripts may see.
A CORS rule for GET alone, a proxy that drops Range, or a policy without GetObject for HEAD break one of them.

Source: the Fetch standard (CORS-preflight, exposed headers) and RFC 9110 on range requests.
"""

from collections.abc import Iterator

from ...deployment.storages import Storage
from ...doctor.cells import Matrix
from .. import Context, Finding, Severity, Unknown, check
from ..browser import cell, evidence, looked_at, plays, shared, undecided


@check(
    title="Every bucket hands out parts of sound and video",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Sound and video do not start, or cannot be sought in",
    cause="The bucket, or something in front of it, does not hand out parts of a file.",
)
def cors_head_range(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: what was tried, the answer, its access-control headers."""
    for storage, matrix in looked_at(ctx):
        if isinstance(matrix, Unknown):
            yield matrix
            continue
        part, asked, simple = (cell(matrix, name) for name in ("range", "preflight", "simple"))
        if (
            cell(matrix, "presign").state == "failed"
            or part.state == "not_applicable"
            or not plays(ctx, storage, matrix)
        ):
            continue
        if unknown := undecided(storage, part, asked):
            yield unknown
            continue
        if simple.state == "failed" and not shared(simple, matrix):
            problems = [part.message] if part.state == "failed" else []  # sharing itself is storage.cors_missing
        else:
            problems = [found.message for found in (part, asked) if found.state == "failed"]
            problems += [simple.message] if "not exposed" in simple.message else []
        if problems:
            yield _finding(ctx, storage, matrix, problems)


def _finding(ctx: Context, storage: Storage, matrix: Matrix, problems: list[str]) -> Finding:
    statement = next(
        (found.statement for found in matrix.cells if found.operation == "preflight" and found.statement), ""
    )
    return Finding(
        subject=storage.subject, name=storage.title, summary=f"Parts of files do not reach players: {problems[0].rstrip('.')}",
        cause=" ".join(problems) + (f" What to add: {statement}" if statement else ""),
        evidence=evidence(ctx, storage, matrix, "range", "preflight", "simple"),
    )  # fmt: skip
