"""pg.extensions: what the migrations need."""

from __future__ import annotations

import pytest

from console.diagnostics import Severity
from console.diagnostics.check import Context
from console.diagnostics.pg.extensions import extensions
from tests.diagnostics.postgresql import execute, looking_role
from tests.factories import ON_POSTGRESQL
from tests.servers import dump_versions

pytestmark = ON_POSTGRESQL


@pytest.mark.parametrize("version", dump_versions())
def test_the_dumps_have_them(ctx: Context) -> None:
    assert extensions.run(ctx) == []


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
