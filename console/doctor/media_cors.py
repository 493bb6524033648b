"""Whether a page of the deployment may read a file of another origin: CORS as browsers apply it.

Pictures in plain tags show without it. Audio, video on a canvas, time series, texts, PDF and zoomed images are read by script
and stay empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import ConsoleError
from ..masking import mask_text
from .links import Reply
from .media_steps import Story
from .origin import origin_of

TITLE = "Pages of Label Studio may read the file (CORS)"
PREFLIGHT = "A browser’s question before reading parts is answered (CORS preflight)"
HEAD = "Pages may ask for the file’s headers (HEAD)"
CACHED = "Copies without an origin are kept apart (Vary: Origin)"
WHO_NEEDS_IT = "Audio, video, time series, texts, PDF and everything on a canvas stay empty; plain pictures may show."

Asking = Callable[[str, Mapping[str, str]], Reply]


def shared_with(story: Story, origin: str | None, url: str, reply: Reply, ask: Asking) -> None:
    """Add the steps. `reply` is the answer to a GET with the page's origin."""
    if origin is None:
        told = (
            "The console does not know where people open Label Studio: set LSCONSOLE_LABEL_STUDIO_URL, and look again."
        )
        story.add("unknown", TITLE, told, check="storage.cors_missing")
        return
    if origin_of(url) == origin:
        story.add("ok", TITLE, f"The file comes from {origin}, as the page does: CORS does not matter.")
        return
    if not _simple(story, origin, reply):
        return
    _preflight(story, origin, ask)
    _head(story, origin, ask)
    _cached(story, reply)


def allowed(reply: Reply, origin: str) -> bool:
    """Whether a page of this origin may read this answer."""
    return reply.headers.get("access-control-allow-origin", "").strip() in {"*", origin}


def _simple(story: Story, origin: str, reply: Reply) -> bool:
    given = reply.headers.get("access-control-allow-origin", "").strip()
    facts = {"access-control-allow-origin": given or "missing", "origin": origin}
    if allowed(reply, origin):
        story.add("ok", TITLE, f"The answer is shared with {given}.", **facts)
        return True
    seen = (
        f"The answer is shared with {mask_text(given[:200])}, not with {origin}"
        if given
        else f"The answer names no origin that may read it, and {origin} asked"
    )
    story.add(
        "failed",
        TITLE,
        f"{seen}. The bucket’s CORS rules lack this origin. {WHO_NEEDS_IT}",
        check="storage.cors_missing",
        **facts,
    )
    return False


def _preflight(story: Story, origin: str, ask: Asking) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    try:
        reply = ask("OPTIONS", asked)
    except ConsoleError as error:
        story.add("unknown", PREFLIGHT, str(error), check="storage.cors_head_range")
        return
    names = {name.strip().lower() for name in reply.headers.get("access-control-allow-headers", "").split(",")}
    if 200 <= reply.status < 300 and allowed(reply, origin) and names & {"*", "range"}:
        story.add("ok", PREFLIGHT, "GET with the header Range is allowed.")
        return
    told = f"It is answered with {reply.word}" if not 200 <= reply.status < 300 else "The header Range is not allowed"
    story.add("info", PREFLIGHT, f"{told}. Today’s browsers ask so only for unusual ranges; older players stay silent.",
              check="storage.cors_head_range")  # fmt: skip


def _head(story: Story, origin: str, ask: Asking) -> None:
    """Asked as a preflight: a signature is good for GET alone, so a real HEAD would be refused whatever the rules say."""
    try:
        reply = ask("OPTIONS", {"Origin": origin, "Access-Control-Request-Method": "HEAD"})
    except ConsoleError as error:
        story.add("unknown", HEAD, str(error), check="storage.cors_head_range")
        return
    methods = {name.strip().upper() for name in reply.headers.get("access-control-allow-methods", "").split(",")}
    if 200 <= reply.status < 300 and allowed(reply, origin) and methods & {"*", "HEAD"}:
        story.add("ok", HEAD, "HEAD is among the allowed methods.")
    else:
        story.add("info", HEAD, "HEAD is not among the allowed methods; a few players ask so for the length first.",
                  check="storage.cors_head_range")  # fmt: skip


def _cached(story: Story, reply: Reply) -> None:
    given = reply.headers.get("access-control-allow-origin", "").strip()
    vary = {name.strip().lower() for name in reply.headers.get("vary", "").split(",")}
    if given == "*" or vary & {"origin", "*"}:
        story.add("ok", CACHED, "Caches do not mix up answers for different origins.")
        return
    told = ("The answer is for one origin and does not say so (Vary: Origin): a copy that a browser or proxy kept from a plain "
            "request is refused to scripts later, until the cache is emptied.")  # fmt: skip
    story.add("info", CACHED, told, check="storage.cors_cached_without_origin")
