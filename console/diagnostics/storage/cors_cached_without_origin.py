"""A file that was cached without an origin is used again where one is needed, and fails there.

A thumbnail asks without an origin, the editor with one. Where the bucket answers the first without `Vary: Origin` and
lets it be kept (`Cache-Control: max-age`), the browser hands the kept answer to the editor, which has no leave in it: a
CORS error that comes and goes, and is gone after a hard reload. `Vary: Origin` on every answer, no-store, or
`crossOrigin="anonymous"` on the tag of the labeling configuration help.

Source: RFC 9111 on Vary; the image tags of Label Studio's configuration (`crossOrigin`).
"""

import re
from collections.abc import Iterator

from .. import Context, Finding, Severity, Unknown, check
from ..browser import cell, evidence, looked_at, shared


@check(
    title="No bucket lets browsers keep an answer that forbids the editor",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="A CORS error now and then, gone after a hard reload",
    cause="Answers without an origin may be kept, and do not say that another origin gets another answer.",
)
def cors_cached_without_origin(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: with and without an origin, the headers on sharing and keeping."""
    for storage, matrix in looked_at(ctx):
        if isinstance(matrix, Unknown):
            yield matrix
            continue
        plain, simple = cell(matrix, "presign"), cell(matrix, "simple")
        if plain.state != "ok" or not shared(simple, matrix):
            continue
        varies = "origin" in str(plain.detail.get("vary", "")).lower() or plain.detail.get("vary") == "*"
        if not varies and _may_be_kept(str(plain.detail.get("cache-control", ""))) and not shared(plain, matrix):
            yield Finding(
                subject=storage.subject, name=storage.title,
                summary=f"Answers may be kept ({plain.detail['cache-control']}), and do not vary by origin",
                evidence=evidence(ctx, storage, matrix, "presign", "simple"),
            )  # fmt: skip


def _may_be_kept(cache_control: str) -> bool:
    told = cache_control.lower()
    seconds = re.search(r"max-age=(\d{1,12})", told)
    return "no-store" not in told and "no-cache" not in told and bool(seconds and int(seconds[1]) > 0)
