"""A signed link, opened as a browser opens it: without credentials, with and without an origin, in part, asked first."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .. import egress
from ..deployment.buckets import Reach
from ..deployment.hosts import is_address, is_internal, is_loopback
from ..errors import ConsoleError
from ..masking import mask_text
from .cells import Cell
from .endpoints import Endpoint

BODY_BYTES = 4096
#: What players and fetch() send with a range; a browser asks leave for it first.
ASKED_HEADERS = "range"


#: Headers of an answer that are kept with its cell.
_FACTS = (
    "content-type",
    "content-length",
    "accept-ranges",
    "cache-control",
    "vary",
    "access-control-allow-origin",
    "date",
)


@dataclass(frozen=True)
class Reply:
    """What the other side said. `code` and `said` are the provider's own words of a refusal."""

    status: int
    headers: Mapping[str, str]
    code: str = ""
    said: str = ""

    @property
    def word(self) -> str:
        return f"{self.status} {self.code}".strip()


@dataclass(frozen=True)
class Link:
    """One signed link. `statement(operation)` tells what to add to the policy, `rules()` the bucket's CORS rules in words."""

    url: str
    origin: str | None
    endpoint: Endpoint
    reach: Reach
    statement: Callable[[str], str]
    rules: Callable[[], str]
    seconds: float = 6

    def ask(self, method: str, headers: Mapping[str, str]) -> Reply:
        """Raises Blocked, CannotFetch, BucketBlocked. A redirect is not followed: a signature does not survive one."""
        rules = self.endpoint.rules_of(self.url, self.reach)
        with egress.request(
            method, self.url, rules, headers=headers, seconds=self.seconds, follow=False, most_bytes=None
        ) as answer:
            body = b""
            if answer.status >= 400:
                for chunk in answer.chunks():
                    body += chunk
                    if len(body) >= BODY_BYTES:
                        break
            return Reply(answer.status, answer.headers, *refusal(answer.headers, body[:BODY_BYTES]))

    def opened(self) -> Cell:
        """The whole file, its body left unread."""

        def judge(reply: Reply) -> Cell:
            if reply.status != 200:
                return self._refused("presign", reply)
            if urlsplit(self.url).scheme == "http" and (self.origin or "").startswith("https:"):
                told = (
                    "The link starts with http:// and Label Studio is opened over https://: browsers refuse to mix the two. "
                    "An endpoint with https:// helps, or pre-signed links off."
                )
                return Cell("presign", "failed", told, "mixed content", detail=_facts(reply))
            told = f"The link opens without credentials{_inside(self.url)}."
            return Cell("presign", "ok", told, reply.word, detail=_facts(reply))

        return self._tried("presign", "GET", {}, judge)

    def in_part(self) -> Cell:
        """The first two bytes, as players ask when somebody seeks."""

        def judge(reply: Reply) -> Cell:
            if reply.status == 206:
                return Cell(
                    "range",
                    "ok",
                    f"A part is answered with a part ({reply.headers.get('content-range', '')}).",
                    reply.word,
                )
            if reply.status == 200:
                told = (
                    "A part is answered with the whole file: seeking in audio and video does not work. "
                    "The server, or a proxy in front of it, has to honour Range."
                )
                return Cell(
                    "range", "failed", told, reply.word, "a server, or a proxy in front of it, that honours Range"
                )
            return self._refused("range", reply)

        return self._tried("range", "GET", {"Range": "bytes=0-1"}, judge)

    def preflight(self) -> Cell:
        """What a browser asks before it reads a part from another origin."""
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": ASKED_HEADERS}

        def judge(reply: Reply) -> Cell:
            problem = self._not_shared(reply) if 200 <= reply.status < 300 else "The browser's question is refused"
            names = {name.strip().lower() for name in reply.headers.get("access-control-allow-headers", "").split(",")}
            if not problem and not names & {"range", "*"}:
                problem = "The header Range is not allowed"
            if problem:
                told = (
                    f"{problem}: audio, video and everything that is read by script stays empty. {self.rules()}".strip()
                )
                return Cell("preflight", "failed", told, reply.word, self.statement("preflight"), detail=_shared(reply))
            return Cell(
                "preflight", "ok", f"{self.origin} may read, Range included.", reply.word, detail=_shared(reply)
            )

        return self._tried("preflight", "OPTIONS", {"Origin": self.origin or "", **asked}, judge)

    def simple(self) -> Cell:
        """A plain read from another origin."""

        def judge(reply: Reply) -> Cell:
            if reply.status >= 400:
                return self._refused("simple", reply)
            if problem := self._not_shared(reply):
                told = f"{problem}: the browser throws the file away that it has read. {self.rules()}".strip()
                return Cell("simple", "failed", told, reply.word, self.statement("simple"), detail=_shared(reply))
            told = f"The file is shared with {self.origin}."
            if "content-range" not in reply.headers.get("access-control-expose-headers", "").lower():
                told = f"{told} Content-Range is not exposed; some players of audio and video need it."
            return Cell("simple", "ok", told, reply.word, detail=_shared(reply))

        return self._tried("simple", "GET", {"Origin": self.origin or ""}, judge)

    def _tried(self, operation: str, method: str, headers: Mapping[str, str], judge: Callable[[Reply], Cell]) -> Cell:
        started = time.monotonic()
        try:
            cell = judge(self.ask(method, headers))
        except ConsoleError as error:  # Blocked, CannotFetch, BucketBlocked
            cell = Cell(
                operation, "failed", str(error), "no answer" if isinstance(error, egress.CannotFetch) else "blocked"
            )
        return Cell(**{**cell.__dict__, "seconds": round(time.monotonic() - started, 3)})

    def _refused(self, operation: str, reply: Reply) -> Cell:
        if reply.status in egress.REDIRECTS:
            told = f"The link is answered with {reply.word}, a redirect to another address, which its signature does not survive."
            return Cell(operation, "failed", told, reply.word, detail=_facts(reply))
        told = f"The link is refused with {reply.word}{f': {reply.said}' if reply.said else ''}."
        statement = self.statement("get") if reply.code in {"AccessDenied", ""} and reply.status in {401, 403} else ""
        return Cell(operation, "failed", told, reply.word, statement, detail=_facts(reply))

    def _not_shared(self, reply: Reply) -> str:
        """Why a browser would not let the page read this answer; empty when it would."""
        allowed = reply.headers.get("access-control-allow-origin", "")
        if allowed in {"*", self.origin}:
            return ""
        if not allowed:
            return f"There is no access-control-allow-origin for {self.origin}"
        return f"The answer is for {mask_text(allowed[:200])}, and Label Studio is opened at {self.origin}"


