"""How storages look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from .deployment.models import as_utc
from .deployment.storage_list import StorageLine
from .deployment.storages import PROVIDER_TITLES, Storage
from .masking import mask_row, mask_text
from .terminal import escape, make_out

#: Columns that are no settings.
_ABOUT = {"title", "project_id", "status", "last_sync", "last_sync_count", "last_sync_job", "meta", "traceback"}
TRACEBACK_CHARS = 4000


def line_document(line: StorageLine) -> dict[str, Any]:
    """One storage of a list, as JSON has it."""
    return {
        "storage": line.reference, "title": mask_text(line.title), "type": line.kind.provider,
        "target": line.kind.is_target, "place": mask_text(line.place), "project": line.project_id, "status": line.status,
        "last_sync": line.last_sync.isoformat() if line.last_sync else None, "last_sync_count": line.last_sync_count,
    }  # fmt: skip


def print_lines(lines: Sequence[StorageLine]) -> None:
    """Every storage, one line each."""
    if not lines:
        make_out().print("No storage. Those that are added in Label Studio appear here.")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("Storage", "Title", "Place", "Project", "Status", "Last sync (UTC)", "Tasks"):
        table.add_column(column, overflow="fold", justify="right" if column == "Tasks" else "left")
    for line in lines:
        table.add_row(
            line.reference, escape(mask_text(line.title)), escape(mask_text(line.place)), str(line.project_id or "–"),
            escape(line.status.replace("_", " ")), f"{line.last_sync:%Y-%m-%d %H:%M}" if line.last_sync else "–",
            "–" if line.last_sync_count is None else f"{line.last_sync_count:,}",
        )  # fmt: skip
    make_out().print(table)


def storage_document(found: Storage) -> dict[str, Any]:
    """One storage: what it is, its settings and its last sync; secrets masked."""
    row = mask_row(found.kind.table_name, found.row)
    last_sync = as_utc(found.get("last_sync"))
    return {
        "storage": found.reference, "title": mask_text(found.title), "type": PROVIDER_TITLES[found.kind.provider],
        "target": found.kind.is_target, "project": found.get("project_id"), "status": found.get("status"),
        "last_sync": last_sync.isoformat() if last_sync else None, "last_sync_count": found.get("last_sync_count"),
        "settings": {
            name: value for name, value in row.items() if name not in _ABOUT and name != "id" and not name.endswith("_ptr_id")
        },
        "meta": row.get("meta"),
        "traceback": mask_text(str(found.get("traceback") or "")[-2 * TRACEBACK_CHARS :])[-TRACEBACK_CHARS:] or None,
    }  # fmt: skip


def print_storage(document: dict[str, Any]) -> None:
    """What `storage show` prints."""
    out = make_out()
    kind = f"{document['type']}, {'target' if document['target'] else 'source'}"
    out.print(f"[bold]{document['storage']}[/] {escape(document['title'])} ({kind}, project {document['project']})")
    status = str(document["status"] or "no sync status").replace("_", " ")
    count = document["last_sync_count"]
    told = f"{status}, last sync {document['last_sync'] or 'never'}" + ("" if count is None else f", {count:,} tasks")
    out.print(f"{told}\n")
    for name, value in document["settings"].items():
        empty = value is None or value == ""
        out.print(f"  {name:24} {'[dim]not set[/]' if empty else escape(str(value))}", soft_wrap=True)
    if document["traceback"]:
        out.print(f"\nWhat the last sync wrote down:\n{escape(document['traceback'])}", soft_wrap=True)
