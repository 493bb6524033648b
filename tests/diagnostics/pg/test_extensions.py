"""pg.extensions: what the migrations need."""

from __future__ import annotations

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.extensions import extensions
from tests.diagnostics.postgresql import execute, looking_role
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL


def test_a_missing_extension_with_its_statement(settings, ctx: Context) -> None:
    execute(ctx, "drop extension btree_gin cascade")
    with looking_role(settings, ctx) as looking:
        [finding] = extensions.run(looking)
    assert (finding.subject, finding.severity) == ("deployment:database", Severity.WARNING)
    assert finding.summary == "1 extension of PostgreSQL is not installed: btree_gin"
    [row] = finding.evidence.rows
    assert (row["available"] is not None, row["may_create"]) == (True, False)
    execute(ctx, row["run"])
    assert extensions.run(ctx) == []
