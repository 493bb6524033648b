"""The one place that hides secrets: every page, log line, report, error and bundle passes through here.

Two ways of knowing a secret: by where it stands (a column, a header, a `name=value`) and by what it looks like (a key
block, a signed link, a token with a telling prefix). Hiding too much is a nuisance, hiding too little a leak, so a
doubtful value is hidden. An AWS access key id alone is no secret; its ends stay visible (`AKIA…0001`), because telling
two keys apart is half of most diagnoses.

Texts come from other people and may be large: every expression below is linear. Runs are possessive, or start
only where no run of the same characters is already under way.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Mapping
from typing import Any

MASK = "••••••••"

# The last word of a name decides: `POSTGRE_PASSWORD=`, `awsSecretAccessKey:`, `"account_key":`. Longest first.
_NAMES = (
    r"secret[_-]?access[_-]?key|shared[_-]?access[_-]?(?:key|signature)|google_application_credentials|"
    r"user_delegation_key|private[_-]?key(?:[_-]id)?|encryption[_-]?key|account[_-]?key|access[_-]?key|"
    r"secret[_-]?key|signing[_-]?key|api[_-]?key|session[_-]?key|(?<!x-amz-)(?<!x-goog-)credentials?|passphrase|password|passwd|sessionid|"
    r"(?<=_)pass|pwd|secret|token"
)
_VALUE = (
    r'"(?:[^"\\\n]|\\.)*+"?'  # a quoted value, with its escapes
    r"|'(?:[^'\\\n]|\\.)*+'?"
    r"|\\+[\"'][^\"'\n]*+"  # a quoted value inside an already quoted document
    r"|[^\s\"'&,;<>(){}\[\]\\][^\s\"'&,;<>)}\]\\]*+"
)

_PEM = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?:[^-]|-(?!----))*+"
    r"(-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-amz-security-token)(\\*[\"']?\s{0,3}[:=]\s{0,3})"
    r"(\\*\"[^\"\n\\]*+|\\*'[^'\n\\]*+|[^\n\"'\\]++)"
)
_SCHEME = re.compile(r"(?i)\b(bearer|token|basic|apikey|jwt)( {1,3})([A-Za-z0-9._~+/=-]{8,}+)")
_NAMED = re.compile(rf"(?i)({_NAMES})(\d?\\*[\"']?\s{{0,3}}(?:=>|=|:(?!//))\s{{0,3}})({_VALUE})")
# Signed links; the scope behind the key of X-Amz-Credential (date, region) stays, it is what a wrong region shows in.
_QUERY = re.compile(
    r"(?i)([?&;](?:sig|signature|x-amz-signature|x-goog-signature|x-amz-security-token|awsaccesskeyid|samlresponse)=)"
    r"[^\s&\"'<>\\]++"
)
_AMZ_CREDENTIAL = re.compile(r"(?i)(x-amz-credential=)([^\s&%/\"'<>\\]++)")
_USERINFO = re.compile(
    r"(://[^\s/?#@:\"'<>\\,]{0,200}+:)(?!\d{1,5}[/?#])(?:[^\s/?#\"'<>]{1,500}@|[^\s@\"'<>,]{1,500}+@)"
)
_LOOKS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)?"  # JWT
    r"|sk-[A-Za-z0-9_-]{16,}+|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+|gh[pousr]_[A-Za-z0-9]{20,}+"
    r"|github_pat_[A-Za-z0-9_]{20,}+|glpat-[A-Za-z0-9_-]{16,}+|hf_[A-Za-z0-9]{20,}+|npm_[A-Za-z0-9]{30,}+"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}+|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}+|dapi[0-9a-f]{32}"
    r")"
)
_DJANGO_HASH = re.compile(
    r"(?<![A-Za-z0-9_])(pbkdf2_sha256|pbkdf2_sha1|argon2|bcrypt_sha256|bcrypt|scrypt|unsalted_md5|md5|sha1)"
    r"\$[^\s\"'<>]{8,}+"
)
_CRYPT_HASH = re.compile(r"\$(2[abxy]|argon2(?:id|i|d)|5|6|y)\$[^\s\"'<>]{8,}+")
_AWS_KEY_ID = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{8,28}+(?![A-Za-z0-9])")
_AZURE_KEY = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{86}==(?!=)")
_FORTY = re.compile(r"(?<![A-Za-z0-9+/=_.-])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_.-])")

_SECRET_COLUMN = re.compile(
    r"(?:.*_)?(?:password|passwd|passphrase|(?<=_)pass|pwd|secret|token|credentials|private_key|api_key|account_key|access_key"
    r"|access_key_id|secret_key|delegation_key|session_key|session_data|signature|jti|client_secret)\d?"
)
# Columns whose bare name says nothing.
_SECRET_IN_TABLE = {"authtoken_token": {"key"}, "django_session": {"session_key", "session_data"}}
_ALL_VALUES_SECRET = {"headers", "extra_http_headers", "cookies"}


def mask_text(text: str) -> str:
    """The text with every secret replaced. Masking a masked text changes nothing."""
    text = _PEM.sub(lambda found: found[1] + MASK + (found[2] or ""), text)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _HEADER.sub(_header, text)
    text = _SCHEME.sub(_scheme, text)
    text = _NAMED.sub(_named, text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    text = _AMZ_CREDENTIAL.sub(lambda found: found[1] + _key_id(found[2]), text)
    text = _LOOKS.sub(MASK, text)
    text = _DJANGO_HASH.sub(rf"\1${MASK}", text)
    text = _CRYPT_HASH.sub(rf"$\1${MASK}", text)
    text = _AWS_KEY_ID.sub(lambda found: _key_id(found[0]), text)
    text = _AZURE_KEY.sub(MASK, text)
    return _FORTY.sub(_forty, text)


def mask_url(url: str) -> str:
    """One URL without its password, its signature and the token some put in the place of a user name."""
    masked = mask_text(url.strip())
    return re.sub(r"(?i)^(https?://)[^\s/?#@:]{1,500}+@", rf"\1{MASK}@", masked)


class MaskedFormatter(logging.Formatter):
    """Log lines without secrets, the traceback included: databases quote the values of a row that they refuse."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_text(super().format(record))


