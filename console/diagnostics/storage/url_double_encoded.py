"""Addresses in task data were encoded twice.

A blank in an address is `%20`. Encoded once more it is `%2520`, and names another file: `photo%20one.jpg` instead of
`photo one.jpg`. Signed links lose their signature that way (`%252F` in the credential). It happens when a script
encodes what a library has encoded already. In addresses of local files a Windows path leaves `%5C`, where a slash
belongs.

The repair decodes these places once. Addresses that a sync made from the keys of a bucket are left alone: there a `%25`
stands for itself. So is an address inside another one, as in `?url=https%3A%2F%2F…%2520…`, which has to be encoded twice.

Source: percent-encoding of RFC 3986; `localfiles_data` in Label Studio, which decodes `d` once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from sqlalchemy import and_, or_, select

from ...deployment.storages import KINDS
from .. import Change, Context, Finding, Severity, check
from ..task_values import PerProject, configs, findings, matching, rewrites, tasks, texts

LONGEST_SHOWN = 300
LOCAL = "/data/local-files/?d="
#: Tasks asked about at a time, whether a sync made them.
BATCH = 500
_URL = re.compile(r"(?:https?://|(?:s3|gs|azure-blob)://|/data/)[^\s\"'<>]*")
_TWICE = re.compile(r"%25([0-9A-Fa-f]{2})")
_BACKSLASH = re.compile(r"%5[Cc]|\\")


@check(
    title="No address in task data is encoded twice",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The link names a file that is not there, or its signature does not match",
    cause="Addresses were percent-encoded a second time, or Windows paths were taken over.",
)
def url_double_encoded(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: task, field, address, the address decoded once."""
    collected = PerProject(ctx.evidence_limit)
    waiting: list[tuple[int, int, dict[str, Any]]] = []
    for task in matching(ctx, lambda text: or_(
        text.contains("%25", autoescape=True), text.contains("%5C", autoescape=True), text.contains("%5c", autoescape=True),
        and_(text.contains(LOCAL, autoescape=True), text.contains("\\", autoescape=True)),
    )):  # fmt: skip
        row = _row(task.id, task.data)
        if row:
            waiting.append((task.project_id, task.id, row))
        if len(waiting) >= BATCH:
            _keep(ctx, collected, waiting)
    _keep(ctx, collected, waiting)
    titles = configs(ctx, sorted(collected.rows))
    yield from findings(
        collected, titles, lambda total, rows, _: f"{tasks(total, 'hold')} an address that was encoded twice",
        "task.data: %25 before two hexadecimal digits, and backslashes",
    )  # fmt: skip


@url_double_encoded.fix(title="Decode the addresses once", sharded=True)
def decode_once(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Take one encoding away, and write slashes in paths of local files; one row update per task."""
    yield from rewrites(ctx, finding, lambda text: _URL.sub(lambda found: _decoded(found[0]), text))


def _keep(ctx: Context, collected: PerProject, waiting: list[tuple[int, int, dict[str, Any]]]) -> None:
    """Take over what waits; addresses of buckets in tasks that a sync made are what their keys say."""
    of_buckets = [task_id for _, task_id, row in waiting if row["address"].startswith(("s3:", "gs:", "azure-blob:"))]
    synced = _synced(ctx, of_buckets) if of_buckets else set()
    for project_id, task_id, row in waiting:
        if task_id not in synced:
            collected.add(project_id, row)
    waiting.clear()


def _synced(ctx: Context, task_ids: list[int]) -> set[int]:
    found: set[int] = set()
    with ctx.transaction() as session:
        for kind in KINDS.values():
            if not kind.is_target and ctx.schema.has_table(kind.link_name):
                link = ctx.schema.table(kind.link_name)
                found |= set(session.scalars(select(link.c.task_id).where(link.c.task_id.in_(task_ids))))
    return found


def _row(task_id: int, data: Any) -> dict[str, Any] | None:
    for path, text in texts(data):
        for found in _URL.finditer(text):
            decoded = _decoded(found[0])
            if decoded != found[0]:
                return {
                    "task": task_id,
                    "field": path,
                    "address": found[0][:LONGEST_SHOWN],
                    "decoded": decoded[:LONGEST_SHOWN],
                }
    return None


def _decoded(url: str) -> str:
    path, mark, query = url.partition("?")
    parts = [part if _holds_address(part) else _TWICE.sub(r"%\1", part) for part in query.split("&")]
    decoded = _TWICE.sub(r"%\1", path) + mark + "&".join(parts)
    if LOCAL in decoded:
        before, _, local = decoded.partition(LOCAL)
        return before + LOCAL + _BACKSLASH.sub("/", local)
    return decoded


def _holds_address(parameter: str) -> bool:
    value = unquote(unquote(parameter.partition("=")[2]))
    return "://" in value
