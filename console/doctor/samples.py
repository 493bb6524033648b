"""Objects of a storage that Label Studio knows already: to try access with where the bucket lists nothing."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from ..deployment.models import Task
from ..deployment.schema import Schema
from ..deployment.storage_rules import ScanRules
from ..deployment.storages import Storage

#: Tasks whose data is searched for files of the bucket, the newest first.
TASKS_READ = 50
#: Characters of one task's data that are searched.
DATA_CHARS = 20_000


def linked_key(session: Session, schema: Schema, storage: Storage) -> str | None:
    """The key of the newest task that this source storage brought."""
    if storage.kind.is_target or not schema.has_table(storage.kind.link_name):
        return None
    link = schema.table(storage.kind.link_name)
    if "key" not in link.c:
        return None
    newest = select(link.c.key).where(link.c.storage_id == storage.id).order_by(link.c.id.desc()).limit(1)
    return session.scalar(newest)


def shown_key(session: Session, storage: Storage, rules: ScanRules) -> str | None:
    """The key of a file of this bucket that a recent task of the project shows, whoever brought the task."""
    start = rules.address("") if rules.provider != "localfiles" else None
    project = storage.get("project_id")
    if not start or project is None:
        return None
    told = cast(Task.data, Text).label("told")
    newest = select(told).where(Task.project_id == project).order_by(Task.id.desc()).limit(TASKS_READ)
    for text in session.scalars(newest):
        found = re.search(re.escape(start) + r"([^\"'<>\\\s]+)", (text or "")[:DATA_CHARS])
        if found:
            return unquote(found[1]) if "%" in found[1] else found[1]
    return None