def is_secret_column(name: str) -> bool:
    """Whether a column or key of this name holds a secret in itself, whatever its table."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:200]).lower().replace("-", "_")
    return bool(_SECRET_COLUMN.fullmatch(snake)) or snake in {"authorization", "cookie", "sessionid", "apikey"}


def mask_row(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A database row fit to be shown. An empty secret stays empty: that nothing is set is evidence too."""
    secret_here = _SECRET_IN_TABLE.get(table, set())
    return {name: _mask_member(str(name), value, str(name) in secret_here) for name, value in row.items()}


def mask(value: Any) -> Any:
    """The same shape with secrets hidden, in strings and under telling keys, at any depth."""
    return _mask(value, _MAX_DEPTH)


_MAX_DEPTH = 60


def _mask(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return mask_text(bytes(value).decode("utf-8", "backslashreplace"))
    if depth == 0 and isinstance(value, Mapping | list | tuple | set | frozenset):
        return MASK
    if isinstance(value, Mapping):
        return {
            (mask_text(key) if isinstance(key, str) else key): _mask_member(str(key), item, False, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask(item, depth - 1) for item in value]
    return value


def _mask_member(name: str, value: Any, known_secret: bool, depth: int = _MAX_DEPTH) -> Any:
    lowered = name.lower()
    if lowered in _ALL_VALUES_SECRET and isinstance(value, Mapping):
        return {key: MASK if item else item for key, item in value.items()}
    if lowered in _ALL_VALUES_SECRET and isinstance(value, str):
        return MASK if value.strip() not in ("", "{}", "null") else value
    if not (known_secret or is_secret_column(name)) or value is None or isinstance(value, bool):
        return _mask(value, depth)
    if lowered.endswith("access_key_id") and isinstance(value, str):
        return _key_id(value) if value else value
    if lowered == "password" and isinstance(value, str) and (found := _DJANGO_HASH.fullmatch(value)):
        return f"{found[1]}${MASK}"  # which hasher a password uses decides whether its owner can sign in
    return MASK if value not in ("", b"", [], {}) else value


def _key_id(key: str) -> str:
    """Ends of an access key id; a short one, as self-hosted stores allow, is hidden whole."""
    if "…" in key or key == MASK:
        return key
    return f"{key[:4]}…{key[-4:]}" if len(key) >= 12 and key.isalnum() else MASK


def _header(found: re.Match[str]) -> str:
    opening = re.match(r"\\*[\"']?", found[3])
    return f"{found[1]}{found[2]}{opening[0] if opening else ''}{MASK}"


def _scheme(found: re.Match[str]) -> str:
    value = found[3]
    prose = len(value) < 24 and not any(character.isdigit() for character in value)
    return found[0] if prose else f"{found[1]}{found[2]}{MASK}"


def _named(found: re.Match[str]) -> str:
    value = found[3]
    if value.strip("\"'\\").lower() in ("", "none", "null", "true", "false"):
        return found[0]
    opening = re.match(r"\\*[\"']?", value)
    quote = opening[0] if opening else ""
    closing = quote if quote and "\\" not in quote and len(value) > 1 and value.endswith(quote) else ""
    return f"{found[1]}{found[2]}{quote}{MASK}{closing}"


def _forty(found: re.Match[str]) -> str:
    """A bare AWS secret key is 40 random characters; words and paths of that length change their kind less often."""
    kinds = [_kind(character) for character in found[0]]
    changes = sum(pair in _UNLIKE_WORDS for pair in itertools.pairwise(kinds))
    return MASK if changes >= 7 and {"upper", "lower", "digit"} <= set(kinds) else found[0]


_UNLIKE_WORDS = {("lower", "upper"), ("digit", "upper"), ("digit", "lower"), ("lower", "digit"), ("upper", "digit")}


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "upper" if character.isupper() else "lower"
    return "sign"
