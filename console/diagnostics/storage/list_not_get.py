"""A storage's credentials may list the bucket and not read what is in it.

Label Studio's connection test lists, so it passes. Then a sync of JSON tasks fails at the first object with
AccessDenied, and in a storage of media the tasks appear and their files do not: a signed link is made without asking
the provider, and the browser that follows it is refused. Of local files it is the permission of the file.

Three objects are tried, first those that the filter lets through: HEAD, and GET of the first byte. Nothing is stored.

Source: S3's permissions: `s3:ListBucket` on the bucket for LIST, `s3:GetObject` on the objects for HEAD and GET; GET
of an encrypted object needs `kms:Decrypt` as well, and of an archived one a restore. Google's are
`storage.objects.list` and `storage.objects.get`, Azure's the list and read permissions of a role or SAS.
"""

from collections.abc import Iterator
from typing import Any

from ...deployment.buckets import BucketDenied
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..probes import ReadProbe
from ..sources import FILTERED, address, in_use, passing

SAMPLES = 3
BROWSER = "Tasks appear and their files do not: the browser needs GET as well, with links signed by these credentials"


@check(
    title="Every storage may read what it may list",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The connection test passes, and a sync fails at the first object",
    cause="The credentials may list the bucket and not read its objects.",
)
def list_not_get(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: operation, key, the provider's answer."""
    samples, number = [], {}
    for storage, listing in ctx.probes.listings(in_use(ctx, prefixes=FILTERED)):
        if isinstance(listing, Unknown):
            yield listing
        elif keys := [item.key for item in listing.keys]:
            samples.append((storage, _sample(storage, keys)))
            number[storage.subject] = len(keys)
    for storage, probes in ctx.probes.readings(samples):
        if isinstance(probes, Unknown):
            yield probes
        elif any(probe.head or probe.get for probe in probes):
            yield _finding(ctx, storage, number[storage.subject], probes)


def _finding(ctx: Context, storage: Storage, number: int, probes: list[ReadProbe]) -> Finding:
    rows: list[dict[str, Any]] = [_row("LIST", storage.get("prefix") or "", None)]
    for probe in probes:
        rows += [_row("HEAD", probe.key, probe.head), _row("GET", probe.key, probe.get)]
    unread = sum(1 for probe in probes if probe.head or probe.get)
    keys = "1 key is" if number == 1 else f"{number:,} keys are"
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"{keys} listed, and {unread} of {len(probes)} tried cannot be read: {_refused(probes)}",
        impact=BROWSER if storage.get("use_blob_urls") else "", cause=_cause(probes),
        evidence=ctx.evidence(f"LIST, HEAD and GET of {address(storage)} with the storage's own credentials", rows),
    )  # fmt: skip


def _sample(storage: Storage, keys: list[str]) -> list[str]:
    try:
        taken = passing(storage, keys)
    except Unknown:
        taken = []
    return list(dict.fromkeys([*taken, *keys]))[:SAMPLES]


def _refused(probes: list[ReadProbe]) -> str:
    head, get = any(probe.head for probe in probes), any(probe.get for probe in probes)
    if head and get:
        return "HEAD and GET are denied"
    return "HEAD works, GET is denied" if get else "HEAD is denied, GET works"


def _cause(probes: list[ReadProbe]) -> str:
    denied = next(answer for probe in probes for answer in (probe.get, probe.head) if answer)
    if denied.provider_code == "InvalidObjectState":
        return "The object lies in an archive class; restore it or move it to a class that is read at once."
    only_get = not any(probe.head for probe in probes)
    encrypted = " If it is there already, the objects are encrypted and kms:Decrypt on their key is missing."
    if not denied.statement.startswith("{"):
        return f"What is missing: {denied.statement}." if denied.statement else str(denied)
    needed = f"The policy of these credentials lacks this statement: {denied.statement}."
    return needed + (encrypted if only_get else "")


def _row(operation: str, key: str, answer: BucketDenied | None) -> dict[str, Any]:
    return {"operation": operation, "key": key, "answer": "denied" if answer else "allowed",
            "code": answer.provider_code if answer else ""}  # fmt: skip
