"""Changing a storage's settings by a plan: typed, checked, previewed, applied and undone like any fix.

Only what keeps syncs and media from working may be changed here; a title or a description is Label Studio's business.
Credentials are write-only: a form or command gives new ones and never shows the old; plans keep both sealed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from ..deployment.buckets import BucketBlocked, Reach
from ..deployment.schema import Schema
from ..deployment.storages import Storage, column_table
from ..diagnostics.change import UpdateRow
from ..diagnostics.sync_state import marked_failed
from ..errors import Invalid, Refused
from ..masking import mask_text
from ..patterns import compile_problem

Kind = Literal["text", "start", "pattern", "switch", "minutes", "endpoint", "secret", "number"]
#: The status that a sync leaves while it waits or runs.
UNFINISHED = frozenset({"queued", "in_progress"})
#: Not a column: marks a sync that hangs as failed, so that the next one may start.
MARK_FAILED = "mark_failed"
LONGEST_TEXT = 10_000
LONGEST_KEY = 1024
_NAME = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{0,254}|arn:[A-Za-z0-9:/_.-]{1,300}")
LONGEST_SECRET = 20_000


@dataclass(frozen=True)
class Setting:
    """One column that may be changed, and what it takes."""

    column: str
    title: str
    kind: Kind
    hint: str = ""


_COMMON = (
    Setting("regex_filter", "File filter", "pattern", "A regular expression, matched from the start of the key; empty takes all"),
    Setting("use_blob_urls", "Treat every bucket object as a source file", "switch", "On for media, off for files that hold tasks"),
    Setting("recursive_scan", "Sub-folders too", "switch"),
)  # fmt: skip
_LINKS = (
    Setting("presign", "Pre-signed links", "switch", "Off: Label Studio passes the files through itself"),
    Setting("presign_ttl", "Links last", "minutes", "Minutes; long recordings need more than one"),
)
_PREFIX = Setting("prefix", "Prefix", "text", "A folder, such as scans/2025; without a slash in front")
_EDITABLE: dict[str, tuple[Setting, ...]] = {
    "s3": (
        Setting("bucket", "Bucket", "text", "The bare name"), _PREFIX, *_COMMON, *_LINKS,
        Setting("region_name", "Region", "text", "Such as eu-west-1; empty is us-east-1"),
        Setting("s3_endpoint", "S3 endpoint", "endpoint", "Empty for Amazon S3"),
        Setting("aws_sse_kms_key_id", "KMS key id", "text"),
        Setting("aws_access_key_id", "Access key id", "secret"),
        Setting("aws_secret_access_key", "Secret access key", "secret"),
        Setting("aws_session_token", "Session token", "secret"),
    ),
    "gcs": (
        Setting("bucket", "Bucket", "text", "The bare name"), _PREFIX, *_COMMON, *_LINKS,
        Setting("google_project_id", "Google project id", "text"),
        Setting("google_application_credentials", "Service account key", "secret", "The content of the JSON file"),
    ),
    "azure": (
        Setting("container", "Container", "text"), _PREFIX, *_COMMON, *_LINKS,
        Setting("account_name", "Account name", "text"),
        Setting("account_key", "Account key", "secret"),
    ),
    "redis": (
        Setting("path", "Prefix of the keys", "start", "Empty takes every key of the database"),
        Setting("host", "Host", "text"), Setting("port", "Port", "number"),
        Setting("db", "Redis database", "number"), Setting("password", "Password", "secret"),
    ),
    "localfiles": (Setting("path", "Path", "text", "Absolute, below LOCAL_FILES_DOCUMENT_ROOT"), *_COMMON),
}  # fmt: skip
_SOURCE_ONLY = {"recursive_scan", "presign", "presign_ttl", "regex_filter", "use_blob_urls"}
_TARGET_ONLY = (Setting("can_delete_objects", "May delete objects", "switch"),)


def editable(storage: Storage) -> tuple[Setting, ...]:
    """What may be changed of this storage, as far as its release has it."""
    found = _EDITABLE[storage.kind.provider]
    if storage.kind.is_target:
        found = tuple(item for item in found if item.column not in _SOURCE_ONLY) + _TARGET_ONLY
    return tuple(item for item in found if item.column in storage.row)


def parsed(storage: Storage, given: Mapping[str, str], reach: Reach) -> dict[str, Any]:
    """What a form or a command gave as the values of columns. Raises Invalid naming every field that is wrong.

    An empty text clears a column that may be empty. A column that is not given stays as it is.
    """
    known = {item.column: item for item in editable(storage)}
    values: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    for column, text in given.items():
        if column not in known:
            accepted = ", ".join(known) or "nothing"
            problems[column] = [f"{column[:60]} cannot be changed here; {storage.reference} takes: {accepted}."]
            continue
        try:
            values[column] = _value(known[column], text, reach)
        except Refused as refusal:
            problems[column] = [str(refusal)]
    if problems:
        raise Invalid(dict(problems))
    return values


def changes(session: Session, schema: Schema, storage: Storage, values: Mapping[str, Any]) -> list[UpdateRow]:
    """The rows to change, one for each table that the storage is spread over; columns that hold the value already are
    left out. Raises Refused when nothing is left."""
    rows: dict[str, UpdateRow] = {}
    for column, after in values.items():
        before = storage.row[column]
        is_start = column == "path" and before is None  # an empty text there is not the same as nothing
        if before == after or (not before and not after and not isinstance(after, bool) and not is_start):
            continue
        table, key = column_table(schema, storage.kind, column)
        made = rows.get(table.name) or UpdateRow(table.name, {key: storage.id}, {}, {})
        rows[table.name] = UpdateRow(
            table.name, made.key, {**made.before, column: before}, {**made.after, column: after}
        )
    if not rows:
        raise Refused(f"Nothing would change: {storage.reference} holds these values already.")
    return list(rows.values())


def failure(session: Session, schema: Schema, storage: Storage, *, by: str) -> UpdateRow:
    """Mark a sync that hangs as failed, in the form in which Label Studio leaves one. Raises Refused for any other."""
    status = storage.get("status")
    if status not in UNFINISHED:
        raise Refused(f"{storage.reference} is {str(status or 'without a status').replace('_', ' ')}; only a sync that is "
                      "queued or in progress can be marked failed.")  # fmt: skip
    told = f"LS Console marked this sync failed, asked by {by}: it was {status} and did not move."
    return marked_failed(session, schema, storage, told, datetime.now(UTC))


def title(rows: list[UpdateRow]) -> str:
    """What a plan of these changes is called."""
    columns = [column for row in rows for column in row.after]
    if "status" in columns:
        return "Mark the sync failed"
    named = [column.replace("_", " ") for column in columns]
    return f"Change {', '.join(named[:3])}{' and more' if len(named) > 3 else ''}"


def _value(setting: Setting, text: str, reach: Reach) -> Any:
    if "\x00" in text:
        raise Refused("It holds a NUL character, which no database takes.")
    if setting.kind == "secret":
        return _secret(setting, text)
    text = text.strip()
    if len(text) > LONGEST_TEXT:
        raise Refused(f"It has {len(text):,} characters; more than {LONGEST_TEXT:,} are not taken.")
    if setting.kind == "switch":
        if text.lower() not in {"true", "false", "on", "off", "yes", "no"}:
            raise Refused("Write true or false.")
        return text.lower() in {"true", "on", "yes"}
    if setting.kind == "minutes":
        return _number(text, 1, 32_767, "minutes")
    if setting.kind == "number":
        return _port_or_database(setting, text)
    if setting.kind == "start":
        return text  # never nothing at all: Label Studio makes the text “None” of that
    if not text:
        if setting.column in {"bucket", "container", "path"}:
            raise Refused("It cannot be empty.")
        return None
    if setting.column in {"bucket", "container"} and not _NAME.fullmatch(text):
        raise Refused("It is no bucket name: write the bare name, without s3:// and without a folder.")
    if setting.column == "prefix" and len(text.encode()) > LONGEST_KEY:
        raise Refused(f"A key has at most {LONGEST_KEY:,} bytes, and its prefix no more.")
    if setting.kind == "pattern":
        if problem := compile_problem(text):
            raise Refused(f"It is not a valid regular expression: {problem}.")
    elif setting.kind == "endpoint":
        _need_endpoint(text, reach)
    elif mask_text(text) != text:
        raise Refused("This looks like a secret; it does not belong into this field.")
    return text


def _secret(setting: Setting, text: str) -> str | None:
    if len(text) > LONGEST_SECRET:
        raise Refused(f"It has {len(text):,} characters; more than {LONGEST_SECRET:,} are not taken.")
    value = text.strip()
    if setting.column == "google_application_credentials" and value:
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            raise Refused("It is no JSON: paste the whole content of the key file, not its path.") from None
        if not isinstance(document, dict) or document.get("type") != "service_account":
            raise Refused("It is no key of a service account: `type` is missing or another.")
    elif any(character.isspace() for character in value):
        raise Refused("It holds a blank or a line end; copy it again.")
    return value or None


def _number(text: str, least: int, most: int, unit: str) -> int:
    if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
        raise Refused(f"Write a whole number of {unit} from {least} to {most:,}.")
    return int(text)


def _port_or_database(setting: Setting, text: str) -> Any:
    if setting.column == "db":
        return _number(text, 1, 32_767, "a database; 0 is the queues' own, and Label Studio refuses it")
    return str(_number(text, 1, 65_535, "a port")) if text else None


def _need_endpoint(text: str, reach: Reach) -> None:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host:
        raise Refused("Write a whole address, such as https://s3.example.com.")
    if parts.username or parts.password:
        raise Refused("Leave the login out; credentials have fields of their own.")
    try:
        rules = reach.rules_for(host, port)
        if host.replace(".", "").replace(":", "").isalnum() and (host[0].isdigit() or ":" in host):
            Reach.need(rules, host, host)
    except BucketBlocked as blocked:
        raise Refused(str(blocked)) from None
    except ValueError:  # a name that looks like an address
        return
