"""Task data holds links that were signed before they were imported: they end, and the tasks with them.

A signed link (`X-Amz-Expires`, `X-Goog-Expires`, Azure's `sig` and `se`) is valid for minutes to days. Label Studio
signs a link anew each time a task is shown, but only for addresses of buckets (`s3://`, `gs://`, `azure-blob://`). A
link that was pasted or exported into the data stays as it is: fine on the day of the import, 403 from then on.

Where a source storage of the project has the bucket, the repair puts the address of the object in place of the link.
For other buckets connect a source storage first; it need not be synced. Signatures are never shown.

Source: the signing of Amazon S3, Google Cloud Storage and Azure Blob; `resolve_uri` of Label Studio's storages.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import and_, or_

from ...deployment.models import as_utc
from .. import Change, Context, Finding, Severity, check
from ..addresses import Address, object_of
from ..resolving import configured
from ..task_values import URL, PerProject, configs, findings, matching, rewrites, tasks, texts

LONGEST_SHOWN = 300
MARKS = ("X-Amz-Expires=", "X-Goog-Expires=", "AWSAccessKeyId=", "GoogleAccessId=")


@check(
    title="No task holds a link that was signed before its import",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The files of these tasks answer 403 once the link has ended",
    cause="The data was filled with signed links instead of the addresses of the objects.",
)
def presigned_in_data(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: task, field, link without its signature, when it ends, the object's address."""
    known = configured(ctx)
    collected = PerProject(ctx.evidence_limit)
    ended: dict[int, int] = {}
    for task in matching(ctx, lambda text: or_(
        *(text.contains(mark, autoescape=True) for mark in MARKS), and_(text.contains("sig="), text.contains("se="))
    )):  # fmt: skip
        row = _row(ctx, task.id, task.data, known.get(task.project_id, set()))
        if row:
            collected.add(task.project_id, row)
            ended[task.project_id] = ended.get(task.project_id, 0) + bool(row["ended"])
    titles = configs(ctx, sorted(collected.rows))

    def summary(total: int, rows: list[dict[str, Any]], project_id: int) -> str:
        already = ended[project_id]
        return f"{tasks(total, 'hold')} signed links, {'all' if already == total > 1 else f'{already:,}'} of them ended"

    yield from findings(
        collected, titles, summary, "task.data: signed links",
        severity=lambda rows: Severity.ERROR if any(row["ended"] for row in rows) else Severity.WARNING,
        fixes=lambda rows: ("use_object_address",) if any(row["object"] for row in rows) else (),
    )  # fmt: skip


@presigned_in_data.fix(title="Put the address of the object in place of the link", sharded=True)
def use_object_address(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Rewrite links into buckets that a source storage of the project has; one row update per task."""
    known = configured(ctx).get(int(finding.subject.removeprefix("project:")), set())

    def rewritten(text: str) -> str:
        return URL.sub(lambda found: str(_object(found[0], known) or found[0]), text)

    yield from rewrites(ctx, finding, rewritten)


def _row(ctx: Context, task_id: int, data: Any, known: set[tuple[str, str]]) -> dict[str, Any] | None:
    for path, text in texts(data):
        for found in URL.finditer(text):
            signed, end = _end(found[0])
            if signed:
                return {
                    "task": task_id, "field": path, "link": found[0][:LONGEST_SHOWN], "ends": end,
                    "ended": bool(end and end < ctx.now), "object": str(_object(found[0], known) or "") or None,
                }  # fmt: skip
    return None


def _object(url: str, known: set[tuple[str, str]]) -> Address | None:
    """The object behind a signed link, when a storage of the project resolves it."""
    found = object_of(html.unescape(url)) if _end(url)[0] else None
    return found if found and (found.scheme, found.bucket) in known else None


def _end(url: str) -> tuple[bool, datetime | None]:
    """Whether an address is a signed link, and when it ends, as far as it can be read."""
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(html.unescape(url)).query)}
    except ValueError:
        return False, None
    for maker in ("amz", "goog"):
        if f"x-{maker}-expires" in query:
            return True, _after(query.get(f"x-{maker}-date", ""), query[f"x-{maker}-expires"])
    if "sig" in query and "se" in query:
        return True, as_utc(query["se"].replace("Z", "+00:00"))
    if "expires" in query and "signature" in query and ({"awsaccesskeyid", "googleaccessid"} & set(query)):
        return True, _after("19700101T000000Z", query["expires"])
    return False, None


def _after(begin: str, seconds: str) -> datetime | None:
    try:
        return datetime.strptime(begin, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return None
