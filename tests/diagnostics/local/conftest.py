"""A document root on this disk, storages in it, tasks that name its files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.diagnostics.check import Context, Scope
from tests.diagnostics.local import rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """LOCAL_FILES_DOCUMENT_ROOT, with two files in `set`."""
    root = tmp_path / "files"
    (root / "set").mkdir(parents=True)
    for name in ("1.jpg", "two words.jpg"):
        (root / "set" / name).write_text(name)
    return root


@pytest.fixture
def settings(dump_url: Any, engine: str, version: str, tmp_path: Path, empty_state: Path, root: Path) -> Settings:
    """As the common settings, with local files served from `root`."""
    data_dir = tmp_path / "console"
    data_dir.mkdir()
    shutil.copy(empty_state, data_dir / "state.sqlite3")
    return Settings.load(
        {}, database_url=dump_url(engine, version), data_dir=data_dir, base_data_dir=tmp_path / "label-studio",
        local_files_root=root, local_files_serving=True,
    )  # fmt: skip


@pytest.fixture
def untold(ctx: Context) -> Callable[[], None]:
    """Call it for a console to which nobody told anything of local files."""

    def forget() -> None:
        told = ctx.settings.told - {"local_files_root", "local_files_serving"}
        ctx.deployment.settings = replace(
            ctx.settings, local_files_root=Path("/"), local_files_serving=False, told=told
        )

    return forget


@pytest.fixture
def source_of(session: Session, ctx: Context) -> Callable[..., SimpleNamespace]:
    """`source_of(path, **columns)` makes a source storage and narrows `ctx` to its project."""

    def make(path: Path | str | None, **columns: Any) -> SimpleNamespace:
        storage = rows.make_local_source(session, path=None if path is None else str(path), **columns)
        ctx.scope = Scope(project_id=storage.project_id)
        return storage

    return make
