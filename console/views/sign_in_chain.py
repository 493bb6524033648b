"""Why somebody cannot sign in: the links between an account and an open session, from rows already read.

Source: the log-in form and view of Label Studio's users app (see the checks of the area `auth`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..passwords import FORMATS
from .texts import when


def sign_in_chain(
    user: Mapping[str, Any], memberships: Sequence[Mapping[str, Any]], organizations: Mapping[tuple[str, int], str]
) -> dict[str, Any]:
    """Links in the order Label Studio asks; the first broken one is marked, later ones are shown quietly.

    `refused` tells whether the sign-in itself fails, rather than what comes after it.
    """
    ended = {item["organization_id"] for item in memberships if item["deleted_at"]}
    live = [item for item in memberships if item["organization_id"] not in ended]
    steps = [
        ("Account exists", True, f"user {user['id']}, since {when(user.get('date_joined'))[:10]}"),
        _email(user),
        (
            "Account active",
            bool(user.get("is_active")),
            "is_active is true" if user.get("is_active") else "switched off: is_active is false",
        ),
        _password(user),
        _member(memberships, live, organizations),
        _active(user, live, organizations),
    ]
    first = next((number for number, (_, fine, _) in enumerate(steps) if not fine), None)
    links = [
        {"title": title, "text": text, "state": "pass" if fine else "error",
         "place": "broken" if number == first else "after" if first is not None and number > first else ""}
        for number, (title, fine, text) in enumerate(steps)
    ]  # fmt: skip
    title = "What a sign-in passes" if first is None else "Why can’t this person sign in?"
    # A membership that ended still lets people sign in; they find no project then.
    refused = first is not None and (first < 4 or (first == 4 and not memberships))
    if first is not None and not refused:
        title = "Why does this person find nothing?"
    return {"title": title, "broken": sum(not fine for _, fine, _ in steps), "links": links, "refused": refused}


Step = tuple[str, bool, str]


def _email(user: Mapping[str, Any]) -> Step:
    email = user.get("email") or ""
    if not email:
        return "E-mail can match", False, "no e-mail is stored"
    if email != email.strip():
        return "E-mail can match", False, "stored with a blank before or after it; the form cuts that off"
    fine = email == email.lower()
    return "E-mail can match", fine, "stored in lower case" if fine else "stored with capitals; the form looks for lower case"  # fmt: skip


def _password(user: Mapping[str, Any]) -> Step:
    kind = user.get("password_format") or "none"
    texts = {"none": "no password is stored", "unusable": "marked unusable: signs in by SSO, or not at all",
             "unknown": "stored in a format that Label Studio does not know"}  # fmt: skip
    return "Password usable", kind in FORMATS, texts.get(kind, kind)


def _name(organizations: Mapping[tuple[str, int], str], number: int) -> str:
    return organizations.get(("organization", number)) or f"organization {number}"


def _member(
    memberships: Sequence[Mapping[str, Any]], live: Sequence[Mapping[str, Any]], organizations: Mapping[tuple[str, int], str]
) -> Step:  # fmt: skip
    if live:
        more = f" and {len(live) - 1} more" if len(live) > 1 else ""
        return "Is a member", True, _name(organizations, live[0]["organization_id"]) + more
    if memberships:
        return "Is a member", False, f"removed from {_name(organizations, memberships[-1]['organization_id'])}"
    return "Is a member", False, "belongs to no organization: the sign-in ends in an error page"


def _active(
    user: Mapping[str, Any], live: Sequence[Mapping[str, Any]], organizations: Mapping[tuple[str, int], str]
) -> Step:  # fmt: skip
    number = user.get("active_organization_id")
    if number is None:
        return (
            "Works in an organization",
            bool(live),
            "none yet; the sign-in takes the first membership" if live else "none",
        )
    fine = number in {item["organization_id"] for item in live}
    name = _name(organizations, number)
    return "Works in an organization", fine, name if fine else f"{name}, which this person does not belong to"
