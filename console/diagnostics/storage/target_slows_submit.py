"""Submitting an annotation waits until the target storage has taken it.

Without Redis there is no job to hand the upload to: Label Studio writes to the target inside the request that saves the
annotation. Every click on Submit then takes as long as the bucket does, and hangs when the bucket does not answer.

Give Label Studio a Redis and a worker. Or remove the target and sync it at night instead; a target that is switched off
(`synchronizable` false) is written all the same.

The time for one upload is that of the last sync, which writes with up to eight threads.

Source: the signals of Label Studio's export storages (`export_annotation_to_…`), which run at once without Redis.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, check
from ..sources import in_use
from ..sync_state import number

THREADS = 8


@check(
    title="Saving an annotation does not wait for a bucket",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Every click on Submit takes as long as the bucket does",
    cause="There is no Redis, so the upload runs inside the request.",
)
def target_slows_submit(ctx: Context, slower_than_milliseconds: float = 1000) -> Iterator[Finding]:
    """One finding per target in a cloud. Row: what the last sync took for one annotation."""
    if ctx.deployment.redis is not None:
        raise NotApplicable("A Redis is attached: uploads run in a worker")
    found = in_use(ctx, prefixes=["s3-export", "gcs-export", "azure-export"])
    if any(item.get("last_sync_job") for item in found):
        raise NotApplicable("Syncs of targets were jobs: Label Studio has a Redis that is not attached here")
    for item in found:
        each = _milliseconds(item)
        if each is not None and each < slower_than_milliseconds:
            continue
        row = {
            "milliseconds_each": round(each) if each else None, "seconds": number(item, "duration"),
            "annotations": item.get("last_sync_count"),
        }  # fmt: skip
        if each:
            summary = f"An upload takes up to {each / 1000:,.1f} s, and every submit waits for one"
        else:
            summary = "Every submit waits for an upload; how long one takes was never measured"
        yield Finding(
            subject=item.subject, name=item.title, summary=summary, severity=Severity.WARNING if each else Severity.INFO,
            evidence=ctx.evidence(f"{item.kind.table_name}.meta", [row]),
        )  # fmt: skip


def _milliseconds(item: Storage) -> float | None:
    """For one upload, had the threads of the last sync been busy all the time; None when nothing was measured."""
    seconds, count = number(item, "duration"), item.get("last_sync_count") or 0
    return seconds * 1000 * min(THREADS, count) / count if seconds and count else None
