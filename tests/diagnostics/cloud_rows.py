"""Google and Azure storages as Label Studio would leave them: a row in the parent table and one in the child."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy.orm import Session

from console.deployment.storages import KINDS
from tests.diagnostics.storage.sources import document
from tests.factories import make_project, make_row

_number = itertools.count(1)


def make_cloud_storage(session: Session, kind: str, **values: Any) -> SimpleNamespace:
    """A storage of one kind (`gcs`, `azure-export`) in a project of its own; `subject` is that of its findings."""
    found, number = KINDS[kind], next(_number)
    connection: dict[str, Any] = {
        "bucket": "data", "container": "data", "prefix": "", "regex_filter": None, "use_blob_urls": False,
        "google_application_credentials": None, "google_project_id": None, "account_name": None, "account_key": None,
    }  # fmt: skip
    state: dict[str, Any] = {
        "title": f"Cloud {number}", "description": "", "created_at": datetime.now(UTC), "presign": True, "presign_ttl": 1,
        "recursive_scan": True, "last_sync": None, "last_sync_count": None, "last_sync_job": None,
        "status": "initialized", "traceback": None, "meta": document(session, {}), "synchronizable": True,
        "can_delete_objects": False,
    }  # fmt: skip
    if "project_id" not in values:
        values["project_id"] = make_project(session).id
    assert found.parent_name
    parent = make_row(session, found.parent_name, **connection | values)
    row = {**state, **values, found.key_column: parent.id}
    make_row(session, found.table_name, **row)
    return SimpleNamespace(**connection | row, id=parent.id, subject=f"storage:{kind}:{parent.id}")
