"""A role that may not read everything: the checks of accounts say which right is missing."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from console.deployment import Deployment
from console.diagnostics import registry
from console.diagnostics.runner import run_checks
from tests.factories import ON_POSTGRESQL

MEMBERS = "organizations_organizationmember"


@ON_POSTGRESQL
@pytest.mark.parametrize("role", ["looker", "Odd Role"])
def test_memberships_may_not_be_read(deployment: Deployment, session: Session, role: str) -> None:
    quoted = f'"{role}"'
    session.execute(text(f"do $$ begin create role {quoted} login; exception when duplicate_object then null; end $$"))
    session.execute(text(f"grant select on all tables in schema public to {quoted}"))
    session.execute(text(f"revoke select on {MEMBERS} from {quoted}"))
    session.commit()
    url = make_url(deployment.settings.database_url or "").set(username=role)
    settings = deployment.settings.with_(database_url=url.render_as_string(hide_password=False))
    narrow = Deployment.attach(settings)
    report = run_checks(narrow, registry.select(("auth.no_membership", "auth.active_org_deleted")), about=False)
    narrow.close()
    assert [result.outcome for result in report.results] == ["unknown", "unknown"]
    shown = role if role == "looker" else quoted
    assert all(f"GRANT SELECT ON {MEMBERS} TO {shown};" in result.reason for result in report.results)
