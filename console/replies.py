"""The answer to a ticket: what a walk through a runbook saw, in sentences for somebody who never opens the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import runbooks
from .diagnostics import registry
from .state.models import RunbookRun

#: Further findings a reply names before it only counts them.
MOST_NAMED = 3


def reply(run: RunbookRun) -> str:
    """Paragraphs of plain text, or nothing while the walk is still under way."""
    if run.status == "running":
        return ""
    about = f"“{runbooks.get(run.slug).title}”" + (f" ({run.subject_name})" if run.subject_name else "")
    found = runbooks.verdict(run)
    body = _found(run, found) if found else _nothing_found(run)
    if runbooks.remark(run):
        body.insert(0, runbooks.remark(run))
    return "\n\n".join(["Hello,", f"thank you for writing. We looked into {about}.", *body])


def _found(run: RunbookRun, found: dict[str, Any]) -> list[str]:
    parts = [" ".join(["This is what we found:", _sentence(found["summary"]), _sentence(found["cause"])]).strip()]
    if found["impact"]:
        parts.append(f"What it means for you: {_sentence(found['impact'])}")
    parts.append(_what_we_can_do(found))
    others = [item for item in runbooks.findings_of(run) if item is not found]
    if others:
        named = "; ".join(item["summary"].rstrip(".") for item in others[:MOST_NAMED])
        more = f"; and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        parts.append(f"We also noticed: {named}{more}.")
    parts.append("Nothing has been changed so far.")
    return parts


def _what_we_can_do(found: dict[str, Any]) -> str:
    if not found["fixes"]:
        return "This needs a hand: an administrator has to decide what to do, and we will come back to you."
    fix = found["fixes"][0]
    back = (
        "It can be taken back." if fix["reversible"] else "It cannot be taken back, so an administrator decides first."
    )
    return f"What we can do: {_lower(fix['title'])}. {back} We will write again once it is done, so that you can try."


def _nothing_found(run: RunbookRun) -> list[str]:
    checks = [step for step in run.steps if step["kind"] == "check"]
    passed = [step for step in checks if step["state"] == "pass"]
    open_ = [step for step in checks if step["state"] in {"unknown", "crashed"}]
    parts = []
    if passed:
        parts.append("We went through the usual causes, and these are as they should be:\n" + _bullets(passed))
    others = [item["summary"].rstrip(".") for item in runbooks.findings_of(run)]
    if others:
        more = f"; and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        parts.append(f"We also noticed what is not the cause of this: {'; '.join(others[:MOST_NAMED])}{more}.")
    if open_:
        parts.append("These we could not tell yet and are following up:\n" + _bullets(open_))
    if run.status != "done":
        parts.append("Not every point has been looked at yet; we will come back to you.")
    else:
        parts.append("To go on we need: the exact words of the message, the time it came up (with your time zone), "
                     "and the address in the browser at that moment. A screenshot holds all three.")  # fmt: skip
    return parts


def _bullets(steps: Sequence[dict[str, Any]]) -> str:
    return "\n".join(f"– {registry.get(step['content']).title}" for step in steps)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _lower(text: str) -> str:
    """A title inside a sentence; an abbreviation keeps its capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
