"""Uploaded files: the rows and the files that Label Studio keeps for them, under its own names and rules.

A file lives in `<BASE_DATA_DIR>/media/upload/<project>/<8 hex digits>-<name>` and its row names it from `upload/` on.
Deleting a row leaves the file where it is, as Label Studio does.

Source: Label Studio's `data_import/models.py FileUpload`, `data_import/uploader.py` and Django's file storage.
"""

from __future__ import annotations

import contextlib
import html
import mimetypes
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from sqlalchemy import delete, func, select, update

from ..config import Settings
from ..errors import Invalid
from . import uploads_svg
from .data_manager import columns
from .db import Db
from .tasks import is_former_member, reached

TABLE = "data_import_fileupload"
NO_UPLOAD = "No FileUpload matches the given query."
EXTENSIONS = frozenset({
    ".bmp", ".csv", ".flac", ".gif", ".htm", ".html", ".jpg", ".jpeg", ".json", ".m4a", ".mp3", ".ogg", ".png", ".svg",
    ".tsv", ".txt", ".wav", ".xml", ".mp4", ".webm", ".webp", ".pdf",
})  # fmt: skip
#: Formats whose rows or lines may each be a task.
TASK_LISTS = frozenset({".csv", ".tsv", ".txt"})
#: Length of the column that holds the name.
MOST_NAME_CHARACTERS = 100


@dataclass(frozen=True)
class Upload:
    """One uploaded file. `name` is as the row has it: `upload/<project>/<file>`."""

    id: int
    project_id: int
    name: str
    path: Path

    @property
    def file_name(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def format(self) -> str:
        """The extension as it is written; `.CSV` is no `.csv` for Label Studio."""
        return os.path.splitext(self.name)[1]  # noqa: PTH122

    @property
    def size(self) -> int | None:
        """Bytes, or None when the file is gone."""
        try:
            return self.path.stat().st_size
        except OSError:
            return None


@dataclass
class Shelf:
    """Where uploaded files live. What was put on it in a `kept` block goes again when the block fails."""

    root: Path
    url_prefix: str = ""
    clean_svg: bool = False
    _new: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings) -> Shelf:
        """The shelf of the operator's Label Studio."""
        prefix = urlsplit(settings.label_studio_url or "").path.rstrip("/")
        return cls(settings.base_data_dir / "media", prefix, settings.clean_svg)

    @contextlib.contextmanager
    def kept(self) -> Iterator[Shelf]:
        """Keep the files of this block only if it ends well."""
        self._new = []
        try:
            yield self
        except BaseException:
            for path in self._new:
                path.unlink(missing_ok=True)
            raise
        finally:
            self._new = []

    def put(self, db: Db, project_id: int, name: str, content: IO[bytes]) -> Upload:
        """Write a file and its row. Raises Invalid when the directory cannot be written to."""
        stored = self.new_name(project_id, name)
        path = self.root / stored
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                self._new.append(path)
                content.seek(0)
                shutil.copyfileobj(content, file, 1 << 20)
        except OSError as error:
            raise Invalid(
                f"Uploaded files cannot be kept in {self.root}: {error.strerror}. Check BASE_DATA_DIR."
            ) from None
        path.chmod(0o644)
        if self.clean_svg and mimetypes.guess_type(stored)[0] == "image/svg+xml":
            path.write_bytes(uploads_svg.cleaned(path.read_bytes()))
        row = {"file": stored, "project_id": project_id, "user_id": db.caller.id}
        return Upload(db.insert(TABLE, row), project_id, stored, path)

    def new_name(self, project_id: int, name: str) -> str:
        """The name for a new file, as Django would make it: no directories, no signs, at most 100 characters."""
        stem = f"upload/{project_id}/{str(uuid4())[:8]}-"
        safe = re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))
        if len(stem) + len(safe) <= MOST_NAME_CHARACTERS:
            return stem + safe
        root, dot, suffix = safe.partition(".")
        tail = f"_{secrets.token_hex(4)[:7]}{dot}{suffix}"
        room = MOST_NAME_CHARACTERS - len(stem) - len(tail)
        if room < 1:
            raise Invalid("The name of an uploaded file is too long.")
        return stem + root[:room] + tail

    def upload(self, row: Any) -> Upload:
        """A row as an Upload. A name that leads out of the media directory has no file."""
        path = (self.root / (row.file or "")).resolve()
        inside = path.is_relative_to(self.root.resolve())
        return Upload(row.id, row.project_id, row.file or "", path if inside else self.root / "upload" / "missing")

    def url(self, upload: Upload) -> str:
        """The address under which Label Studio serves the file."""
        return f"{self.url_prefix}/data/{quote(upload.name, safe=chr(126) + '/!*()' + chr(39))}"


