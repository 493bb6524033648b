"""The credentials of a storage stand in the wrong fields, or came with something around them.

The fields are write-only: nobody sees what was pasted. What goes wrong is always the same: key id and secret swapped, a
blank or line end copied along, a session token left from earlier beside a permanent key, a connection string where
the key of the account belongs. The provider then says that the key id is unknown or that the signature does not match.

The shape of the values decides; they are never shown. The repairs swap, trim, or drop what is not needed, and keep the
old values sealed for undo. Where a value is missing or cut, enter it again on the storage's page.

Source: the forms of keys in the documentation of Amazon S3 and Azure Blob; Label Studio's storages pass the columns on
as they are.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...deployment.storages import Storage, column_table, storage
from .. import Change, Context, Finding, Severity, UpdateRow, check
from ..sources import in_use

COLUMNS = {
    "s3": ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
    "azure": ("account_name", "account_key"),
}
_KEY_ID = re.compile(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,28}")
_SECRET = re.compile(r"(?=.*[a-z/+])[A-Za-z0-9/+]{40}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_ACCOUNT_KEY = re.compile(r"[A-Za-z0-9+/]{60,}={0,2}")


@dataclass(frozen=True)
class _Fault:
    """One problem; `fix` repairs it, empty for what only a person can enter."""

    column: str
    problem: str
    fix: str = ""


@check(
    title="The credentials of every storage have the form of credentials",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The provider refuses every request: unknown key, or a signature that does not match",
    cause="The values were pasted into the wrong fields, or with something around them.",
)
def keys_mixed_up(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Rows: column, what is wrong with the form of its value, its length."""
    for item in in_use(ctx, prefixes=["s3", "azure", "s3-export", "azure-export"]):
        faults = _faults(item, ctx.settings.bucket_environment)
        if not faults:
            continue
        rows = [
            {"column": fault.column, "problem": fault.problem, "characters": len(str(item.get(fault.column) or ""))}
            for fault in faults
        ]
        told = "; ".join(fault.problem for fault in faults)
        only_token = all(fault.fix == "drop_token" for fault in faults)
        yield Finding(
            subject=item.subject, name=item.title, severity=Severity.WARNING if only_token else Severity.ERROR,
            summary=told[0].upper() + told[1:],
            evidence=ctx.evidence(f"{item.kind.table_name}: the form of the credentials", rows),
            fixes=tuple(dict.fromkeys(fault.fix for fault in faults if fault.fix)),
        )  # fmt: skip


