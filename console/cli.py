"""The `lsconsole` command. Standard output carries only the document; progress and errors go to standard error.

Exit codes: 0 nothing at or over --fail-on; 1 findings at or over it; 2 could not look; 3 nothing bad seen, but a check
could not decide.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import click

from . import __version__, cli_database, cli_fix, cli_maintain, cli_media, cli_queues, cli_storage_look, terminal
from .cli_options import Commands, attached, narrowed, stop_writing, who
from .config import Settings
from .diagnostics import registry
from .diagnostics.check import Severity
from .errors import CannotAttach, Refused
from .masking import MaskedFormatter, mask_text
from .service import Console
from .state import audit as audit_log


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lsconsole")
def main() -> None:
    """The doctor for a Label Studio deployment that already runs.

    Attaches to the deployment's database, Redis and buckets, says what is wrong with evidence, plans a repair, applies
    it and takes it back. Looking changes nothing.

    \b
    Begin with:
      lsconsole demo                      a throw-away deployment with planted faults
      lsconsole check --database-url URL  the verdict on yours
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskedFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


@main.command()
@click.argument("names", nargs=-1, metavar="[CODE|AREA]...")
@narrowed
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--fail-on", type=click.Choice([str(item) for item in Severity]), default="error", show_default=True,
              help="Exit 1 when a finding is at least this severe.")  # fmt: skip
@click.option("--deep", is_flag=True, help="List whole buckets instead of their first 1,000 keys.")
@attached
def check(console: Console, names: tuple[str, ...], project: int | None, storage: str | None, user: str | None,
          form: str, fail_on: str, deep: bool) -> None:  # fmt: skip
    """Run checks and print the verdict.

    \b
    Exit codes: 0 nothing at or over --fail-on, 1 findings at or over it,
    2 could not look, or a check of ours crashed and nothing else was found,
    3 nothing bad seen but a check could not decide.
    """
    checks = registry.select(names)
    scope = console.scope(user=user, project=project, storage=storage)
    recorded = _store_answers(console)
    with terminal.progress("Checking") as progress:
        if recorded:
            report = console.check(names, scope=scope, deep=deep, by=who(), progress=progress)
        else:
            from .diagnostics.runner import run_checks

            report = run_checks(console.deployment, checks, scope=scope, deep=deep, progress=progress)
    code = report.exit_code(Severity(fail_on))
    try:
        if form == "json":
            click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
        else:
            terminal.print_report(report, console.deployment.name, console.deployment.schema.version_note)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the verdict stands
        stop_writing()
    sys.exit(code)


def _store_answers(console: Console) -> bool:
    """Whether our own store can be used; a check goes on without it, and says so."""
    try:
        _ = console.store
    except CannotAttach as error:
        click.echo(f"lsconsole: {error} The run is not kept.", err=True)
        return False
    return True


