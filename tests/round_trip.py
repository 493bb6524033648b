"""The story of every fix: find, plan, apply, pass, undo, find the same again."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sqlalchemy import text

from console.deployment import Deployment
from console.diagnostics import Check, Finding, NotApplicable
from console.diagnostics.check import Context
from console.service import Console


def table_digests(deployment: Deployment) -> dict[str, str]:
    """A digest of every row and column of every table of the deployment: equal digests, equal databases."""
    with deployment.read() as session:
        return {
            table: _digest(sorted(str(tuple(row)) for row in session.execute(text(f'select * from "{table}"'))))
            for table in sorted(deployment.schema.columns)
        }


def assert_round_trip(
    console: Console, ctx: Context, check: Check, fix_id: str, finding: Finding, *, leaves: tuple[str, ...] = ()
) -> None:
    """Plan and apply one fix of one finding, see it gone, undo it, and see every row as it was.

    Planning writes nothing. `leaves` names subjects that the check goes on to report once the fix is applied.
    """
    ctx.close()
    before = table_digests(console.deployment)
    plan = console.plan(finding, fix_id, by="test")
    assert table_digests(console.deployment) == before, "planning wrote to the deployment"

    console.apply(plan.id, by="test", reason="round trip", seen=plan.fingerprint)
    assert table_digests(console.deployment) != before, "applying changed nothing"
    try:
        left = {found.subject for found in check.run(ctx)}
    except NotApplicable:  # what was repaired was all there was to look at
        left = set()
    assert finding.subject not in left - set(leaves)

    ctx.close()
    console.undo(plan.id, by="test", reason="round trip")
    assert table_digests(console.deployment) == before, "undo did not restore every row"
    again = [found for found in check.run(ctx) if found.subject == finding.subject]
    assert [replace(found, evidence=finding.evidence) for found in again] == [finding]
    assert [found.evidence.rows for found in again] == [finding.evidence.rows]
    ctx.close()


def _digest(rows: list[str]) -> str:
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
