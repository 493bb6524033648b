"""How storages look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from .deployment.models import as_utc
from .deployment.storage_list import StorageLine
from .deployment.storages import PROVIDER_TITLES, Storage
from .doctor.policies import Snippet
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
    told = f"{status}, last sync {document['last_sync'] or 'never'}"
    if count is not None:
        told += f", {count:,} {'annotations' if document['target'] else 'tasks'}"
    out.print(f"{told}\n")
    for name, value in document["settings"].items():
        empty = value is None or value == ""
        out.print(f"  {name:24} {'[dim]not set[/]' if empty else escape(str(value))}", soft_wrap=True)
    if document["traceback"]:
        out.print(f"\nWhat the last sync wrote down:\n{escape(document['traceback'])}", soft_wrap=True)


#: How the states of cells look: a word, and its style.
_STATES = {"ok": ("ok", "green"), "failed": ("failed", "bold red"), "unknown": ("unknown", "yellow"),
           "not_tried": ("not tried", "dim"), "not_applicable": ("–", "dim")}  # fmt: skip


def print_matrices(documents: Sequence[dict[str, Any]]) -> None:
    """Access matrices, one below the other: what was tried, the answer, what is missing."""
    out = make_out()
    if not documents:
        out.print("There is no storage to look at.")
    for document in documents:
        at = f", object {escape(document['key'])}" if document["key"] else ""
        out.print(f"[bold]{document['reference']}[/] {escape(document['title'])}{at}, {document['seconds']:.1f} s")
        for cell in document["cells"]:
            word, style = _STATES[cell["state"]]
            code = f" [{style}]{escape(cell['code'])}[/]" if cell["code"] and cell["state"] == "failed" else ""
            out.print(
                f"  {cell['operation'].upper():10} [{style}]{word:9}[/]{code} {escape(cell['message'])}", soft_wrap=True
            )
            if cell["statement"] and cell["state"] == "failed":
                out.print(f"             add: {escape(cell['statement'])}", soft_wrap=True)
        out.print()


def print_dry_run(document: dict[str, Any]) -> None:
    """What Sync would do, as numbers, reasons and suggestions."""
    out = make_out()
    listed, new = document["listed"], document["new"]
    out.print(f"[bold]{document['storage']}[/] {escape(document['title'] or '')}: what Sync would do\n")
    numbers = [
        ("objects listed", listed["objects"]), ("folders not entered", document["folders"]["count"]),
        ("refused by the filter", document["filtered"]["count"]), ("linked already", document["linked"]["objects"]),
        ("new objects", new["objects"]), ("opened", new["read"]), ("not opened", new["not_read"]),
        ("tasks they would become", new["tasks"]), ("tasks left out", document["left_out"]["tasks"]),
        ("objects that fail", document["failing"]["count"]),
    ]  # fmt: skip
    for label, number in numbers:
        if number or label in {"objects listed", "new objects", "tasks they would become"}:
            out.print(f"  {number:>12,}  {label}")
    for reason in document["failing"]["reasons"]:
        first = next(iter(reason.get("examples") or []), None)
        example = first.get("key") if isinstance(first, dict) else first
        told = f" (first: {escape(str(example))})" if example else ""
        out.print(
            f"\n  [red]{reason['count']:,}[/] {escape(str(reason.get('told') or reason['reason']))}{told}",
            soft_wrap=True,
        )
    if document["stops"]:
        stops = document["stops"]
        where = f"at {escape(str(stops['key']))}" if stops["key"] else "before it lists anything"
        out.print(f"\n[bold red]Label Studio's sync would stop {where}[/], after {stops['tasks']:,} tasks: "
                  f"{escape(str(stops.get('told') or stops['reason']))}", soft_wrap=True)  # fmt: skip
    for suggestion in document.get("suggestions") or []:
        out.print(f"\n[bold]Suggestion:[/] {escape(suggestion['message'])}", soft_wrap=True)
        settings = " ".join(f"{name}={value!r}" for name, value in (suggestion.get("changes") or {}).items())
        if settings:
            out.print(f"  lsconsole storage set {document['storage']} {escape(settings)}", soft_wrap=True)


def print_decision(document: dict[str, Any]) -> None:
    """What the switch on and off would give, and the verdict."""
    out = make_out()
    verdict = document["verdict"]
    switch = "on" if document["is_on"] else "off"
    out.print(f"[bold]{escape(verdict['title'])}[/]\n{escape(verdict['told'])}\n", soft_wrap=True)
    out.print(f"  The switch is {switch}. Objects looked at: {document['listed']:,}{' or more' if document['more'] else ''}, "
              f"JSON among them: {document['json']:,}, linked already: {document['linked']:,}.")  # fmt: skip
    out.print(f"  on:  {document['enabled']['tasks']:,} tasks that show a file each")
    off = document["disabled"]
    out.print(f"  off: {off['tasks']:,} tasks out of {off['read']:,} files opened, {off['failing']:,} of which fail")


def print_snippets(found: Sequence[Snippet]) -> None:
    """What to set up, each part with the commands that apply it."""
    out = make_out()
    for snippet in found:
        out.print(f"[bold]{escape(snippet.title)}[/] ({snippet.slug})", soft_wrap=True)
        if snippet.note:
            out.print(escape(snippet.note), soft_wrap=True)
        if snippet.text:
            out.print(f"\n{escape(snippet.text)}", soft_wrap=True)
        for command in snippet.commands:
            out.print(f"\n  $ {escape(command)}", soft_wrap=True)
        out.print()


def print_sync(document: dict[str, Any]) -> None:
    """What a sync did."""
    out = make_out()
    state = str(document.get("status", "")).replace("_", " ")
    seconds = float(document.get("seconds") or 0)
    if "written" in document:
        told = f"{document['written']:,} of {document['total']:,} annotations written"
        if document["failed"]:
            told += f", {document['failed']:,} failed"
        problems = [f"annotation {one['annotation']}: {one['reason']}" for one in document["failures"][:20]]
    else:
        told = (f"{document['tasks']:,} tasks made of {document['objects']:,} new objects; {document['listed']:,} listed, "
                f"{document['existed']:,} tasks were there before")  # fmt: skip
        problems = document["problems"]
    out.print(f"[bold]{document.get('storage')}[/] {state}: {told} ({seconds:.1f} s)", soft_wrap=True)
    for problem in problems:
        out.print(f"  {escape(problem)}", soft_wrap=True)