@keys_mixed_up.fix(title="Put the two values into each other's field")
def swap(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Swap key id and secret (account and key), without the blanks around them."""
    item = _again(ctx, finding, "swap")
    if item:
        first, second = COLUMNS[item.kind.provider][:2]
        yield from _updates(ctx, item, {first: _text(item, second).strip(), second: _text(item, first).strip()})


@keys_mixed_up.fix(title="Remove blanks and quotes around the values")
def trim(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Store every value without the blanks, line ends and quotes around it."""
    item = _again(ctx, finding, "trim")
    if item:
        kept = {column: _bare(_text(item, column)) for column in COLUMNS[item.kind.provider] if _text(item, column)}
        yield from _updates(ctx, item, {name: value for name, value in kept.items() if value != item.get(name)})


@keys_mixed_up.fix(title="Drop the session token")
def drop_token(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Empty the session token: a permanent key has none."""
    item = _again(ctx, finding, "drop_token")
    if item:
        yield from _updates(ctx, item, {"aws_session_token": None})


def _faults(item: Storage, environment: Mapping[str, str]) -> list[_Fault]:
    return _of_s3(item, environment) if item.kind.provider == "s3" else _of_azure(item)


def _of_s3(item: Storage, environment: Mapping[str, str]) -> list[_Fault]:
    raw = {column: _text(item, column) for column in COLUMNS["s3"]}
    key_id, secret, token = (_bare(value) for value in raw.values())
    if not _KEY_ID.fullmatch(key_id) and (
        _KEY_ID.fullmatch(secret) or (_SECRET.fullmatch(key_id) and len(secret) < 40)
    ):
        if secret:
            return [_Fault("aws_access_key_id", "key id and secret are swapped", "swap")]
        return [_Fault("aws_access_key_id", "a secret stands in the field of the key id, and the other is empty")]
    faults = _padded(
        raw, {"aws_access_key_id": "key id", "aws_secret_access_key": "secret", "aws_session_token": "token"}
    )
    if key_id and key_id == secret:
        faults.append(_Fault("aws_secret_access_key", "key id and secret are the same"))
    if re.search(r"^arn:|@|://|\s", key_id):
        faults.append(_Fault("aws_access_key_id", "the key id is no key id, but an ARN, an address or several words"))
    if key_id and not secret and not environment.get("AWS_SECRET_ACCESS_KEY"):
        faults.append(_Fault("aws_secret_access_key", "there is a key id and no secret"))
    if secret and not key_id and not environment.get("AWS_ACCESS_KEY_ID"):
        faults.append(_Fault("aws_access_key_id", "there is a secret and no key id"))
    if token and key_id.startswith("AKIA"):
        faults.append(
            _Fault("aws_session_token", "a session token stands beside a permanent key (AKIA…)", "drop_token")
        )
    if key_id.startswith("ASIA") and secret and not token and not environment.get("AWS_SESSION_TOKEN"):
        faults.append(_Fault("aws_session_token", "a temporary key (ASIA…) is without its session token"))
    return faults


def _of_azure(item: Storage) -> list[_Fault]:
    raw = {column: _text(item, column) for column in COLUMNS["azure"]}
    account, key = (_bare(value) for value in raw.values())
    if _ACCOUNT_KEY.fullmatch(account) and _ACCOUNT.fullmatch(key):
        return [_Fault("account_name", "name and key of the account are swapped", "swap")]
    faults = _padded(raw, {"account_name": "name of the account", "account_key": "key of the account"})
    for column, value in (("account_name", account), ("account_key", key)):
        if re.search(r"(?i)AccountKey=|DefaultEndpointsProtocol=", value):
            faults.append(
                _Fault(column, "a connection string stands there; only the part behind AccountKey= is the key")
            )
            return faults
        if re.search(r"(?i)[?&]?sig=.+&|&sig=|^\?sv=", value):
            faults.append(_Fault(column, "a shared access signature stands where the key of the account belongs"))
            return faults
    if account and not _ACCOUNT.fullmatch(account):
        faults.append(
            _Fault("account_name", "the name of the account has other than 3 to 24 lower-case letters and digits")
        )
    if key and not _is_base64(key):
        faults.append(_Fault("account_key", "the key of the account is no base64: it is cut, or another value"))
    return faults


def _padded(raw: Mapping[str, str], words: Mapping[str, str]) -> list[_Fault]:
    return [
        _Fault(
            column, f"there are {'blanks' if value.strip() != value else 'quotes'} around the {words[column]}", "trim"
        )
        for column, value in raw.items()
        if value and _bare(value) != value
    ]


def _again(ctx: Context, finding: Finding, fix: str) -> Storage | None:
    """The storage as it is now; None once this repair has nothing to do."""
    item = storage(ctx.read, ctx.schema, finding.subject.removeprefix("storage:"))
    return item if any(fault.fix == fix for fault in _faults(item, ctx.settings.bucket_environment)) else None


def _updates(ctx: Context, item: Storage, after: dict[str, Any]) -> Iterator[Change]:
    if after:
        table, key = column_table(ctx.schema, item.kind, next(iter(after)))
        yield UpdateRow(table.name, {key: item.id}, {name: item.get(name) for name in after}, after)


def _text(item: Storage, column: str) -> str:
    return str(item.get(column) or "")


def _bare(value: str) -> str:
    text = value.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`"
    return text[1:-1].strip() if quoted else text


def _is_base64(key: str) -> bool:
    try:
        return bool(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        return False
