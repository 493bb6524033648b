"""A target storage cannot be written to.

Label Studio's connection test of a target lists and never writes, so it is green for credentials that may only look. The
annotations of every Submit are then refused in a job that nobody watches, and a sync says completed all the same.

Writing is tried only where the operator allows it (LSCONSOLE_WRITE_PROBES): one marker object under the prefix, removed
again.

Source: `validate_connection` and `save_annotation` of the export storages in Label Studio's io_storages app.
"""

from collections.abc import Iterator

from .. import Context, Finding, Severity, Unknown, check
from ..sources import address
from ..targets import tried


@check(
    title="Every target storage may be written to",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Annotations do not reach the bucket, and nothing says so",
    cause="The credentials may look into the target and not write there.",
)
def target_no_put(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per target. Row: what was tried, the provider's answer."""
    for storage, put in tried(ctx, "put"):
        if isinstance(put, Unknown):
            yield put
        elif put.state == "unknown":
            yield Unknown(f"{storage.reference}: {put.message}")
        elif put.state == "failed":
            needed = f"What is missing: {put.statement}" if put.statement else put.message
            row = {"tried": "PUT", "code": put.code, "message": put.message}
            yield Finding(
                subject=storage.subject, name=storage.title,
                summary=f"Writing a marker object is refused{f' with {put.code}' if put.code else ''}", cause=needed,
                evidence=ctx.evidence(f"PUT below {address(storage)}, with the storage's own credentials", [row]),
            )  # fmt: skip
