"""`lsconsole storage`: list storages, try their access, ask what a sync would do, sync, write policies, change settings."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from . import jobs, terminal, terminal_storage
from .cli_options import attached, who
from .deployment.storage_list import storage_lines
from .deployment.storages import Storage
from .deployment.storages import storage as find_storage
from .errors import Invalid, Refused
from .service import Console
from .state.models import JobRow

FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
#: Characters of a secret's file that are read.
LONGEST_FILE = 100_000


@click.group()
def storage() -> None:
    """Look into storages and their buckets, sync them, and repair their settings.

    A storage is named by its type and id, as in s3:4; targets are s3-export:1.

    \b
    Begin with:
      lsconsole storage list               every source and target
      lsconsole storage look s3:4          what its credentials may do, and what a browser would see
      lsconsole storage dry-run s3:4       what Sync would bring, and why not more
    """


@storage.command("list")
@click.option("--project", metavar="N", type=int, help="Only the storages of this project.")
@FORMAT
@attached
def list_(console: Console, project: int | None, form: str) -> None:
    """List sources and targets with the state of their last sync."""
    with console.deployment.read() as session:
        lines = storage_lines(session, console.deployment.schema, project_id=project)
    if form == "json":
        print_document([terminal_storage.line_document(line) for line in lines])
    else:
        terminal_storage.print_lines(lines)


@storage.command()
@click.argument("reference")
@FORMAT
@attached
def show(console: Console, reference: str, form: str) -> None:
    """Show the settings and the last sync of one storage, secrets masked."""
    document = terminal_storage.storage_document(find(console, reference))
    if form == "json":
        print_document(document)
    else:
        terminal_storage.print_storage(document)


@storage.command("set")
@click.argument("reference")
@click.argument("changes", nargs=-1, metavar="NAME=VALUE...")
@click.option("--mark-failed", is_flag=True, help="Instead: mark a sync that hangs as failed.")
@click.option("--apply", "do_apply", is_flag=True, help="Write the changes. Without it the plan is printed.")
@click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")
@attached
def set_(console: Console, reference: str, changes: tuple[str, ...], mark_failed: bool, do_apply: bool,
         reason: str | None) -> None:  # fmt: skip
    """Plan a change of settings; with --apply, write it.

    NAME is a column such as regex_filter, prefix, recursive_scan, use_blob_urls, region_name, s3_endpoint, presign or
    presign_ttl; an empty VALUE clears it. Credentials never stand on the command line: NAME=@FILE reads a file, NAME=@-
    standard input.
    """
    if do_apply and not (reason or "").strip():
        raise Refused("--apply needs --reason; it is kept in the audit log. A ticket number is enough.")
    if mark_failed == bool(changes):
        raise Refused("Give NAME=VALUE, or --mark-failed alone.")
    given = {"mark_failed": "true"} if mark_failed else dict(_change(text) for text in changes)
    try:
        plan = console.plan_settings(reference, given, by=who())
    except Invalid as invalid:
        raise Refused(" ".join(f"{name}: {' '.join(told)}" for name, told in invalid.fields.items())) from None
    terminal.print_plan(plan)
    if not do_apply:
        click.echo("\nNothing was written. Add --apply --reason TEXT to write these changes.")
        return
    outcome = console.apply(plan.id, by=who(), reason=reason or "", seen=plan.fingerprint)
    click.echo(
        f"\nApplied: {terminal.counted(outcome.rows, 'row', 'rows')}. Undo with: lsconsole undo {outcome.audit_seq}"
    )


def _change(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise Refused(f"{text[:60]!r} is no NAME=VALUE.")
    if value.startswith("@"):
        return name, _read(value[1:])
    if (
        name.endswith(("_key", "_key_id", "_token", "password", "_credentials"))
        and value
        and name != "aws_sse_kms_key_id"
    ):
        raise Refused(f"{name} is a secret: other people see command lines. Write {name}=@FILE or {name}=@-.")
    return name, value


def _read(path: str) -> str:
    try:
        text = sys.stdin.read(LONGEST_FILE) if path == "-" else Path(path).read_text(encoding="utf8")[:LONGEST_FILE]
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from None
    return text.strip()


def followed(console: Console, kind: str, title: str, arguments: dict[str, Any]) -> JobRow:
    """Run a job in this process with a bar, and return it as it ended. Ctrl-C asks it to stop at its next step.

    Raises Refused when it did not come to its end.
    """
    console.settings = console.settings.with_(jobs="threads")
    job = jobs.start(console, kind, title, arguments, by=who())
    with terminal.progress(title) as progress:
        while (row := jobs.get(console.store, job.id)).status in {"queued", "running"}:
            progress(row.done, row.total, row.label)
            try:
                time.sleep(0.1)
            except KeyboardInterrupt:
                jobs.cancel(console.store, job.id)
                click.echo("Stopping …", err=True)
    if row.status != "done":
        raise Refused(row.error or f"It was {row.status}.")
    return row


def find(console: Console, reference: str) -> Storage:
    """The storage somebody typed. Raises NotFound."""
    with console.deployment.read() as session:
        return find_storage(session, console.deployment.schema, reference)


def print_document(document: Any) -> None:
    """A document on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
