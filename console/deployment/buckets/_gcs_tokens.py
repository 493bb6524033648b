"""Who a Google Cloud Storage bucket is asked as: the row's service account, else the environment's credentials.

The key of a row names the address its tokens come from (`token_uri`), and a row is written by whoever may change a
project. So that address has to be Google's, or one that the operator allows, and then only an address that passes the
network rules is connected to. What the environment names is trusted.
Source: Label Studio's io_storages/gcs/utils.py, `get_client`; its scopes are those of google.cloud.storage.
"""

from __future__ import annotations

import json
import re
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import google.auth
import requests
from google.auth.credentials import Signing
from google.auth.crypt import RSASigner
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from google.auth.transport import DEFAULT_RETRYABLE_STATUS_CODES
from google.auth.transport import Request as TokenRequest
from google.auth.transport import Response as TokenResponse
from google.auth.transport.requests import Request as WebRequest
from google.oauth2.service_account import Credentials

from ...egress import Blocked, CannotFetch, Rules, TooMuch, request
from ...masking import mask_text
from .. import service_account
from . import BucketBlocked, BucketDenied, BucketError, BucketProblem, BucketUnreachable, Reach, Timeouts

COLUMN = "google_application_credentials"
FILE = "GOOGLE_APPLICATION_CREDENTIALS"
STORAGE_SCOPES = ["https://www.googleapis.com/auth/devstorage.full_control"]
PLATFORM_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
MOST_TOKEN_BYTES = 2**20
#: How long a metadata service may take to show itself, and how long it is taken as absent when it does not.
SEARCH_SECONDS, ABSENT_SECONDS = 1.0, 60.0
_REFUSALS = (
    ("invalid jwt signature", "the key was deleted, or belongs to another account"),
    ("account not found", "there is no such service account: it was removed, or its e-mail is misspelt"),
    ("disabled", "the service account, or its project, is disabled"),
    ("short-lived token", "the clocks here and there differ by more than some minutes"),
    ("timeframe", "the clocks here and there differ by more than some minutes"),
    ("invalid_scope", "the account may not ask for storage"),
)


