"""Task data as clients are shown it: `$undefined$` named by the configuration, links into buckets made reachable.

In projects with a login for the files of their tasks, links of the web lead through the file proxy instead.

Source: Label Studio's `tasks/models.py Task.resolve_uri`, `io_storages/base_models.py ImportStorage.resolve_uri` and
`core/label_config.py replace_task_data_undefined_with_config_field`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import and_, func, literal, select, union_all

from ..deployment.storages import KINDS
from . import label_config
from .db import Db


@dataclass(frozen=True)
class Source:
    """An import storage whose links Label Studio can resolve: `scheme://bucket/…`."""

    provider: str
    id: int
    scheme: str
    bucket: str


#: Provider -> scheme of its links and the column with the bucket's name, in the order Label Studio asks them.
SCHEMES = {"s3": ("s3", "bucket"), "gcs": ("gs", "bucket"), "azure": ("azure-blob", "container")}
#: Providers in the order in which Label Studio looks for the file a task was synced from.
LINKED = ("s3", "gcs", "azure", "localfiles", "redis")
_MAY_LINK = re.compile(r"(?:s3|gs|azure-blob):")
#: What Label Studio takes for a link of the web; it then goes through the file proxy.
_HOST = r"[a-z0-9\u00a1-\uffff](?:[a-z0-9\u00a1-\uffff-]{0,61}[a-z0-9\u00a1-\uffff])?"
_WEB_LINK = re.compile(
    rf"(?:https?|ftps?)://(?:[^\s:@/]+(?::[^\s:@/]*)?@)?(?:\[[0-9a-f:.]+\]|localhost|{_HOST}(?:\.{_HOST})+\.?)"
    r"(?::[0-9]{1,5})?(?:[/?#]\S*)?",
    re.IGNORECASE,
)
#: As Django's check of an address has it.
MOST_LINK_CHARACTERS = 2048
#: Label Studio finds a link inside text between quotes, up to the last quote of the same kind.
_QUOTED = "([\"'])(?P<uri>{}://[^\x01=]*)\\1"


def sources(db: Db, project_id: int) -> list[Source]:
    """Import storages of a project whose links can be resolved; one statement."""
    parts = []
    for place, (provider, (_scheme, bucket)) in enumerate(SCHEMES.items()):
        kind = KINDS[provider]
        if not db.has(kind.table_name):
            continue
        child = db.table(kind.table_name)
        parent = db.table(kind.parent_name) if kind.parent_name else child
        key = child.c[kind.key_column]
        found = child if parent is child else child.join(parent, parent.c.id == key)
        parts.append(
            select(literal(place).label("place"), key.label("id"), parent.c[bucket].label("bucket"))
            .select_from(found).where(child.c.project_id == project_id)
        )  # fmt: skip
    if not parts:
        return []
    every = union_all(*parts).subquery()
    providers = list(SCHEMES)
    return [
        Source(providers[row.place], row.id, SCHEMES[providers[row.place]][0], row.bucket or "")
        for row in db.rows(select(every).order_by(every.c.place, every.c.id))
    ]


def is_protected(db: Db) -> Any:
    """Column `protected` of a query that has `project`: whether its files need the login that it keeps."""
    table = db.table("project").c
    if "task_data_login" not in table or "task_data_password" not in table:
        return literal(False).label("protected")
    return and_(
        func.coalesce(table.task_data_login, "") != "", func.coalesce(table.task_data_password, "") != ""
    ).label("protected")


def needs_reading(text: str, *, resolve: bool, protected: bool = False) -> bool:
    """Whether stored task data has anything to replace; if not, it is passed on as it is."""
    linked = "://" in text if protected else bool(_MAY_LINK.search(text))
    return label_config.UNDEFINED in text or (resolve and linked)


def shown(
    text: str, config: str | None, task_id: int, found: Sequence[Source], link: tuple[str, int] | None,
    *, host: str = "", proxied: int | None = None,
) -> Any:  # fmt: skip
    """Stored task data with links resolved and `$undefined$` named. `link` is provider and id of its own storage.

    Paths begin with `host`, Label Studio's `HOST`. `proxied` is the project whose file proxy web links go through; links
    into buckets then stay as they are.
    """
    data = orjson.loads(text)
    if not isinstance(data, dict):
        return data
    own = next((source for source in found if (source.provider, source.id) == link), None)
    for key, value in data.items():
        if proxied is not None:
            data[key] = _through_proxy(value, proxied, host)
            continue
        source = next((one for one in found if reaches(one, value)), own)
        if source is not None:
            data[key] = _resolved(source, value, f"{host.rstrip('/')}/tasks/{task_id}/resolve/") or value
    label_config.name_undefined(label_config.parse_stored(config), data)
    return data


def _through_proxy(value: Any, project_id: int, host: str) -> Any:
    if not isinstance(value, str) or len(value) > MOST_LINK_CHARACTERS or not _WEB_LINK.fullmatch(value):
        return value
    encoded = base64.urlsafe_b64encode(value.encode()).decode()
    return f"{host.rstrip('/')}/api/projects/{project_id}/file-proxy/?url={encoded}"


def links(db: Db, task_id: Any) -> list[Any]:
    """Per provider of `LINKED` that the release has: `<provider>_key` and `<provider>_storage` of a task's import link."""
    found = []
    for provider in LINKED:
        if db.has(KINDS[provider].link_name):
            link = db.table(KINDS[provider].link_name)
            for column, name in ((link.c.key, "key"), (link.c.storage_id, "storage")):
                one = select(column).where(link.c.task_id == task_id).limit(1).scalar_subquery()
                found.append(one.label(f"{provider}_{name}"))
    return found


def link_of(row: Any) -> tuple[str | None, tuple[str, int] | None]:
    """From a row with the columns of `links`: the file's name, and provider and id of its storage."""
    found = row._mapping
    for provider in LINKED:
        if found.get(f"{provider}_key") is not None:
            return found[f"{provider}_key"], (provider, found[f"{provider}_storage"])
    return None, None


def reaches(source: Source, value: Any) -> bool:
    """Whether a link in this value points into the storage's bucket."""
    if not value or not isinstance(value, str | list | dict):
        return False
    uri = _link_in(str(value), source.scheme)
    bucket, slash, _ = uri.partition("://")[2].partition("/") if uri else ("", "", "")
    return bool(slash) and bucket == source.bucket


def _link_in(text: str, scheme: str) -> str | None:
    """The first link of a scheme in a text: the text itself when it begins like one, or what stands in quotes."""
    text = text.strip()
    if text.startswith(scheme):
        return text
    if f"{scheme}:" not in text:
        return None
    match = re.search(_QUOTED.format(re.escape(scheme)), text)
    return match.group("uri") if match else None


def _resolved(source: Source, value: Any, path: str) -> Any:
    """The value with its link replaced by a path of this server, or None when there is nothing to replace."""
    if isinstance(value, list):
        return [_resolved(source, item, path) or item for item in value]
    if isinstance(value, dict):
        return {key: _resolved(source, item, path) or item for key, item in value.items()}
    if not isinstance(value, str) or source.scheme not in value or not reaches(source, value):
        return None
    uri = _link_in(value, source.scheme) or ""
    return value.replace(uri, f"{path}?fileuri={base64.urlsafe_b64encode(uri.encode()).decode()}")
