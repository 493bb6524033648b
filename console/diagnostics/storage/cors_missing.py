"""The bucket does not tell browsers that pages of Label Studio may read its files.

A picture in a plain tag is shown from anywhere. Whatever reads bytes by script needs leave from the bucket: the brush and
zoom of the image editor, sound, video, time series, text by address. Without a CORS rule for Label Studio's origin
(scheme, host and port as in the address bar) the console of the browser says "No Access-Control-Allow-Origin", thumbnails
work and the editor does not.

A pre-signed link is asked with that origin, as a browser would. The rule to add is on the storage's page, with the
command for it.

Source: the Fetch standard's CORS protocol; `LABEL_STUDIO_HOST` is the origin.
"""

from collections.abc import Iterator

from .. import Context, Finding, Severity, Unknown, check
from ..browser import cell, evidence, looked_at, shared, undecided


@check(
    title="Every bucket lets pages of Label Studio read its files",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Thumbnails appear, and the editor shows a CORS error instead of the file",
    cause="The bucket has no CORS rule for the address of Label Studio.",
)
def cors_missing(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: what was tried, the answer, its access-control headers."""
    for storage, matrix in looked_at(ctx):
        if isinstance(matrix, Unknown):
            yield matrix
            continue
        simple = cell(matrix, "simple")
        if cell(matrix, "presign").state == "failed" or simple.state == "not_applicable":
            continue  # a link that does not open says nothing about sharing: storage.presign_403 reports it
        if unknown := undecided(storage, simple):
            yield unknown
        elif simple.state == "failed" and not shared(simple, matrix):
            other = simple.detail.get("access-control-allow-origin")
            yield Finding(
                subject=storage.subject, name=storage.title,
                summary=f"The bucket shares its files with {other}, and Label Studio is opened at {matrix.origin}" if other
                else f"The bucket shares its files with no other origin; Label Studio is opened at {matrix.origin}",
                cause=f"{simple.message} What to add: {simple.statement}" if simple.statement else simple.message,
                evidence=evidence(ctx, storage, matrix, "simple", "preflight"),
            )  # fmt: skip
