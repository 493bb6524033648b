"""Label Studio is on https, and files of its tasks are on http: browsers do not load them.

A page on https may not fetch audio, video, time series or texts from http, and newer browsers drop pictures as well
("mixed content", "URL scheme must match"). The address stands either in the task data, or it is a signed link to a
storage whose endpoint is on http.

Serve the files on https. Where their server does that already, the repair writes `https://` into the data. Signed links
can be switched off instead, then Label Studio passes the bytes through (from 1.18 on). Addresses of the very machine
(`localhost`) are exempt, and only fields that the labeling configuration loads as files count.

Source: the mixed content rules of browsers (W3C); `generate_http_url` of Label Studio's S3 storages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...deployment.hosts import is_loopback
from ...deployment.releases import is_since
from ...deployment.storages import Storage
from .. import Change, Context, Finding, NotApplicable, Severity, Unknown, check
from ..addresses import host_of
from ..sources import in_use, storage_update
from ..task_values import (
    ANY_FIELD,
    PerProject,
    configs,
    field_of,
    findings,
    matching,
    media_fields,
    rewrites,
    tasks,
    texts,
)
from .base64_presign_off import STREAMS_SINCE

LONGEST_SHOWN = 300
#: An address that a browser loads: the whole value, or what `src` of a piece of HTML names.
_LOADED = re.compile(r"(?P<before>^\s*|\bsrc\s*=\s*[\"']?\s*)(?P<url>http://[^\s\"'<>]+)")


@check(
    title="Files of tasks are on https as Label Studio is",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The files do not load, and the browser speaks of mixed content",
    cause="The page is on https and the file on http, which browsers refuse.",
)
def mixed_content(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per project and per storage. Rows: task, field and address; for a storage its endpoint."""
    page = ctx.settings.label_studio_url or ""
    if page.lower().startswith("http://"):
        raise NotApplicable("Label Studio is on http, where files on http are loaded")
    if page and ctx.scope.task_range is None:
        yield from _of_storages(ctx)
    if ctx.scope.storage:
        return
    collected = PerProject(ctx.evidence_limit)
    known: dict[int, tuple[str, str]] = {}
    for task in matching(ctx, lambda text: text.contains("http://")):
        if task.project_id not in known:
            known |= configs(ctx, [task.project_id])
        row = _row(task.id, task.data, media_fields(known.get(task.project_id, ("", ""))[1]) | {ANY_FIELD})
        if row:
            collected.add(task.project_id, row)
    if page:
        yield from findings(
            collected, known, lambda total, rows, _: f"{tasks(total, 'show')} a file on http, and Label Studio is on https",
            "task.data: addresses on http in fields that are loaded", fixes=lambda rows: ("use_https",),
        )  # fmt: skip
    elif collected.rows:
        projects = ", ".join(str(project_id) for project_id in sorted(collected.rows))
        yield Unknown(
            f"Tasks of project {projects} show files on http. Whether Label Studio is on https is not known: set "
            "LSCONSOLE_LABEL_STUDIO_URL."
        )


@mixed_content.fix(title="Write https in place of http", sharded=True)
def use_https(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Change the scheme of addresses that are loaded; one row update per task. Their server has to speak https."""
    project_id = int(finding.subject.removeprefix("project:"))
    fields = media_fields(configs(ctx, [project_id]).get(project_id, ("", ""))[1]) | {ANY_FIELD}
    yield from rewrites(ctx, finding, lambda text: _LOADED.sub(_on_https, text), fields)


@mixed_content.fix(title="Let Label Studio pass the files through")
def pass_through(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch signed links off; browsers then ask Label Studio alone."""
    yield storage_update(ctx, finding, "presign", True, False)


def _of_storages(ctx: Context) -> Iterator[Finding]:
    try:
        found = in_use(ctx, prefixes=["s3"])
    except NotApplicable:
        return
    for item in found:
        endpoint = str(item.get("s3_endpoint") or ctx.settings.bucket_environment.get("S3_ENDPOINT") or "").strip()
        if item.get("presign") and endpoint.lower().startswith("http://") and not is_loopback(host_of(endpoint)):
            yield _of_storage(ctx, item, endpoint)


def _of_storage(ctx: Context, item: Storage, endpoint: str) -> Finding:
    row = {"endpoint": endpoint, "presign": True, "label_studio": ctx.settings.label_studio_url}
    return Finding(
        subject=item.subject, name=item.title, evidence=ctx.evidence(f"{item.kind.table_name}: s3_endpoint, presign", [row]),
        summary=f"Signed links lead to {host_of(endpoint)} on http, and Label Studio is on https",
        fixes=("pass_through",) if is_since(ctx.schema.label_studio_version, STREAMS_SINCE) else (),
    )  # fmt: skip


def _row(task_id: int, data: Any, fields: set[str]) -> dict[str, Any] | None:
    for path, text in texts(data):
        if field_of(path) not in fields:
            continue
        for found in _LOADED.finditer(text):
            if not is_loopback(host_of(found["url"])):
                return {"task": task_id, "field": path, "address": found["url"][:LONGEST_SHOWN]}
    return None


def _on_https(found: re.Match[str]) -> str:
    if is_loopback(host_of(found["url"])):
        return found[0]
    return f"{found['before']}https://{found['url'].removeprefix('http://')}"