class Tokens:
    """The credentials of one bucket: `headers` of a request, and what signs its links. Threads may share it."""

    #: the account's e-mail as far as it is known without asking
    account: str
    #: until when this process takes it that the machine has no default credentials; the search for them takes seconds
    _absent_until: ClassVar[float] = 0.0

    def __init__(self, row: Mapping[str, Any], reach: Reach, *, emulated: bool) -> None:
        """Raises BucketProblem for a key that cannot be used, BucketBlocked for one whose address is refused."""
        self._timeouts = reach.timeouts
        self._lock = threading.Lock()
        self._file = reach.environment.get(FILE) or ""
        self._credentials: Any = None
        self._ask: TokenRequest = WebRequest(requests.Session())
        text = str(row.get(COLUMN) or "")
        if text:
            info = _info(text, f"{COLUMN} of this storage")
            self._ask = _requester(info["token_uri"], reach)
            self._credentials = _service_account(info, STORAGE_SCOPES)
        self.from_row = bool(text)
        self.anonymous = emulated and not text
        self.account = getattr(self._credentials, "service_account_email", "")

    def headers(self, operation: str) -> dict[str, str]:
        """The Authorization of a request; fetches a token when there is none that lasts. Raises BucketError."""
        return {} if self.anonymous else {"Authorization": f"Bearer {self.token(operation)}"}

    def token(self, operation: str) -> str:
        with self._lock:
            credentials = self._found(operation)
            if not credentials.valid:
                self._refresh(credentials, operation)
            self.account = getattr(credentials, "service_account_email", "") or self.account
            return str(credentials.token)

    def signing(self) -> Any | None:
        """Credentials that sign links by themselves, None when there is no private key behind them."""
        if self.anonymous:
            return None
        with self._lock:
            found = self._found("presign")
        return found if isinstance(found, Signing) else None

    def _found(self, operation: str) -> Any:
        if self._credentials is None:
            self._credentials = self._from_file(self._file) if self._file else self._default(operation)
        return self._credentials

    def _from_file(self, name: str) -> Any:
        place = f"The file {name!r} that {FILE} names"
        try:
            text = Path(name).read_text(encoding="utf-8")
            info = json.loads(text)
        except OSError as error:
            raise BucketProblem(f"{place} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError):
            raise BucketProblem(f"{place} holds no JSON.") from None
        if isinstance(info, dict) and info.get("type") == "service_account":
            return _service_account(_info(text, place), PLATFORM_SCOPES)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the operator's own file, of whatever type
                return google.auth.load_credentials_from_dict(info, scopes=PLATFORM_SCOPES)[0]
        except (GoogleAuthError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise BucketProblem(f"{place} holds no credentials of Google ({type(error).__name__}).") from None

    def _default(self, operation: str) -> Any:
        if time.monotonic() > Tokens._absent_until:
            try:
                return google.auth.default(scopes=PLATFORM_SCOPES, request=_Bounded(self._ask, self._timeouts))[0]
            except DefaultCredentialsError:
                Tokens._absent_until = time.monotonic() + ABSENT_SECONDS
        raise BucketDenied(
            f"There are no credentials: {COLUMN} of this storage is empty, {FILE} is not set, and this machine has no "
            "default credentials of Google.", operation, "NoCredentials",
        )  # fmt: skip

    def _refresh(self, credentials: Any, operation: str) -> None:
        try:
            credentials.refresh(_Bounded(self._ask, self._timeouts))
        except RefreshError as error:
            raise _refusal(error, operation) from None
        except (GoogleAuthError, requests.RequestException) as error:
            raise BucketUnreachable(f"Google's token service cannot be reached ({type(error).__name__}).") from None
        except (ValueError, TypeError, KeyError, AttributeError):  # an answer that is no token
            raise BucketProblem("Google's token service gives an answer that is no token.") from None


class _Bounded(TokenRequest):
    """A request for a token that may take as long as any other, and is not repeated when the service is busy."""

    def __init__(self, inner: TokenRequest, timeouts: Timeouts) -> None:
        self._inner, self._timeouts = inner, timeouts

    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None,
        timeout: Any = None, **more: Any,
    ) -> TokenResponse:  # fmt: skip
        limits: Any = (self._timeouts.connect_seconds, self._timeouts.read_seconds)
        if isinstance(timeout, int | float):  # google-auth looks for a metadata service, up to three times
            limits = min(timeout, SEARCH_SECONDS)
        found = self._inner(url=url, method=method, body=body, headers=headers, timeout=limits, **more)
        if method == "POST" and found.status in DEFAULT_RETRYABLE_STATUS_CODES:
            raise BucketUnreachable(f"Google's token service answers {found.status}.")
        return found


class _Guarded(TokenRequest):
    """Requests to a token service that a row names and the operator allows: one address that passed, no redirect."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None,
        timeout: Any = None, **more: Any,
    ) -> TokenResponse:  # fmt: skip
        content = body.encode() if isinstance(body, str) else body
        seconds = sum(timeout) if isinstance(timeout, tuple) else 10
        host = urlsplit(url).hostname or ""
        try:
            with request(
                method, url, self._rules, headers=headers, body=content, most_bytes=MOST_TOKEN_BYTES, seconds=seconds,
                redirects=0,
            ) as answer:  # fmt: skip
                return _Told(answer.status, dict(answer.headers), b"".join(answer.chunks()))
        except Blocked as error:
            raise BucketBlocked(f"token_uri of this storage's key is refused. {host}: {error}") from None
        except (CannotFetch, TooMuch) as error:
            raise BucketUnreachable(f"The token service of this storage's key: {error}") from None


class _Told(TokenResponse):
    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self._told = status, headers, data

    @property
    def status(self) -> int:
        return self._told[0]

    @property
    def headers(self) -> Mapping[str, str]:
        return self._told[1]

    @property
    def data(self) -> bytes:
        return self._told[2]


def _info(text: str, place: str) -> dict[str, Any]:
    try:
        return service_account.parsed(text)
    except ValueError as error:
        raise BucketProblem(f"{place} cannot be used: {error}.") from None


def _service_account(info: Mapping[str, Any], scopes: list[str]) -> Credentials:
    """As `Credentials.from_service_account_info` makes them, without examining the key for a second time."""
    signer = RSASigner(service_account.private_key(info["private_key"]), info.get("private_key_id"))
    return Credentials(
        signer, info["client_email"], info["token_uri"], scopes=scopes, project_id=info.get("project_id")
    )


def _requester(token_uri: str, reach: Reach) -> TokenRequest:
    """What fetches the tokens of a row's key. Raises BucketBlocked for an address that is neither Google's nor allowed."""
    try:
        address = urlsplit(token_uri)
        host, port = (address.hostname or "").rstrip("."), address.port
    except ValueError:
        raise BucketBlocked("token_uri of this storage's key is no address.") from None
    google = host == service_account.GOOGLE or host.endswith(f".{service_account.GOOGLE}")
    plain = "@" not in address.netloc and not re.search(r"[\s\\\x00-\x1f]", token_uri)
    if google and plain and address.scheme == "https" and port in (None, 443):
        return WebRequest(requests.Session())
    rules = reach.rules_for(host, port or (443 if address.scheme == "https" else 80))
    allowed = {host, f"{host}:{port}"} & set(reach.allowed) or not reach.rules.protected
    if not (plain and host and allowed and address.scheme in ("http", "https")):
        raise BucketBlocked(
            f"token_uri of this storage's key points to {mask_text(host[:100]) or 'nowhere'}, not to Google: keys name "
            "https://oauth2.googleapis.com/token. If it is yours, name the host in LSCONSOLE_BUCKET_ENDPOINTS."
        )
    return _Guarded(rules)


def _refusal(error: RefreshError, operation: str) -> BucketError:
    """The token service's refusal in words; its own text is told only when it is a known kind of error."""
    inner = error.__cause__ or (error.args[0] if error.args else "")
    if isinstance(inner, BucketError):
        return inner
    if isinstance(inner, TransportError):
        return BucketUnreachable(f"Google's token service cannot be reached ({type(inner).__name__}).")
    told = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], Mapping) else {}
    code = str(told.get("error") or "")[:60]
    said = f"{code} {told.get('error_description') or error.args[0] if error.args else ''}".lower()
    why = next((words for sign, words in _REFUSALS if sign in said), "")
    if not code and not why:
        return BucketProblem("Google's token service gives an answer that is no token.")
    return BucketDenied(
        f"Google gives no token for these credentials, as {why}." if why
        else f"Google gives no token for these credentials: {mask_text(code)}.", operation, code or "RefreshError",
    )  # fmt: skip
