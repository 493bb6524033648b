"""Local directories and S3 buckets as storages, over the database of a real Label Studio."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from tests.factories import make_project, make_row
from tests.s3_server import S3Server, Stored

Files = Callable[..., SimpleNamespace]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """A console that may look into the directories of this test."""
    return replace(
        settings, local_files_serving=True, local_files_root=tmp_path, storage_ping_seconds=0.2, ssrf_protection=False
    )


@pytest.fixture
def files(session: Session, tmp_path: Path) -> Files:
    """`files({"a.json": {...}}, regex_filter=...)`: a directory, and the storage over it in a project of its own."""

    def make(contents: dict[str, Any], *, project: SimpleNamespace | None = None, **values: Any) -> SimpleNamespace:
        project = project or make_project(session)
        directory = tmp_path / f"files-{project.id}"
        for name, content in contents.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        columns = {"path": str(directory), "regex_filter": None, "use_blob_urls": False} | {
            name: values.pop(name) for name in ("path", "regex_filter", "use_blob_urls") if name in values
        }
        parent = make_row(session, "io_storages_localfilesmixin", **columns)
        row = {"title": "files", "status": "initialized", "meta": {}, "synchronizable": True, "recursive_scan": True}
        make_row(
            session, "io_storages_localfilesimportstorage", localfilesmixin_ptr_id=parent.id, project_id=project.id,
            **(row | values),
        )  # fmt: skip
        session.commit()
        return SimpleNamespace(
            id=parent.id, reference=f"localfiles:{parent.id}", project_id=project.id, directory=directory
        )

    return make


@pytest.fixture
def s3(session: Session) -> Iterator[Callable[..., SimpleNamespace]]:
    """`s3({"a.json": {...}}, prefix="x")`: a bucket behind real HTTP and the storage over it, in a project of its own."""
    with S3Server() as server:

        def make(contents: dict[str, Any], **values: Any) -> SimpleNamespace:
            project = make_project(session)
            name = f"data-{project.id}"
            bodies = {
                key: content if isinstance(content, bytes | Stored) else json.dumps(content).encode()
                for key, content in contents.items()
            }
            bucket = server.bucket(name, bodies)
            row = {
                "title": "bucket", "status": "initialized", "meta": {}, "synchronizable": True, "recursive_scan": True,
                "presign": True, "presign_ttl": 1, "regex_filter": None, "use_blob_urls": False, "project_id": project.id,
            } | server.row(name)  # fmt: skip
            made = make_row(session, "io_storages_s3importstorage", **row | values)
            return SimpleNamespace(
                id=made.id,
                reference=f"s3:{made.id}",
                project_id=project.id,
                bucket=bucket,
                server=server,
                bucket_name=name,
            )

        yield make
