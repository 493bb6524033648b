"""What was last seen of storages: access matrices, decisions, keys and dry runs, the newest of each kind and storage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import delete, select

from .models import StorageReport
from .store import Store

Kind = Literal["matrix", "dry run", "decision", "keys"]


def save(
    store: Store, deployment: str, reference: str, kind: Kind, document: Mapping[str, Any], *, by: str,
    job_id: str | None = None,
) -> None:  # fmt: skip
    """Keep a report instead of the one before. The document is plain data without a secret."""
    mine = (
        StorageReport.deployment == deployment, StorageReport.reference == reference, StorageReport.kind == kind,
    )  # fmt: skip
    with store.session() as session:
        session.execute(delete(StorageReport).where(*mine))
        session.add(
            StorageReport(
                deployment=deployment, reference=reference, kind=kind, job_id=job_id, by=by, at=datetime.now(UTC),
                document=dict(document),
            )
        )  # fmt: skip


def latest(store: Store, deployment: str, reference: str, kind: Kind) -> StorageReport | None:
    """The newest report of one storage, or None."""
    return next(iter(_found(store, deployment, kind, reference)), None)


def all_latest(store: Store, deployment: str, kind: Kind) -> dict[str, StorageReport]:
    """The newest report of every storage that has one, by reference (`s3:4`)."""
    return {row.reference: row for row in _found(store, deployment, kind)}


def of_storage(store: Store, deployment: str, reference: str) -> dict[str, StorageReport]:
    """The newest report of each kind of one storage, by kind."""
    statement = select(StorageReport).where(
        StorageReport.deployment == deployment, StorageReport.reference == reference
    )
    with store.read() as session:
        return {row.kind: row for row in session.scalars(statement)}


def _found(store: Store, deployment: str, kind: str, reference: str | None = None) -> list[StorageReport]:
    statement = select(StorageReport).where(StorageReport.deployment == deployment, StorageReport.kind == kind)
    if reference is not None:
        statement = statement.where(StorageReport.reference == reference)
    with store.read() as session:
        return list(session.scalars(statement))
