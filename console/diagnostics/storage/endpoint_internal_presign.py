"""Signed links lead the browser to an address that only the server knows.

A signed link carries the endpoint of the storage row. `http://minio:9000` or `http://10.0.0.5` works for the server in
its own network, so syncs run well; the browser of an annotator cannot resolve or reach it, and the file does not load.
A page on https refuses links on http as well. Replacing the host on the way breaks the signature.

Switch "Use pre-signed URLs" off: then Label Studio passes the bytes through (from 1.18 on). Or give the store an address
that browsers reach, the same inside and outside, and set it as the endpoint.

Addresses of this machine itself (`localhost`) are left alone where the operator has named them, and where the address
of Label Studio is not known.

Source: `generate_http_url` of Label Studio's S3 storages and its `proxy_api`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.hosts import is_internal, is_loopback
from ...deployment.releases import is_since
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, check
from ..addresses import host_of
from ..sources import in_use, storage_update
from .base64_presign_off import STREAMS_SINCE


@check(
    title="Signed links lead to an address that browsers reach",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Syncs run well, and the files do not load in the browser",
    cause="A signed link carries the endpoint as the server knows it. Switch signed links off, or use a public endpoint.",
)
def endpoint_internal_presign(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Row: the endpoint's host, where it comes from, why a browser does not get there."""
    for item in in_use(ctx, prefixes=["s3"]):
        if item.get("presign") is False or item.get("presign") == 0:
            continue
        endpoint = str(item.get("s3_endpoint") or "").strip()
        origin = "storage" if endpoint else "S3_ENDPOINT"
        endpoint = endpoint or ctx.settings.bucket_environment.get("S3_ENDPOINT", "")
        why = _why(ctx, endpoint)
        if why:
            yield _finding(ctx, item, endpoint, origin, why)


@endpoint_internal_presign.fix(title="Let Label Studio pass the files through")
def switch_off(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch signed links off; browsers then ask Label Studio alone."""
    yield storage_update(ctx, finding, "presign", True, False)


def _finding(ctx: Context, item: Storage, endpoint: str, origin: str, why: str) -> Finding:
    row = {
        "endpoint": endpoint,
        "from": origin,
        "presign": True,
        "why": why,
        "label_studio": ctx.settings.label_studio_url,
    }
    streams = is_since(ctx.schema.label_studio_version, STREAMS_SINCE)
    return Finding(
        subject=item.subject, name=item.title, summary=f"Signed links lead to {host_of(endpoint)}: {why}",
        cause="" if streams else "A signed link carries the endpoint as the server knows it. Use an endpoint that "
        "browsers reach; this release cannot pass files through.",
        evidence=ctx.evidence(f"{item.kind.table_name}: s3_endpoint, presign", [row]),
        fixes=("switch_off",) if streams and item.get("presign") else (),
    )  # fmt: skip


def _why(ctx: Context, endpoint: str) -> str | None:
    """Why a browser does not get there, or None."""
    host = host_of(endpoint)
    if not host:
        return None
    page = ctx.settings.label_studio_url or ""
    if is_loopback(host):
        known = bool(host_of(page)) and not is_loopback(host_of(page))
        named = any(allowed.rpartition(":")[0] == host or allowed == host for allowed in ctx.settings.bucket_endpoints)
        return "that is the computer of whoever looks" if known and not named else None
    if is_internal(host):
        return "only the server's own network knows this address"
    if page.lower().startswith("https://") and endpoint.lower().startswith("http://"):
        return "it is on http, and a page on https refuses that"
    return None
