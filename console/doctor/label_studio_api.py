"""Asking the deployment's own Label Studio over HTTP, as the operator's token lets us.

A legacy token goes as it is; a personal access token is a refresh token, which is exchanged for one that lasts some
minutes (Label Studio's `jwt_auth`), and again when that has run out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import egress
from ..config import Settings
from ..errors import ConsoleError, NotApplicable
from ..masking import mask_text

#: A JSON Web Token: three parts in the alphabet of URLs.
_PERSONAL = re.compile(r"[\w-]{4,}\.[\w-]{4,}\.[\w-]{4,}")
REQUEST_SECONDS = 30.0
#: Answers about projects and snapshots are small; files are streamed.
MOST_BYTES = 16 * 2**20


class Refusal(ConsoleError):
    """Label Studio did not answer as it should; the message says what it said."""

    status = 502


class LabelStudioApi:
    """Requests under the configured address, with the configured token. Raises Refusal, Blocked and CannotFetch.

    The address is the operator's own, so it may lie in a private network.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.label_studio_url or not settings.label_studio_token:
            raise NotApplicable(
                "Label Studio cannot be asked: set LSCONSOLE_LABEL_STUDIO_URL and LSCONSOLE_LABEL_STUDIO_TOKEN."
            )
        self._base = settings.label_studio_url.rstrip("/")
        self._token = settings.label_studio_token.strip()
        self._rules = egress.Rules(protected=False)
        self._access = ""

    @property
    def personal(self) -> bool:
        """Whether the token is a personal access token."""
        return _PERSONAL.fullmatch(self._token) is not None

    def sign_in(self) -> dict[str, Any]:
        """Who we are there: the answer of `/api/current-user/whoami`."""
        if self.personal:
            self._refresh()
        return self.get("/api/current-user/whoami")

    def _refresh(self) -> None:
        body = json.dumps({"refresh": self._token}).encode()
        with self._ask("POST", "/api/token/refresh/", {}, body, REQUEST_SECONDS) as answer:
            said = _document(answer, "the exchange of the personal access token")
        self._access = str(said.get("access", "")) if isinstance(said, dict) else ""
        if not self._access:
            raise Refusal("Label Studio gave no access token for the personal access token.")

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def send(self, method: str, path: str, document: Any = None, seconds: float = REQUEST_SECONDS) -> Any:
        """The answer's document; None for an empty one. A personal token that ran out is exchanged once more."""
        body = json.dumps(document).encode() if document is not None else None
        for attempt in (1, 2):
            with self._ask(method, path, self._authorization(), body, seconds) as answer:
                if answer.status == 401 and self.personal and attempt == 1:
                    pass  # it lasts minutes
                else:
                    return _document(answer, f"{method} {path.partition('?')[0]}")
            self._refresh()
        return None

    @contextmanager
    def streamed(self, path: str, most_bytes: int, seconds: float) -> Iterator[egress.Answer]:
        """A file. Raises TooMuch past `most_bytes` while it is read."""
        if self.personal:
            self._refresh()
        with self._ask("GET", path, self._authorization(), None, seconds, most_bytes, follow=True) as answer:
            if not 200 <= answer.status < 300:
                _document(answer, f"GET {path}")
            yield answer

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access}" if self.personal else f"Token {self._token}"}

    @contextmanager
    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, seconds: float,
        most_bytes: int = MOST_BYTES, *, follow: bool = False,
    ) -> Iterator[egress.Answer]:  # fmt: skip
        told = {"Accept": "application/json", **headers} | ({"Content-Type": "application/json"} if body else {})
        with egress.request(
            method, self._base + path, self._rules, headers=told, body=body, seconds=seconds, most_bytes=most_bytes,
            follow=follow,
        ) as answer:  # fmt: skip
            yield answer


def _document(answer: egress.Answer, what: str) -> Any:
    """The JSON of a good answer; a Refusal that explains any other."""
    body = b"".join(answer.chunks())
    if answer.status in egress.REDIRECTS:
        where = egress.host_of(answer.headers.get("location", ""))
        raise Refusal(f"{what} was redirected to {where}. Set LSCONSOLE_LABEL_STUDIO_URL to where it answers itself.")
    if not 200 <= answer.status < 300:
        raise Refusal(f"Label Studio answered {what} with status {answer.status}{_hint(answer.status)}{_said(body)}")
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(f"{what} was answered with no JSON: is the address really that of Label Studio?") from None


def _hint(status: int) -> str:
    hints = {
        401: " (the token is refused: revoked, expired, or of a kind the organization has switched off)",
        403: " (the token's user has no right to do this)",
        404: " (it is not there, or the token's user belongs to another organization)",
    }
    return hints.get(status, " (its own failure: its log says more)" if status >= 500 else "")


def _said(body: bytes) -> str:
    """What Label Studio gave as its reason."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return "."
    detail = told.get("detail") if isinstance(told, dict) else None
    return f": {mask_text(str(detail))[:300]}" if detail else "."
