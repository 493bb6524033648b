"""`lsconsole fix` and `lsconsole undo`: plan, preview, apply, and take back."""

from __future__ import annotations

import json
from typing import Any

import click

from . import terminal
from .cli_options import attached, who
from .diagnostics import plan as plans
from .diagnostics import registry
from .diagnostics.check import Check, Finding, Scope, Subject
from .diagnostics.report import Report, readable
from .errors import Refused
from .service import Console


@click.command()
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
            told = f"Not repaired: {item.subject}: {item.summary}. {item.cause}"
            click.echo(terminal.harmless(told), err=True)
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
    if form == "text":
        terminal.print_plan(plan)
    applied = _apply(console, checked, plan, reason or "") if do_apply else {}
    if form == "json":
        click.echo(json.dumps(plan_document(plan) | applied, indent=2, ensure_ascii=False))
    else:
        _tell(plan, applied)


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


def _apply(console: Console, checked: Check, plan: Any, reason: str) -> dict[str, Any]:
    """Write the plan, or every shard when one plan does not hold all; what the document says of it."""
    if plan.left_out and checked.get_fix(plan.fix_id).sharded:
        from .repair import repair_in_shards
        from .state import new_id

        with terminal.progress("Repairing") as progress:
            done = repair_in_shards(console, checked, plan.fix_id, subject=plan.subject, by=who(), reason=reason,
                                    job_id=new_id(), progress=progress, cancelled=lambda: False)  # fmt: skip
        return {"status": "applied", "rows": done["rows"], "plans": done["plans"], "audit_id": None, "verified": None}
    outcome = console.apply(plan.id, by=who(), reason=reason, seen=plan.fingerprint)
    verified = plans.get(console.store, plan.id).verify
    return {"status": outcome.status, "rows": outcome.rows, "audit_id": outcome.audit_seq, "verified": verified}


def _tell(plan: Any, applied: dict[str, Any]) -> None:
    """What became of the plan, in words."""
    if not applied:
        click.echo("\nNothing was written. Add --apply --reason TEXT to write these changes.")
        return
    rows = applied["rows"]
    if "plans" in applied:
        made = terminal.counted(len(applied["plans"]), "plan", "plans")
        click.echo(f"Applied shard by shard: {terminal.counted(rows, 'row', 'rows')} in {made}. "
                   "Each is an event of `lsconsole audit`, and is undone by its id.")  # fmt: skip
        return
    verified = applied["verified"] or {}
    told = "nothing found"
    if verified.get("findings"):
        told = f"{terminal.counted(verified['findings'], 'finding', 'findings')} left"
    elif verified.get("outcome") in {"unknown", "crashed"}:
        told = f"but it could not decide: {terminal.harmless(str(verified.get('reason', '')))}"
    click.echo(f"\nApplied: {rows:,} of {terminal.counted(plan.total, 'change', 'changes')}, checked again, {told}.")
    click.echo(f"Undo with: lsconsole undo {applied['audit_id']}")
    if plan.left_out:
        click.echo(
            f"{terminal.counted(plan.left_out, 'more row is', 'more rows are')} wrong; run the same command again."
        )


def plan_document(plan: Any) -> dict[str, Any]:
    """A plan as the commands print it in JSON."""
    from .diagnostics.documents import diff, from_dict

    lines = [line for document in plan.changes for line in diff(from_dict(document))]
    return {"id": plan.id, "code": plan.code, "fix": plan.fix_id, "subject": plan.subject, "total": plan.total,
            "left_out": plan.left_out, "reversible": plan.reversible, "fingerprint": plan.fingerprint,
            "changes": [readable(line) for line in lines]}  # fmt: skip


@click.command()
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
