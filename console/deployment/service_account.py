"""The key file of a Google service account as people paste it: what is wrong with it, and what can be put right.

Label Studio takes the text of the file (`google_application_credentials`), reads it as strict JSON and hands it to
google-auth, which needs `client_email`, `token_uri` and a `private_key` that loads. No message holds a part of the key.
Source: Label Studio's io_storages/gcs/utils.py, `get_client`; google.oauth2.service_account.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

NEEDED = ("client_email", "token_uri", "private_key")
GOOGLE = "googleapis.com"
#: A key file has about 2,400 characters.
LONGEST = 20_000
_ARMOUR = re.compile(r"\s*-----BEGIN ((?:RSA )?PRIVATE KEY)-----(.*)-----END \1-----\s*", re.DOTALL)
_AGAIN = "paste the content of the key file once more"


def parsed(text: str) -> dict[str, Any]:
    """The members of a key that Label Studio can use. Raises ValueError with what is wrong, in words for people."""
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(_no_json(text)) from None
    if not isinstance(info, dict):
        raise ValueError(f"it is JSON, but no object with the members of a key: {_AGAIN}")
    kind = info.get("type")
    if kind not in (None, "service_account"):
        raise ValueError(f"it is of the type {str(kind)[:40]!r}, not the key of a service account")
    missing = [name for name in NEEDED if not isinstance(info.get(name), str) or not info[name].strip()]
    if missing:
        raise ValueError(f"it lacks {' and '.join(missing)}: {_AGAIN}")
    if info.get("universe_domain") not in (None, "", GOOGLE):
        raise ValueError(f"its universe_domain is not {GOOGLE}, and Label Studio knows no other")
    private_key(info["private_key"])
    return info


def repaired(text: str) -> str | None:
    """The same key in a form that Label Studio can use, where only its form is broken; None when nothing helps.

    Put right are line ends of the private key (escaped twice, or real ones inside the JSON), and base64 around it.
    """
    try:
        info = json.loads(_unwrapped(text) or text, strict=False)
    except (ValueError, RecursionError):
        return None
    if isinstance(info, dict) and isinstance(info.get("private_key"), str):
        info["private_key"] = _with_line_ends(info["private_key"])
    fixed = json.dumps(info, indent=2, ensure_ascii=False)
    try:
        parsed(fixed)
    except ValueError:
        return None
    return fixed if fixed != text else None


def _no_json(text: str) -> str:
    start = text.strip()
    if not start:
        return "it is blank"
    if len(text) > LONGEST:
        return f"it is no JSON, and {len(text):,} characters long"
    if re.fullmatch(r"(?:[A-Za-z]:)?[~\w./\\ -]{1,400}\.json", start):
        return "it is the path of a file; what belongs here is the content of that file"
    if _unwrapped(start):
        return "it is in base64; what belongs here is the JSON itself"
    if start.startswith("-----BEGIN"):
        return "it is a private key alone; what belongs here is the whole JSON of the key file"
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        return f"it must be valid JSON, and it is not{place}: {_AGAIN}"
    return r"its private key has real line ends inside the quotes, where JSON wants \n"


@lru_cache(maxsize=128)
def private_key(pem: str) -> RSAPrivateKey:
    """The key, examined: that takes a tenth of a second, so it is done once. Raises ValueError with what is wrong."""
    if "\\n" in pem:
        raise ValueError(r"the line ends of its private key are escaped twice (\\n instead of \n)")
    try:
        found = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"its private key cannot be read: {_AGAIN}") from None
    if not isinstance(found, RSAPrivateKey):
        raise ValueError("its private key is no RSA key, as those of Google are")
    return found


def _with_line_ends(key: str) -> str:
    found = _ARMOUR.fullmatch(key.replace("\\r", "").replace("\\n", "\n"))
    if not found:
        return key
    body = re.sub(r"\s+", "", found[2])
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {found[1]}-----", *lines, f"-----END {found[1]}-----", ""])


def _unwrapped(text: str) -> str | None:
    """What base64 holds, when that looks like JSON."""
    if len(text) > LONGEST or text.lstrip().startswith("{"):
        return None
    try:
        inner = base64.b64decode(re.sub(r"\s+", "", text), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return inner if inner.lstrip().startswith("{") else None
