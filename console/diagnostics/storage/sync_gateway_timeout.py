"""Syncs take longer than the proxy in front of Label Studio waits.

Without Redis (the open-source edition from 1.22 on, and older ones that were started without) a sync runs inside the
request that asked for it. A browser, an ingress (60 s by default), nginx (300 s in Label Studio's image) or uwsgi
(120 s) gives up first: the page shows a 504, people click again, and the tasks appear anyway, or half of them when the
server ended the request.

Run such syncs from the command line of the server, raise the timeouts along the way, or give Label Studio a Redis and a
worker. For an ingress of nginx:

    nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
    nginx.ingress.kubernetes.io/proxy-send-timeout: "3600"

Source: `sync` of the storages in Label Studio's io_storages app; `meta.duration` as it records it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, check
from ..sync_state import meta_of, moment, number, with_status


@check(
    title="Every sync fits into the request that runs it",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="The page shows a 504 while the sync goes on, and people start it again",
    cause="There is no Redis, so a sync runs inside the request, and something in front of Label Studio waits less long.",
)
def sync_gateway_timeout(ctx: Context, shortest_timeout_seconds: float = 60) -> Iterator[Finding]:
    """One finding per storage. Row: how long the last sync took, what it looked at, milliseconds for each."""
    if ctx.deployment.redis is not None:
        raise NotApplicable("A Redis is attached: syncs run in a worker, not inside a request")
    for item in with_status(ctx):
        if item.get("last_sync_job"):
            continue  # it was a job: Label Studio has a Redis that is not attached here
        seconds = _took(item)
        if seconds is None or seconds <= shortest_timeout_seconds:
            continue
        made, existed = item.get("last_sync_count") or 0, int(number(item, "tasks_existed") or 0)
        total = made + existed
        row = {
            "status": item.get("status"), "took_seconds": round(seconds, 1), "made": made, "existed": existed,
            "milliseconds_each": round(seconds * 1000 / total, 1) if total else None,
            "shortest_timeout_seconds": shortest_timeout_seconds, "instead": f"lsconsole storage sync {item.reference}",
        }  # fmt: skip
        yield Finding(
            subject=item.subject, name=item.title, evidence=ctx.evidence(f"{item.kind.table_name}.meta", [row]),
            summary=f"The last sync took {seconds:,.0f} s inside its request"
            + (f", for {total:,} objects" if total else ""),
        )  # fmt: skip


def _took(item: Storage) -> float | None:
    """Seconds of the last run, as recorded, or told by the times around it."""
    seconds = number(item, "duration")
    begun = moment(item, "time_in_progress")
    ends = [moment(item, name) for name in ("time_completed", "time_last_ping") if name in meta_of(item)]
    ended = next((time for time in ends if time), None)
    between = ended - begun if begun and ended else timedelta(0)
    return max(seconds or 0.0, between.total_seconds()) or None
