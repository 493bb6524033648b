"""The forms in which a page asks for a storage, one per type and direction, in the shape that Label Studio's page reads:
a list of rows with `columnCount` and `fields`."""

from __future__ import annotations

from typing import Any

from ..deployment.storages import StorageKind
from ..labeling.storages.fields import SECRETS

Form = list[dict[str, Any]]


def form(kind: StorageKind) -> Form:
    """The form of one type and direction."""
    rows = [_row(_text("title", "Name", required=True), *_place(kind))]
    if not kind.is_target:
        filter_by = _text(
            "regex_filter", "Only keys that match", placeholder=r".*\.(jpe?g|png)$", validators=["regexp"]
        )
        rows.append(_row(filter_by))
    rows += [_row(*some) for some in (_connection(kind), [_secret(name) for name in SECRETS[kind.provider]]) if some]
    rows += [_row(*some) for some in (_switches_of_target(kind) if kind.is_target else _switches_of_source(kind))]
    return rows


def _place(kind: StorageKind) -> Form:
    provider = kind.provider
    if provider == "localfiles":
        return [_text("path", "Directory on the server", required=True)]
    if provider == "redis":
        return [_text("path", "Keys begin with")]
    where = "container" if provider == "azure" else "bucket"
    return [_text(where, where.capitalize(), required=True), _text("prefix", "Folder")]


def _connection(kind: StorageKind) -> Form:
    if kind.provider == "s3":
        found = [_text("region_name", "Region", placeholder="us-east-1"), _text("s3_endpoint", "Endpoint")]
        return [*found, _text("aws_sse_kms_key_id", "KMS key")] if kind.is_target else found
    if kind.provider == "gcs":
        return [_text("google_project_id", "Google project")]
    if kind.provider == "redis":
        return [_text("host", "Host"), _text("port", "Port", placeholder="6379"), _text("db", "Database")]
    return []


def _switches_of_source(kind: StorageKind) -> list[Form]:
    if kind.provider == "redis":
        return []
    method = {
        "type": "select", "name": "use_blob_urls", "label": "What objects are", "required": True,
        "options": [
            {"value": True, "label": "Files: each becomes a task that shows it"},
            {"value": False, "label": "JSON: each holds one task or several"},
        ],
    }  # fmt: skip
    rows: list[Form] = [[method]]
    if kind.provider != "localfiles":
        minutes = {"type": "counter", "name": "presign_ttl", "label": "A signed link is valid for (minutes)", "min": 1,
                   "value": 15, "dependency": "presign"}  # fmt: skip
        rows.append([_toggle("presign", "Browsers read from the bucket, by signed links", value=True), minutes])
    return [*rows, [_toggle("recursive_scan", "Read folders below, too")]]


def _switches_of_target(kind: StorageKind) -> list[Form]:
    return [[_toggle("can_delete_objects", "Delete the object of a deleted annotation")]]


def _row(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"columnCount": max(len(fields), 1), "fields": list(fields)}


def _text(name: str, label: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "name": name, "label": label, **more}


def _toggle(name: str, label: str, **more: Any) -> dict[str, Any]:
    return {"type": "toggle", "name": name, "label": label, **more}


def _secret(name: str) -> dict[str, Any]:
    label = name.removeprefix("aws_").replace("_", " ").capitalize()
    return {"type": "password", "name": name, "label": label, "autoComplete": "new-password", "skipAutofill": True,
            "protectedValue": True, "tooltip": "Stays as it is when left empty."}  # fmt: skip
