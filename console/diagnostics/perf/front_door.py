"""Asking Label Studio itself, at the address people use, a question that costs it nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ... import egress
from .. import Context, NotApplicable, Unknown

SECONDS = 15
#: Answers at once with a fixed text, without the database.
PATH = "/health/"


@dataclass(frozen=True)
class Answer:
    """One answer: the address asked, status, the server's name for itself, and how long it took."""

    url: str
    status: int
    server: str
    seconds: float


def ask(ctx: Context) -> Answer:
    """Ask once. Raises NotApplicable without an address, Unknown without an answer."""
    base = ctx.settings.label_studio_url
    if not base:
        raise NotApplicable("The address of Label Studio is not set (LSCONSOLE_LABEL_STUDIO_URL)")
    url, started = base.rstrip("/") + PATH, time.monotonic()
    try:
        # The operator named this address; it is not a stranger's.
        with egress.request("GET", url, egress.Rules(protected=False), seconds=SECONDS) as answer:
            return Answer(url, answer.status, answer.headers.get("Server", ""), time.monotonic() - started)
    except (egress.CannotFetch, egress.Blocked, egress.TooMuch) as error:
        raise Unknown(f"Label Studio did not answer: {error}") from None
