"""What keyboard shortcuts people may set. Source: `users/serializers.py HotkeysSerializer`, whose messages these are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MOST = 200
DANGEROUS = frozenset({
    "ctrl+alt+delete", "cmd+alt+escape", "alt+f4", "ctrl+alt+esc", "cmd+option+esc", "ctrl+shift+esc", "cmd+shift+q",
    "alt+tab", "cmd+tab", "ctrl+alt+t", "cmd+space",
})  # fmt: skip
MODIFIERS = frozenset({"ctrl", "cmd", "command", "alt", "option", "shift", "meta"})
_ALLOWED = re.compile(r"[a-zA-Z0-9+\-\s\[\]\\;'\".,/`~!@#$%^&*()_={}|:<>?]+")


def problem(hotkeys: Mapping[str, Any]) -> str | None:
    """The first rule that a set of shortcuts breaks, or None. Shape: `{"section:action": {"key": …, "active": …}}`."""
    if len(hotkeys) > MOST:
        return f"Cannot define more than {MOST} custom hotkeys"
    for action, hotkey in hotkeys.items():
        found = _action_problem(action) or _hotkey_problem(action, hotkey)
        if found:
            return found
    return None


def _action_problem(action: str) -> str | None:
    if not action:
        return f"Action key '{action}' must be a non-empty string"
    if len(action) > 100:
        return f"Action key '{action}' is too long (max 100 characters)"
    section, colon, name = action.partition(":")
    if not colon:
        return f"Action key '{action}' must be in 'section:action' format"
    if not section.strip() or not name.strip():
        return f"Action key '{action}' must have non-empty section and action parts"
    return None


def _hotkey_problem(action: str, hotkey: Any) -> str | None:
    if not isinstance(hotkey, dict):
        return f"Hotkey data for '{action}' must be a dictionary"
    if "key" not in hotkey:
        return f"Missing 'key' in hotkey data for '{action}'"
    key = hotkey["key"]
    if not isinstance(key, str) or not key:
        return f"Key combination for '{action}' must be a non-empty string"
    if len(key) > 50:
        return f"Key combination for '{action}' is too long (max 50 characters)"
    if key.lower().strip() in DANGEROUS:
        return f"Key combination '{key}' is not allowed for security reasons"
    if not isinstance(hotkey.get("active", True), bool):
        return f"Active flag for '{action}' must be a boolean"
    if not _ALLOWED.fullmatch(key):
        return f"Key combination '{key}' for '{action}' contains invalid characters"
    for part in (piece.strip() for piece in key.split("+")[:-1]):
        if part.lower() not in MODIFIERS and len(part) > 20:
            return f"Invalid modifier or key '{part}' in key combination '{key}'"
    return None
