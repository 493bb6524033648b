"""A Google storage hands out signed links, and its credentials cannot sign.

A service account's key signs by itself. Credentials of the environment (a node's or pod's own account) have no private
key: Google signs for them only when the account holds Service Account Token Creator on itself, and Label Studio asks
for that only with GCS_CLOUD_STORAGE_FORCE_DEFAULT_CREDENTIALS=true. Without it the sync works, and in the browser the
media stay empty: Label Studio logs "you need a private key to sign credentials".

One link is signed and thrown away. With a stored key no request is sent for it.
Source: `GCS.generate_http_url` in Label Studio's io_storages/gcs/utils.py.
"""

from collections.abc import Iterator

from ...deployment.buckets import Bucket, BucketDenied, BucketError, BucketProblem
from ...deployment.storages import Storage
from .. import Change, Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import address, in_use, storage_update

PROBE_KEY = "lsconsole-signs-this-link-and-sends-it-nowhere"


@check(
    title="Every Google storage with pre-signed links can sign them",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Tasks appear, and their images, audio and video do not",
    cause="The storage holds no key, and the credentials of the environment have none behind them.",
)
def sign_denied(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per source storage. Row: the bucket, where its credentials come from, the answer."""
    signing = [item for item in in_use(ctx, prefixes=["gcs"]) if item.get("presign") is not False]
    if not signing:
        raise NotApplicable("Every Google storage passes its files through, so no link is signed")
    for item, answer in ctx.probes.answers([(item, "signs", _signs) for item in signing]):
        if isinstance(answer, Unknown):
            yield answer
        elif answer is not None:
            yield _finding(ctx, item, answer)


@sign_denied.fix(title="Let Label Studio pass the files through")
def pass_through(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch pre-signed links off: Label Studio reads each file and hands it on, with the credentials it has."""
    for row in finding.evidence:
        yield storage_update(ctx, finding, "presign", row["presign"], False)


def _signs(bucket: Bucket) -> BucketError | None:
    """None when it does, the refusal when it cannot; any other error tells nothing of signing."""
    try:
        bucket.presign(PROBE_KEY, 60)
    except (BucketDenied, BucketProblem) as error:
        if error.provider_code == "NoPrivateKey" or (isinstance(error, BucketDenied) and error.statement):
            return error
        raise
    return None


def _finding(ctx: Context, item: Storage, error: BucketError) -> Finding:
    row = {"bucket": item.get("bucket"), "presign": item.get("presign"), "answer": error.provider_code,
           "missing": getattr(error, "statement", "")}  # fmt: skip
    return Finding(
        subject=item.subject, name=item.title, summary="No link can be signed with these credentials",
        cause=str(error), evidence=ctx.evidence(f"Signing a link into {address(item)}", [row]),
        fixes=("pass_through",) if "presign" in item.row else (),
    )  # fmt: skip
