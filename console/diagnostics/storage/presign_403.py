"""Pre-signed links do not open, or end before people are done with the file.

A link is signed without asking the bucket, so Label Studio does not see that it is refused; the browser does. Reasons, in
the bucket's own words: `AccessDenied` (the policy, or the right to decrypt), `ExpiredToken` (a session token ends before
its link), `SignatureDoesNotMatch` (the secret key, or a proxy that changes the address), `RequestTimeTooSkewed` (a clock).

A link lasts one minute unless somebody says otherwise (`presign_ttl`). A player goes on reading after that minute, and
gets 403 in the middle of a recording.

Source: `presign_ttl` of the import storages in Label Studio's io_storages app, in minutes.
"""

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime

from ...deployment.storages import Storage
from ...doctor.cells import Cell, Matrix
from .. import Change, Context, Finding, Severity, Unknown, check
from ..browser import cell, evidence, looked_at, plays
from ..sources import storage_update

MINUTES = 60
_CAUSES = {
    "AccessDenied": "The credentials may not read the object, or not decrypt it",
    "ExpiredToken": "The session token has expired",
    "InvalidToken": "The session token is not valid",
    "SignatureDoesNotMatch": "The secret key is wrong, or something in front of the bucket changes the address",
    "InvalidAccessKeyId": "The access key id is unknown there",
    "RequestTimeTooSkewed": "The clocks here and there differ by more than 15 minutes",
    "AuthorizationQueryParametersError": "The region in the signature is not the bucket's",
    "AuthorizationHeaderMalformed": "The region in the signature is not the bucket's",
    "BlobArchived": "The object lies in the archive tier and has to be brought back before anybody reads it",
    "InvalidObjectState": "The object lies in an archive class and has to be restored before anybody reads it",
    "AuthenticationFailed": "The account key is wrong, or the clocks differ",
}


@check(
    title="Pre-signed links open, and last as long as the work",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Tasks open and their files answer 403",
    cause="The bucket refuses the links that Label Studio signs.",
)
def presign_403(ctx: Context, shorter_than_minutes: float = 2) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: what was tried, the answer; or how long links last."""
    for storage, matrix in looked_at(ctx):
        short = _minutes(storage) < shorter_than_minutes
        if isinstance(matrix, Unknown):
            yield matrix
            if short and plays(ctx, storage, None):
                yield _too_short(ctx, storage)
            continue
        opened = cell(matrix, "presign")
        if opened.state == "failed" and opened.code[:1] == "4":
            yield _refused(ctx, storage, matrix, opened)
        elif short and plays(ctx, storage, matrix):
            yield _too_short(ctx, storage)


def _refused(ctx: Context, storage: Storage, matrix: Matrix, opened: Cell) -> Finding:
    word = opened.code.partition(" ")[2]
    cause = _CAUSES.get(word, opened.message.rstrip("."))
    skew = _skew_seconds(ctx, opened)
    if abs(skew) > MINUTES:
        cause = f"{cause}; the bucket's clock is {abs(skew):,} s {'ahead' if skew > 0 else 'behind'}"
    needed = f" What to add: {opened.statement}" if opened.statement else ""
    return Finding(
        subject=storage.subject, name=storage.title, summary=f"A pre-signed link is answered with {opened.code}",
        cause=f"{cause}.{needed}", evidence=evidence(ctx, storage, matrix, "get", "presign"), fixes=(),
    )  # fmt: skip


def _skew_seconds(ctx: Context, opened: Cell) -> int:
    try:
        theirs = parsedate_to_datetime(str(opened.detail["date"])).astimezone(UTC)
    except (KeyError, ValueError):
        return 0
    return int((theirs - ctx.now).total_seconds())


def _minutes(storage: Storage) -> float:
    found = storage.get("presign_ttl")
    return float(found) if isinstance(found, int) and found > 0 else 1.0


def _too_short(ctx: Context, storage: Storage) -> Finding:
    minutes = _minutes(storage)
    row = {"presign_ttl": storage.get("presign_ttl"), "minutes": MINUTES}
    return Finding(
        subject=storage.subject, name=storage.title, severity=Severity.WARNING,
        summary=f"Links last {minutes:g} minute{'' if minutes == 1 else 's'}, and people play sound or video here",
        impact="Recordings longer than that stop with 403, and seeking in them fails",
        cause="`presign_ttl` is what new storages get by default.",
        evidence=ctx.evidence(f"{storage.kind.table_name}.presign_ttl; project.label_config", [row]), fixes=("last_longer",),
    )  # fmt: skip


@presign_403.fix(title="Let links last an hour")
def last_longer(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Store a `presign_ttl` of 60 minutes; links that are out already keep their time."""
    for row in finding.evidence:
        yield storage_update(ctx, finding, "presign_ttl", row["presign_ttl"], row["minutes"])
