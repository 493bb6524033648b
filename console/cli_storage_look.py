"""`lsconsole storage look | dry-run | decide | policy | sync`: what asks the bucket, or writes to it."""

from __future__ import annotations

import sys
from typing import Any

import click

from . import terminal_storage
from .cli_options import attached
from .cli_storage import FORMAT, find, followed, print_document, storage
from .errors import Refused
from .service import Console
from .state import storage_reports

_SWITCH = click.Choice(["true", "false"])


@storage.command()
@click.argument("reference", required=False)
@click.option("--all", "everything", is_flag=True, help="Every storage of the deployment.")
@click.option("--project", metavar="N", type=int, help="The storages of one project.")
@click.option("--write", is_flag=True, help="Also write a marker object and remove it again.")
@FORMAT
@attached
def look(
    console: Console, reference: str | None, everything: bool, project: int | None, write: bool, form: str
) -> None:
    """Try what a storage allows: the access matrix.

    Resolve, LIST, GET, HEAD, a pre-signed link, Range and CORS as a browser of Label Studio's pages sees them; PUT and
    DELETE with --write alone. Exit 1 when something failed, 3 when something could not be decided.
    """
    if sum([bool(reference), everything, project is not None]) != 1:
        raise Refused("Name a storage such as s3:4, or --project N, or --all.")
    arguments: dict[str, Any] = {"consent": write}
    if reference:
        arguments["storage"] = find(console, reference).reference
    elif project is not None:
        arguments["project_id"] = project
    job = followed(console, "matrix", f"Looking at {reference or 'storages'}", arguments)
    kept = storage_reports.all_latest(console.store, console.deployment.identity, "matrix")
    found = [row.document for row in kept.values() if row.job_id == job.id]
    if form == "json":
        print_document(found[0] if reference and found else found)
    else:
        terminal_storage.print_matrices(found)
    worst = {document["worst"] for document in found}
    sys.exit(1 if "failed" in worst else 3 if "unknown" in worst else 0)


@storage.command("dry-run")
@click.argument("reference")
@click.option("--regex", "regex_filter", metavar="TEXT", help="Another filter than the storage's; empty is none.")
@click.option("--prefix", metavar="TEXT", help="Another prefix.")
@click.option("--recursive", type=_SWITCH, help="Enter folders, whatever the storage says.")
@click.option("--as-files", "use_blob_urls", type=_SWITCH, help="Treat every object as a source file, or not.")
@click.option("--contents", default=1000, show_default=True, help="JSON objects that are opened; 0 for all.")
@FORMAT
@attached
def dry_run(console: Console, reference: str, regex_filter: str | None, prefix: str | None, recursive: str | None,
            use_blob_urls: str | None, contents: int, form: str) -> None:  # fmt: skip
    """Tell what Sync would do, and change nothing.

    Walks the bucket by Label Studio's own rules: how many objects are listed, refused by the filter, linked already, how
    many tasks would be made, which objects would fail and where the sync would stop. Exit 1 when a sync would fail.
    """
    options = {
        "regex_filter": regex_filter, "prefix": prefix, "contents": contents,
        "recursive": None if recursive is None else recursive == "true",
        "use_blob_urls": None if use_blob_urls is None else use_blob_urls == "true",
    }  # fmt: skip
    found = find(console, reference)
    job = followed(console, "dry run", f"Dry run of {reference}", {
        "storage": found.reference, "options": {name: value for name, value in options.items() if value is not None},
    })  # fmt: skip
    kept = storage_reports.latest(console.store, console.deployment.identity, found.reference, "dry run")
    if kept is None or kept.job_id != job.id:
        raise Refused("Another dry run of this storage ended meanwhile; look at that one, or start again.")
    if form == "json":
        print_document(kept.document)
    else:
        terminal_storage.print_dry_run(kept.document)
    sys.exit(1 if kept.document["stops"] else 0)


@storage.command()
@click.argument("reference")
@FORMAT
@attached
def decide(console: Console, reference: str, form: str) -> None:
    """Tell why JSON files are not synced: what the switch on and off would give.

    The switch is “Treat every bucket object as a source file”. Files that arrive with it on and not with it off say that
    LIST is allowed and GET is not, or that they hold no tasks.
    """
    from .doctor import decision  # with it comes numpy, which other commands need not wait for

    document = decision.decide(console.deployment, find(console, reference))
    if form == "json":
        print_document(document)
    else:
        terminal_storage.print_decision(document)


@storage.command()
@click.argument("reference")
@click.option("--only", metavar="SLUG", help="One part alone, its document bare: fit for a pipe.")
@FORMAT
@attached
def policy(console: Console, reference: str, only: str | None, form: str) -> None:
    """Write the policy, roles, CORS rules or environment a storage needs, narrowed to its bucket and prefix."""
    from .doctor import policies

    found = policies.snippets(find(console, reference), policies.Surroundings.of(console.settings))
    if only is not None:
        chosen = next((snippet for snippet in found if snippet.slug == only), None)
        if chosen is None:
            raise Refused(f"There is no part {only!r}; there is: {', '.join(snippet.slug for snippet in found)}.")
        click.echo(chosen.text or "\n".join(chosen.commands))
    elif form == "json":
        print_document([snippet.document() for snippet in found])
    else:
        terminal_storage.print_snippets(found)


@storage.command()
@click.argument("reference")
@click.option("--only-new", is_flag=True, help="Of a target: write the annotations that were never written.")
@FORMAT
@attached
def sync(console: Console, reference: str, only_new: bool, form: str) -> None:
    """Sync now: bring new tasks from a source, or write annotations to a target.

    What was synced before is passed over, so it may run from cron, and again after it was killed. Exit 1 when objects or
    annotations were left out, 2 when it failed.
    """
    found = find(console, reference)
    arguments = {"storage": found.reference, "only_new": only_new}
    job = followed(console, "sync", f"Syncing {found.reference}", arguments)
    document = job.result or {}
    if form == "json":
        print_document(document)
    else:
        terminal_storage.print_sync(document)
    sys.exit(1 if document.get("status") == "completed_with_errors" else 0)
