"""How long sessions of the active organization last."""

from __future__ import annotations

from typing import Any

from ..labeling import sessions_policy
from .fields import Integer, Moment, Shape
from .request import read, reading, writing
from .routes import Resource, answer

api = Resource("Session policy", "When people who signed in have to sign in again.")

POLICY = Shape(
    "SessionPolicy", max_session_age=Integer(least=1, about="minutes since the sign-in"),
    max_time_between_activity=Integer(least=1, about="minutes of quiet"),
    created_at=Moment(read_only=True), updated_at=Moment(read_only=True),
)  # fmt: skip


@api.get("/api/session-policy/", answers={200: POLICY})
def policy() -> Any:
    """Retrieve Session Policy."""
    with reading() as db:
        return answer(sessions_policy.policy(db))


@api.patch("/api/session-policy/", body=POLICY, answers={200: POLICY})
def change() -> Any:
    """Update Session Policy."""
    values = read(POLICY, partial=True)
    with writing() as db:
        return answer(sessions_policy.change(db, values))
