"""The accounts of the dump without their two announced faults."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.factories import change_row

DAVE, GRACE, GRACES_MEMBERSHIP = 4, 7, 7


@pytest.fixture
def healthy(session: Session) -> Session:
    """Dave's address in lower case, Grace a member again. Returns the session, to plant something else."""
    change_row(session, "htx_user", DAVE, email="dave.capital@example.com")
    if "deleted_at" in session.info["schema"].columns["organizations_organizationmember"]:
        change_row(session, "organizations_organizationmember", GRACES_MEMBERSHIP, deleted_at=None)
    return session
