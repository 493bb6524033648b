"""Looks at single files, kept so that they can be sent as a link: a finished job whose result is the story.

What was pasted is not kept, as it may hold a live signature; the story shows it masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from .errors import NotFound
from .state import Store, new_id
from .state.models import JobRow
from .state.store import this_process

KIND = "media"
RECENT = 8


def keep(store: Store, document: Mapping[str, Any], *, began: datetime, by: str) -> str:
    """Keep a story; its id."""
    title = f"Why does {document['asked'][:120]} not show?"
    row = JobRow(
        id=new_id(), kind=KIND, title=title, arguments={}, status="done", done=1, total=1, by=by, created_at=began,
        started_at=began, heartbeat_at=began, finished_at=datetime.now(UTC), owner=this_process(), result=dict(document),
    )  # fmt: skip
    with store.session() as session:
        session.add(row)
        return row.id


def get(store: Store, look_id: str) -> JobRow:
    """A kept story. Raises NotFound."""
    with store.read() as session:
        row = session.get(JobRow, look_id[:32])
    if row is None or row.kind != KIND or row.result is None:
        raise NotFound("There is no such look at a file.")
    return row


def recent(store: Store) -> list[JobRow]:
    """The newest stories."""
    with store.read() as session:
        found = select(JobRow).where(JobRow.kind == KIND).order_by(JobRow.created_at.desc(), JobRow.id).limit(RECENT)
        return list(session.scalars(found))
