"""Invitation links of the active organization."""

from __future__ import annotations

from typing import Any

from ..labeling import organizations
from .fields import Char, Shape
from .request import reading, writing
from .routes import Resource, answer

api = Resource("Invites", "A link with a token lets people sign up; a reset makes old links useless.")

INVITE = Shape(
    "Invite",
    token=Char(),
    invite_url=Char(about="a path; put the address of this server before it"),
)


def _invite(token: str | None) -> dict[str, Any]:
    return {"token": token, "invite_url": f"/user/signup/?token={token}"}


@api.get("/api/invite", answers={200: INVITE})
def invite() -> Any:
    """Get organization invite link."""
    with reading() as db:
        return answer(_invite(organizations.invitation_token(db)))


@api.post("/api/invite/reset-token", answers={201: INVITE})
def reset() -> Any:
    """Reset organization token. Links that were sent before no longer let anybody in."""
    with writing() as db:
        return answer(_invite(organizations.reset_invitation(db)), 201)
