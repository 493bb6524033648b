"""A storage names another region than its bucket is in.

A signature for S3 holds the region. With a wrong one (an empty region means us-east-1) Amazon answers 301 or 400
("authorization header malformed"), or leads the server to the right place while the browser, with its signed link,
stays behind: the sync works and every image is broken.

Source: `get_client_and_resource` in Label Studio's io_storages app fills an empty region from `S3_region`, then with
us-east-1; Amazon tells a bucket's own region in the header `x-amz-bucket-region`.
"""

from collections.abc import Iterator

from ...deployment.buckets import Bucket
from ...deployment.buckets.s3 import S3Bucket
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, Unknown, check
from ..sources import address, in_use, storage_update


@check(
    title="Every storage names the region of its bucket",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Syncs fail, or they work and the links of media do not",
    cause="Signatures hold the region, and this one is not the bucket's.",
)
def s3_region(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: the region that is set, the one that is used, the bucket's own."""
    found = in_use(ctx, prefixes=["s3", "s3-export"], targets=True)
    for storage, region in ctx.probes.answers([(storage, "region", _region) for storage in found]):
        used = storage.get("region_name") or ctx.settings.bucket_environment.get("S3_region") or "us-east-1"
        if isinstance(region, Unknown):
            yield region
        elif region and region != used:
            yield _finding(ctx, storage, used, region)


def _region(bucket: Bucket) -> str:
    """The bucket's own region, empty when it is not told (servers that speak S3 often have none)."""
    return (bucket.true_region() or "") if isinstance(bucket, S3Bucket) else ""


def _finding(ctx: Context, storage: Storage, used: str, region: str) -> Finding:
    stored = storage.get("region_name")
    told = f"region {used}" if stored else f"no region, which means {used}"
    row = {"region_name": stored, "used": used, "bucket_region": region}
    return Finding(
        subject=storage.subject, name=storage.title, summary=f"The storage names {told}, and its bucket is in {region}",
        evidence=ctx.evidence(f"HEAD of the bucket of {address(storage)}: x-amz-bucket-region", [row]),
    )  # fmt: skip


@s3_region.fix(title="Use the bucket's own region")
def set_region(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Store the region that the bucket itself tells."""
    for row in finding.evidence:
        yield storage_update(ctx, finding, "region_name", row["region_name"], row["bucket_region"])
