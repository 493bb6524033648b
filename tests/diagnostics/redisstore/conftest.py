"""Redis storages: the connection in the parent table, the storage in its child."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from tests.diagnostics.storage.sources import document
from tests.factories import make_project, make_row

#: Columns of the parent table.
CONNECTION = {"path", "host", "port", "password", "regex_filter", "use_blob_urls"}


@pytest.fixture
def storage_of(session: Session, ctx: Context) -> Callable[..., SimpleNamespace]:
    """`storage_of(target=True, db=2, …)` makes a storage and narrows `ctx` to its project."""

    def make(*, target: bool = False, **columns: Any) -> SimpleNamespace:
        connection = {
            "path": "calls:", "host": "redis.example.com", "port": "6379", "password": None, "regex_filter": None,
            "use_blob_urls": False,
        } | {name: value for name, value in columns.items() if name in CONNECTION}  # fmt: skip
        parent = make_row(session, "io_storages_redisstoragemixin", **connection)
        row: dict[str, Any] = {
            "redisstoragemixin_ptr_id": parent.id, "title": f"Redis {parent.id}", "description": "", "db": 1,
            "created_at": datetime.now(UTC), "status": "initialized", "meta": document(session, {}),
            "synchronizable": True, "can_delete_objects": False,
        }  # fmt: skip
        row |= {name: value for name, value in columns.items() if name not in CONNECTION}
        if "project_id" not in row:
            row["project_id"] = make_project(session).id
        word, prefix = ("export", "redis-export") if target else ("import", "redis")
        make_row(session, f"io_storages_redis{word}storage", **row)
        ctx.scope = Scope(project_id=row["project_id"])
        return SimpleNamespace(
            id=parent.id, project_id=row["project_id"], reference=f"{prefix}:{parent.id}",
            subject=f"storage:{prefix}:{parent.id}",
        )  # fmt: skip

    return make