@main.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Tell what a check means, how it is known and how it is repaired; without CODE, list all checks."""
    if code is None:
        terminal.print_catalogue()
    else:
        terminal.print_check(registry.get(code))


@main.group(invoke_without_command=True)
@click.option("--limit", default=30, show_default=True, help="How many events, newest first.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--state-url", metavar="URL", help="Our own store. [LSCONSOLE_STATE_URL]")
@click.pass_context
def audit(ctx: click.Context, limit: int, form: str, state_url: str | None) -> None:
    """Show who did what to what, and why; `audit verify` proves that nothing was edited or removed."""
    ctx.obj = state_url
    if ctx.invoked_subcommand is None:
        terminal.print_audit(Console(Settings.load(state_url=state_url)).store, limit, as_json=form == "json")


@audit.command()
@click.option("--state-url", metavar="URL", help="Our own store. [LSCONSOLE_STATE_URL]")
@click.pass_obj
def verify(given: str | None, state_url: str | None) -> None:
    """Walk the whole chain: exit 0 when it holds, 1 when an event was edited, removed or reordered."""
    console = Console(Settings.load(state_url=state_url or given))
    verdict = audit_log.verify(console.store)
    if verdict.ok:
        click.echo(f"The chain holds: {verdict.events} events.")
        return
    click.echo(f"The chain is broken after {verdict.events} good events. {verdict.problem}")
    sys.exit(1)


@main.command()
@click.argument("name", required=False)
@click.option(
    "--project", "titled", metavar="N|TITLE", help="This project: its number, or a part of its title that no other has."
)
@click.option("--storage", metavar="s3:N", help="This storage, such as s3:4.")
@click.option("--user", metavar="EMAIL", help="This account, in whatever case.")
@attached
def runbook(console: Console, name: str | None, titled: str | None, storage: str | None, user: str | None) -> None:
    """Walk the runbook of a symptom step by step; without NAME, list them. Starts no repair."""
    from . import runbooks, subjects

    if name is None:
        terminal.print_runbooks(runbooks.all_runbooks())
        return
    book = runbooks.get(name)
    project = subjects.one_project(console, titled) if titled else None
    scope = console.scope(user=user, project=project, storage=storage)
    subject = {"user": f"user:{scope.user_ids[0]}" if scope.user_ids else "", "project": f"project:{project}" if project else "",
               "storage": f"storage:{storage}" if storage else "", "nothing": ""}[book.needs]  # fmt: skip
    if book.needs != "nothing" and not subject:
        raise Refused(f"“{book.title}” needs --{book.needs}.")
    run = runbooks.begin(console, name, subject, by=who())
    with terminal.progress("Walking") as progress:
        run = runbooks.walk(console, run.id, progress=progress)
    terminal.print_walk(book, run)
    found = [finding for step in run.steps for finding in step["findings"]]
    sys.exit(1 if found else 3 if any(step["state"] in {"unknown", "crashed"} for step in run.steps) else 0)


@main.command()
@click.argument("email")
@click.argument("role", type=click.Choice(["admin", "support", "none"]))
@attached
def grant(console: Console, email: str, role: str) -> None:
    """Give an account a role here without touching Label Studio: admin, support, or none to take it away."""
    from . import auth

    auth.grant(console, email, role, by=who())
    click.echo(f"{email} has no role from here any more." if role == "none" else f"{email} is {role} here.")


@main.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--config", "config_file", type=click.Path(path_type=Path))
def config(form: str, config_file: Path | None) -> None:
    """Show the settings in force, secrets masked."""
    rows = Settings.load(config_file=config_file).shown()
    if form == "json":
        click.echo(json.dumps({name: value for name, value, _ in rows}, indent=2, ensure_ascii=False))
    else:
        terminal.print_settings(rows)


@main.command()
@click.option("--bind", metavar="HOST:PORT", help="Address to listen on. [LSCONSOLE_BIND]")
@attached
def serve(console: Console, bind: str | None) -> None:
    """Serve the console. Refuses an address others can reach while no LSCONSOLE_SECRET_KEY is set."""
    from . import server

    settings = console.settings.with_(bind=bind) if bind else console.settings
    console.close()
    server.serve(settings, announce=lambda address: click.echo(f"LS Console on {address}", err=True))


@main.command()
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@attached
def worker(console: Console, burst: bool) -> None:
    """Run jobs from our own queue (LSCONSOLE_QUEUE_URL); start as many as wanted, on any machine."""
    from . import work_queue

    _ = console.store
    work_queue.serve(console, burst=burst)


@main.command()
@click.option("--bind", metavar="HOST:PORT", default="127.0.0.1:8090", show_default=True)
@click.option(
    "--directory", type=click.Path(path_type=Path), help="Where the throw-away deployment is kept between runs."
)
@click.option(
    "--keep", is_flag=True, help="Keep the database and the audit log of the last demo instead of planting anew."
)
def demo(bind: str, directory: Path | None, keep: bool) -> None:
    """Start a throw-away deployment with planted faults, and the console on it. Ctrl-C ends everything."""
    from . import server

    try:
        server.demo(bind, directory, keep=keep)
    except ImportError as error:
        raise Refused(
            f"The demo needs its extra packages ({mask_text(str(error))}): pip install 'label-studio-console[demo]'"
        ) from None


main.add_command(cli_fix.fix)
main.add_command(cli_fix.undo)
main.add_command(cli_storage_look.storage)
main.add_command(cli_media.media)
main.add_command(cli_queues.queues)
main.add_command(cli_database.database)
main.add_command(cli_maintain.maintain)

if __name__ == "__main__":
    main()
