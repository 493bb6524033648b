"""The last sync of a storage failed.

Label Studio stores `failed` with the whole traceback, and shows that wall of text. Most of them are one of some thirty
failures: a permission, a wrong key, a filter that is no regular expression, a file that is no JSON, a process that was
killed. The finding says which, names the check that looks closer where there is one, and what to do.

Once the cause is gone, sync again. What became a task before the failure is passed over, so nothing is lost and
nothing doubled. Label Studio keeps the text of a failure after a later sync went well; only the status decides.

Source: `info_set_failed`, `health_check` and `job_health_check` of `StorageInfo` in Label Studio's io_storages app.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import Context, Finding, Severity, check, registry
from ..spans import span
from ..sync_failures import classify, told
from ..sync_state import moment, number, with_status


@check(
    title="The last sync of every storage went well",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="New objects become no tasks, or annotations do not reach the target",
)
def failed_status(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Row: what failed, since when, the telling line, and which check looks closer."""
    for item in with_status(ctx):
        if item.get("status") != "failed":
            continue
        failure = classify(item.get("traceback"))
        since = moment(item, "time_failure")
        closer = failure.check if failure.check and registry.find(failure.check) else None
        row = {
            "status": "failed", "failure": failure.name, "since": since, "told": told(item.get("traceback")),
            "looks_closer": closer, "ran_seconds": number(item, "duration"),
            "then": f"lsconsole storage sync {item.reference}",
        }  # fmt: skip
        ago = f" {span(ctx.now - since)} ago" if since and since < ctx.now else ""
        look = f" `{closer}` looks closer." if closer else ""
        yield Finding(
            subject=item.subject, name=item.title, summary=f"The sync failed{ago}: {failure.what}",
            cause=f"{failure.advice}{look}", evidence=ctx.evidence(f"{item.kind.table_name}.traceback", [row]),
        )  # fmt: skip
