"""The caller's own account: who am I, my token, my keyboard shortcuts."""

from __future__ import annotations

from typing import Any

from ..errors import Invalid
from ..labeling import tokens, users, users_hotkeys
from .fields import Char, Mapped, Several, Shape
from .request import read, reading, writing
from .routes import Resource, answer
from .users import USER, user_json

api = Resource("Current user", "The account whose token or session is used.")

#: Everybody has every permission in the community edition.
PERMISSIONS = tuple(
    f"{kind}.{verb}"
    for kind, verbs in (
        ("organizations", "create view change delete invite"), ("projects", "create view change delete reset_cache"),
        ("tasks", "create view change delete"), ("views", "reset"), ("annotations", "create view change delete"),
        ("actions", "perform"), ("predictions", "any"), ("avatar", "any"), ("labels", "create view change delete"),
        ("models", "create view change delete"), ("model_provider_connection", "create view change delete"),
        ("webhooks", "view change"), ("users", "token.any"), ("storages", "view change sync"),
        ("views", "view create change delete"),
    )
    for verb in verbs.split()
)  # fmt: skip
LEGACY_TOKEN = Shape("LegacyToken", token=Char())
HOTKEYS = Shape(
    "Hotkeys", custom_hotkeys=Mapped(required=True, about='{"section:action": {"key": "ctrl+x", "active": true}}')
)
WHO = Shape("WhoAmI", "", **USER.fields, permissions=Several(of=Char(), read_only=True))


@api.get("/api/current-user/whoami", answers={200: WHO})
def whoami() -> Any:
    """Retrieve my user."""
    with reading() as db:
        return answer({**user_json(users.me(db)), "permissions": PERMISSIONS})


@api.get("/api/current-user/token", answers={200: LEGACY_TOKEN})
def token() -> Any:
    """Get user token. The caller's legacy token."""
    with reading() as db:
        return answer({"token": tokens.legacy_key(db)})


@api.post("/api/current-user/reset-token/", answers={201: LEGACY_TOKEN})
def reset_token() -> Any:
    """Reset user token. The old one stops working at once."""
    with writing() as db:
        return answer({"token": tokens.reset_legacy_key(db)}, 201)


@api.get("/api/current-user/hotkeys/", answers={200: HOTKEYS})
def hotkeys() -> Any:
    """Retrieve user hotkeys. Stored ones that break the rules count as none."""
    with reading() as db:
        stored = users.hotkeys(db)
    return answer({"custom_hotkeys": {} if users_hotkeys.problem(stored) else stored})


@api.patch("/api/current-user/hotkeys/", body=HOTKEYS, answers={200: HOTKEYS, 400: {"type": "object"}})
def change_hotkeys() -> Any:
    """Update user hotkeys. Refusals have a body of their own, as in Label Studio."""
    try:
        value = read(HOTKEYS)["custom_hotkeys"]
        problem = users_hotkeys.problem(value)
        if problem:
            raise Invalid({"custom_hotkeys": [problem]})
    except Invalid as error:
        return answer({"error": "Invalid hotkeys configuration", "details": error.fields}, 400)
    with writing() as db:
        users.change_hotkeys(db, value)
    return answer({"custom_hotkeys": value})
