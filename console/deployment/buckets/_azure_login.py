"""How a blob service is asked as a storage row has it: an account with its key, or with a SAS where the key belongs.

The name of the account becomes a part of a host name, and a row is written by whoever may change a project; so it is
held to Azure's own grammar. Label Studio takes a key alone; a SAS is understood here, so that one can see what it may.
Source: Label Studio's io_storages/azure_blob/models.py, `get_client_and_container`; Azure's "Authorize with Shared Key".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from . import BucketDenied, BucketProblem, Reach

PUBLIC = "https://{account}.blob.core.windows.net"
NAME, KEY = "AZURE_BLOB_ACCOUNT_NAME", "AZURE_BLOB_ACCOUNT_KEY"
VERSION = "2021-12-02"
#: our own word where Azure was not even asked
BAD_LOGIN = "InvalidCredentials"
#: Headers that a signature covers, in Azure's order; a length of 0 counts as none.
SIGNED = (
    "Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date",
    "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
)  # fmt: skip


class Login:
    """The account, its address without a slash at the end, and what signs a request."""

    def __init__(self, account: str, base: str, key: str, sas: str) -> None:
        self.account, self.base, self.key, self.sas = account, base, key, sas

    @classmethod
    def of(cls, row: Mapping[str, object], reach: Reach) -> Login:
        """Raises BucketProblem for values that cannot be right, BucketDenied when one of the two is nowhere."""
        account = account_of(row, reach)
        key = str(row.get("account_key") or reach.environment.get(KEY) or "")
        missing = [name for name, value in (("account name", account), ("account key", key)) if not value]
        if missing:
            words = " and the ".join(missing)
            message = f"The {words} must be set, in this storage or as {NAME} and {KEY} of the environment."
            raise BucketDenied(message, "open", "NoCredentials")
        return cls(account, base_of(account, reach), *_secret(key))

    def signed(self, method: str, url: str, headers: Mapping[str, str], length: int) -> tuple[str, dict[str, str]]:
        """URL and headers of a request as the service accepts them."""
        now = format_datetime(datetime.now(UTC), usegmt=True)
        told = {**headers, "x-ms-date": now, "x-ms-version": VERSION}
        if self.sas:
            return f"{url}{'&' if '?' in url else '?'}{self.sas}", told
        text = self._canonical(method, url, told, length)
        digest = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        return url, {**told, "Authorization": f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"}

    def _canonical(self, method: str, url: str, headers: Mapping[str, str], length: int) -> str:
        values = {"Content-Length": str(length or ""), **headers}
        lines = [method, *(values.get(name, "") for name in SIGNED)]
        lines += sorted(
            f"{name.lower()}:{value}" for name, value in headers.items() if name.lower().startswith("x-ms-")
        )
        address = urlsplit(url)
        query = sorted((name.lower(), value) for name, value in parse_qsl(address.query, keep_blank_values=True))
        lines.append(f"/{self.account}{address.path or '/'}")
        return "\n".join(lines + [f"{name}:{value}" for name, value in query])


def account_of(row: Mapping[str, object], reach: Reach) -> str:
    """The account that a row or the environment names, empty for none."""
    return str(row.get("account_name") or reach.environment.get(NAME) or "")


def base_of(account: str, reach: Reach) -> str:
    """The address of an account's blob service. Raises BucketProblem for a name that would lead to another host."""
    if not re.fullmatch(r"[a-z0-9]{3,24}", account):
        raise BucketProblem(
            "account_name is no name of a storage account: 3 to 24 small letters and digits, without the address.",
            BAD_LOGIN,
        )
    return (reach.azure_endpoint or PUBLIC).replace("{account}", account).rstrip("/")


def _secret(key: str) -> tuple[str, str]:
    """(account key, SAS): one of them is empty."""
    text = key.strip()
    if "AccountKey=" in text or "SharedAccessSignature=" in text:
        raise BucketProblem(
            "account_key holds a whole connection string; enter what stands behind AccountKey= alone.", BAD_LOGIN
        )
    if re.match(r"https?://", text):
        raise BucketProblem("account_key holds an address; enter the account's key.", BAD_LOGIN)
    sas = text.lstrip("?")
    if re.search(r"(?:^|&)sig=", sas):
        if not re.fullmatch(r"[!-~]+", sas) or "#" in sas:
            raise BucketProblem(
                "The SAS in account_key holds a blank or a sign beyond ASCII; enter it again.", BAD_LOGIN
            )
        return "", sas
    try:
        if not base64.b64decode(text):
            raise ValueError
    except (binascii.Error, ValueError):
        raise BucketProblem(
            "account_key is no key of a storage account: those are 88 characters of base64.", BAD_LOGIN
        ) from None
    return text, ""


def sas_fields(sas: str) -> dict[str, str]:
    """What a SAS says about itself, its signature left out: `sp` permissions, `se` its end, `sr` what it is for."""
    parts = (part.partition("=") for part in sas.split("&"))
    return {name: unquote(value) for name, _, value in parts if name != "sig"}