def refusal(headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """(code, message) in the provider's own words: XML of S3, Google and Azure, or Azure's header."""
    text = body.decode("utf-8", "replace")
    code = re.search(r"<Code>([\w.:-]{1,80})</Code>", text)
    said = re.search(r"<Message>([^<]{1,300})", text)
    return (
        code[1] if code else headers.get("x-ms-error-code", "")[:80],
        mask_text(" ".join(said[1].split())).rstrip(".") if said else "",
    )


def _facts(reply: Reply) -> dict[str, str | int]:
    kept = {name: reply.headers.get(name) for name in _FACTS}
    return {"status": reply.status} | {name: mask_text(value[:200]) for name, value in kept.items() if value}


def _shared(reply: Reply) -> dict[str, str | int]:
    kept = {
        name: value
        for name, value in reply.headers.items()
        if name.lower().startswith("access-control-") or name.lower() == "vary"
    }
    return {"status": reply.status} | {name.lower(): mask_text(value[:200]) for name, value in kept.items()}


def _inside(url: str) -> str:
    """Where only this network may know the host."""
    host = urlsplit(url).hostname or ""
    if is_loopback(host) or not is_internal(host):
        return ""
    return f" from here; {host} is {'an address' if is_address(host) else 'a name'} of the inside, and browsers elsewhere do not reach it"