def client_name(name: str) -> str:
    """A file's name as a client sent it, without directories and control signs; empty when nothing is left."""
    name = html.unescape(name).replace("\\", "/").rpartition("/")[2]
    name = "".join(sign for sign in name if sign.isprintable()).strip()
    if name in {".", ".."}:
        return ""
    root, extension = os.path.splitext(name)  # noqa: PTH122
    return root[: 255 - len(extension)] + extension[:255]


def need_extension(name: str) -> None:
    """Raise Invalid for a format that Label Studio does not import."""
    extension = os.path.splitext(name)[1]  # noqa: PTH122
    if extension.lower() not in EXTENSIONS:
        raise Invalid(f"{extension} extension is not supported")


def need_size(total_bytes: int, most_bytes: int) -> None:
    """Raise Invalid for files that are too large together."""
    if total_bytes >= most_bytes:
        raise Invalid(f"Maximum total size of all files is {most_bytes} bytes, current size is {total_bytes} bytes")


def listed(
    db: Db, shelf: Shelf, project_id: int, *, ids: Sequence[int] | None = None, mine: bool = False
) -> list[Upload]:
    """A project's uploads, oldest first: these ids or all, of everybody or the caller's own."""
    table = db.table(TABLE)
    statement = select(table.c.id, table.c.project_id, table.c.file).where(table.c.project_id == project_id)
    if ids is not None:
        statement = statement.where(table.c.id.in_(columns.listed(db, ids)))
    if mine:
        statement = statement.where(table.c.user_id == db.caller.id)
    return [shelf.upload(row) for row in db.rows(statement.order_by(table.c.id))]


def one(db: Db, shelf: Shelf, upload_id: int) -> Upload:
    """An upload of the caller's organization. Raises NotFound, or Forbidden for a former member."""
    table, projects = db.table(TABLE), db.table("project")
    former = is_former_member(db, projects.c.organization_id).label("former")
    row = db.first(
        select(table.c.id, table.c.project_id, table.c.file, former)
        .select_from(table.join(projects, projects.c.id == table.c.project_id))
        .where(table.c.id == upload_id, projects.c.organization_id == db.caller.organization_id)
    )
    return shelf.upload(reached(row, NO_UPLOAD))


def replace_file(db: Db, shelf: Shelf, upload: Upload, name: str, content: IO[bytes]) -> Upload:
    """Give an upload another file; the old one stays on the disk, as in Label Studio."""
    made = shelf.put(db, upload.project_id, name, content)
    table = db.table(TABLE)
    db.delete(TABLE, table.c.id == made.id)
    db.update(TABLE, table.c.id == upload.id, {"file": made.name})
    return Upload(upload.id, upload.project_id, made.name, made.path)


def remove(db: Db, project_id: int, ids: Sequence[int] | None = None) -> int:
    """Delete these uploads of a project, or all; how many. Their tasks stay and forget the file."""
    table, tasks = db.table(TABLE), db.table("task")
    own = table.c.project_id == project_id
    if ids is not None:
        own = own & table.c.id.in_(columns.listed(db, ids))
    found = select(table.c.id).where(own)
    count = db.value(select(func.count()).select_from(found.subquery()))
    db.session.execute(update(tasks).where(tasks.c.file_upload_id.in_(found)).values(file_upload_id=None))
    db.session.execute(delete(table).where(own))
    if count:
        db.record("deleted uploaded files", f"project:{project_id}", rows=count)
    return int(count)


@contextlib.contextmanager
def spool() -> Iterator[Any]:
    """A temporary file that stays in memory while it is small."""
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as file:
        yield file
