"""Questions to Label Studio itself over HTTP, with the operator's token. Nothing but GET, one byte of each file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ... import egress
from ...errors import Unknown
from ..check import Context

SECONDS = 10
LONGEST_ANSWER = 64 * 1024
#: How Label Studio's refusal begins while local files are not served.
SERVING_IS_OFF = "Serving local files can be dangerous"


@dataclass(frozen=True)
class Reply:
    """Status, where a redirect led (empty for none), and the beginning of the body."""

    status: int
    location: str
    body: str


def can_ask(ctx: Context) -> bool:
    return bool(ctx.settings.label_studio_url and ctx.settings.label_studio_token)


def need_asking(ctx: Context) -> None:
    """Raise Unknown naming the settings that asking takes."""
    if not can_ask(ctx):
        raise Unknown(
            "Asking Label Studio itself takes LSCONSOLE_LABEL_STUDIO_URL and LSCONSOLE_LABEL_STUDIO_TOKEN; they are not "
            "both set."
        )


def authorization(ctx: Context) -> str:
    """The header for the operator's token. A personal access token is exchanged for a short-lived one first.

    Raises Unknown when Label Studio refuses it.
    """
    token = ctx.settings.label_studio_token or ""
    if token.count(".") != 2:
        return f"Token {token}"
    reply = _ask(ctx, "POST", "/api/token/refresh", {"Content-Type": "application/json"},
                 json.dumps({"refresh": token}).encode())  # fmt: skip
    try:
        return f"Bearer {json.loads(reply.body)['access']}"
    except (ValueError, KeyError, TypeError):
        raise Unknown(f"Label Studio does not accept LSCONSOLE_LABEL_STUDIO_TOKEN ({reply.status}).") from None


def get(ctx: Context, path: str, header: str) -> Reply:
    """GET one path of Label Studio, redirects not followed. Raises Unknown when there is no answer."""
    return _ask(ctx, "GET", path, {"Authorization": header, "Range": "bytes=0-0"}, None)


def _ask(ctx: Context, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
    url = (ctx.settings.label_studio_url or "").rstrip("/") + path
    try:
        # the operator named this address; it is not a stranger's
        with egress.request(method, url, egress.Rules(protected=False), headers=headers, body=body,
                            most_bytes=None, seconds=SECONDS, redirects=0) as answer:  # fmt: skip
            head = b""
            for chunk in answer.chunks():
                head += chunk
                if len(head) >= LONGEST_ANSWER:
                    break
            return Reply(answer.status, "", head[:LONGEST_ANSWER].decode(errors="replace"))
    except egress.CannotFetch as error:
        if "redirects more than" in str(error):
            return Reply(301, "elsewhere", "")
        raise Unknown(f"Label Studio cannot be asked: {error}") from None
    except (egress.Blocked, egress.TooMuch) as error:
        raise Unknown(f"Label Studio cannot be asked: {error}") from None
