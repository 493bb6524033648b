"""The `lsconsole` command. Standard output carries only the document; progress and errors go to standard error.

Exit codes: 0 nothing at or over --fail-on; 1 findings at or over it; 2 could not look; 3 nothing bad seen, but a check
could not decide.
"""

from __future__ import annotations

import functools
import getpass
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from . import __version__, terminal
from .config import Settings
from .diagnostics import plan as plans
from .diagnostics import registry
from .diagnostics.check import Check, Finding, Scope, Severity, Subject
from .diagnostics.report import Report, readable
from .errors import CannotAttach, Conflict, ConsoleError, Refused
from .masking import mask_text
from .service import Console
from .state import audit as audit_log


class Commands(click.Group):
    """Turns exceptions raised on purpose into one sentence and an exit code, whatever the command."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Conflict as error:
            click.echo(f"lsconsole: {error}", err=True)
            ctx.exit(1)
        except ConsoleError as error:
            click.echo(f"lsconsole: {error}", err=True)
            ctx.exit(2)
        except BrokenPipeError:
            _stop_writing()
            ctx.exit(0)
        except click.Abort:
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:
            ctx.exit(_our_own_failure(error))


def _stop_writing() -> None:
    """The reader is gone (`| head`): what is left in the buffer must not raise again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _our_own_failure(error: Exception) -> int:
    """One sentence instead of a traceback; the place is told, for a report to the makers."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    told = mask_text(f"{type(error).__name__}: {error}".splitlines()[0])
    where = f"{Path(place.filename).name}:{place.lineno}"
    click.echo(f"lsconsole: stopped by an error of its own ({told}, {where}). Nothing more was done.", err=True)
    return 2


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
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def attached(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options every command that needs a deployment takes; the command is handed a Console."""

    @click.option("--database-url", metavar="URL", help="Label Studio's database. [LSCONSOLE_DATABASE_URL]")
    @click.option("--redis-url", metavar="URL", help="Label Studio's Redis, only read. [LSCONSOLE_REDIS_URL]")
    @click.option("--state-url", metavar="URL", help="Our own store. [LSCONSOLE_STATE_URL]")
    @click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="Config file (TOML). [LSCONSOLE_CONFIG]"
    )
    @functools.wraps(function)
    def wrapped(*args: Any, database_url: str | None, redis_url: str | None, state_url: str | None,
                config_file: Path | None, **kwargs: Any) -> Any:  # fmt: skip
        settings = Settings.load(
            config_file=config_file, database_url=database_url, redis_url=redis_url, state_url=state_url
        )
        console = Console(settings)
        try:
            return function(console, *args, **kwargs)
        finally:
            console.close()

    return wrapped


def narrowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that narrow what is looked at."""
    function = click.option("--user", metavar="EMAIL", help="Only this account, in whatever case.")(function)
    function = click.option("--storage", metavar="s3:N", help="Only this storage, such as s3:4.")(function)
    return click.option("--project", metavar="N", type=int, help="Only this project and its storages.")(function)


def who() -> str:
    """How the audit log names somebody at a terminal."""
    try:
        return f"{getpass.getuser()} (terminal)"
    except (KeyError, OSError):
        return "terminal"


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
        _stop_writing()
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


@main.command()
@click.argument("code")
@click.option("--subject", metavar="KIND:ID", help="Only this finding, such as user:4 or storage:s3:2.")
@click.option("--fix", "fix_id", metavar="ID", help="Which fix, when a check has several.")
@click.option(
    "--apply", "do_apply", is_flag=True, help="Write the changes. Without it the plan is printed and nothing changes."
)
@click.option("--reason", help="Why; kept in the audit log. Needed with --apply.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@attached
def fix(console: Console, code: str, subject: str | None, fix_id: str | None, do_apply: bool, reason: str | None,
        form: str) -> None:  # fmt: skip
    """Plan the repair of what a check finds; with --apply, write it.

    Without --apply this is a dry run: it prints each row before and after, and changes nothing.
    """
    checked = registry.get(code)
    if do_apply and not (reason or "").strip():
        raise Refused("--apply needs --reason; it is kept in the audit log. A ticket number is enough.")
    if not checked.fixes:
        raise Refused(f"{code} has no fix. `lsconsole explain {code}` tells what to do.")
    chosen = checked.get_fix(fix_id).id if fix_id else None
    console.recover()
    report, findings = _find(console, checked, subject)
    repairable = [item for item in findings if item.fixes and (chosen is None or chosen in item.fixes)]
    for item in findings:
        if item not in repairable:
            click.echo(f"Not repaired: {item.subject}: {item.summary}. {item.cause}", err=True)
    if not repairable:
        if findings:
            raise Refused(
                f"{code}: none of {len(findings)} findings can be repaired by the console; see the reasons above."
            )
        reason_text = report.results[0].reason if report.results else ""
        if report.undecided:
            raise Refused(f"{code} could not be decided: {reason_text}")
        if form == "json":
            click.echo(json.dumps({"code": code, "total": 0, "changes": []}, indent=2))
        click.echo(f"{code}: nothing to repair. {reason_text}".strip(), err=form == "json")
        return
    fix_name = chosen or next(iter(repairable[0].fixes or ()))
    suited = [item for item in repairable if fix_name in (item.fixes or ())]
    plan = (
        console.plan_many(checked, fix_name, suited, by=who())
        if len(suited) > 1
        else console.plan(suited[0], fix_name, by=who())
    )
    if form == "json":
        click.echo(json.dumps(_plan_document(plan), indent=2, ensure_ascii=False))
    else:
        terminal.print_plan(plan)
    if not do_apply:
        if form == "text":
            click.echo("\nNothing was written. Add --apply --reason TEXT to write these changes.")
        return
    _apply(console, checked, plan, suited, reason or "", form)


def _find(console: Console, checked: Check, subject: str | None) -> tuple[Report, list[Finding]]:
    scope = Scope()
    if subject:
        from . import runbooks

        parsed = Subject.parse(subject)
        runbooks.subject_name(console, parsed)  # raises NotFound for a person, project or storage that is not there
        scope = Scope.of(parsed)
        scope = scope if scope.words <= checked.scopes else Scope()
    with terminal.progress("Checking") as progress:
        report = console.check([checked.code], scope=scope, by=who(), progress=progress)
    return report, [item for item in report.findings if not subject or item.subject == subject]


def _apply(console: Console, checked: Check, plan: Any, findings: list[Finding], reason: str, form: str) -> None:
    if plan.left_out and checked.get_fix(plan.fix_id).sharded:
        _repair(console, checked, plan, reason, form)
        return
    outcome = console.apply(plan.id, by=who(), reason=reason, seen=plan.fingerprint)
    verify = plans.get(console.store, plan.id).verify or {}
    left = verify.get("findings", 0)
    told = "checked again, nothing found" if not left else f"checked again, {left} findings left"
    changes = terminal.counted(plan.total, "change", "changes")
    click.echo(f"\nApplied: {outcome.rows:,} of {changes}, {told}.", err=form == "json")
    click.echo(f"Undo with: lsconsole undo {outcome.audit_seq}", err=form == "json")
    if plan.left_out:
        click.echo(
            f"{terminal.counted(plan.left_out, 'more row is', 'more rows are')} wrong; run the same command again.",
            err=form == "json",
        )


def _repair(console: Console, checked: Check, plan: Any, reason: str, form: str) -> None:
    """More rows are wrong than one plan holds: take the task ids shard by shard."""
    from .repair import repair_in_shards
    from .state import new_id

    with terminal.progress("Repairing") as progress:
        done = repair_in_shards(console, checked, plan.fix_id, subject=plan.subject, by=who(), reason=reason,
                                job_id=new_id(), progress=progress, cancelled=lambda: False)  # fmt: skip
    rows, made = terminal.counted(done["rows"], "row", "rows"), terminal.counted(len(done["plans"]), "plan", "plans")
    click.echo(
        f"Applied shard by shard: {rows} in {made}. Each is an event of `lsconsole audit`, and is undone by its id.",
        err=form == "json",
    )


def _plan_document(plan: Any) -> dict[str, Any]:
    from .diagnostics.change import diff, from_dict

    lines = [line for document in plan.changes for line in diff(from_dict(document))]
    return {"id": plan.id, "code": plan.code, "fix": plan.fix_id, "subject": plan.subject, "total": plan.total,
            "left_out": plan.left_out, "reversible": plan.reversible, "fingerprint": plan.fingerprint,
            "changes": [readable(line) for line in lines]}  # fmt: skip


@main.command()
@click.argument("audit_id", type=int)
@click.option("--reason", default="undone from the terminal", show_default=True, help="Why; kept in the audit log.")
@attached
def undo(console: Console, audit_id: int, reason: str) -> None:
    """Take back what an audit event applied, if no row has moved on since."""
    console.recover()
    plan = plans.by_audit(console.store, audit_id)
    outcome = console.undo(plan.id, by=who(), reason=reason)
    click.echo(
        f"Undone: {terminal.counted(outcome.rows, 'change', 'changes')} of “{plan.title}”. Audit event {outcome.audit_seq}."
    )


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
@narrowed
@attached
def runbook(console: Console, name: str | None, project: int | None, storage: str | None, user: str | None) -> None:
    """Walk the runbook of a symptom step by step; without NAME, list them. Starts no repair."""
    from . import runbooks

    if name is None:
        terminal.print_runbooks(runbooks.all_runbooks())
        return
    book = runbooks.get(name)
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
    from . import jobs

    _ = console.store
    jobs.serve_worker(console, burst=burst)


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


if __name__ == "__main__":
    main()
