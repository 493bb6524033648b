"""Which storage serves a file, and where: links into buckets, local files, uploaded files.

Source: Label Studio's `io_storages/proxy_api.py`, `io_storages/functions.py get_storage_by_url`,
`io_storages/localfiles/views.py` and `data_import/api.py UploadedFileResponse, DownloadStorageData`.
"""

from __future__ import annotations

import base64
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import Text, func, literal, select

from ...deployment import storages
from ...deployment.local_paths import is_private
from ...deployment.storages import KINDS, Storage
from ...errors import Forbidden, NotFound
from .. import projects, tasks, tasks_data
from ..db import Db
from ..tasks_data import Source

UPLOADS, AVATARS = "upload/", "avatars/"


@dataclass(frozen=True)
class Place:
    """A link into a bucket and the storage that claims it. `seconds` is how long a signed address lasts."""

    storage: Storage
    uri: str
    key: str
    presign: bool
    seconds: int


def decoded(fileuri: str) -> str:
    """A link as paths of Label Studio's carry it: URL-safe base64, or escaped as older releases wrote it."""
    try:
        return base64.urlsafe_b64decode(fileuri.encode()).decode()
    except ValueError:
        return unquote(fileuri)


def of_task(db: Db, task_id: int, fileuri: str) -> Place:
    """The place of a link in a task's data. Raises NotFound and Forbidden, for the task or when no storage claims it."""
    project_id = tasks.own(db, task_id).project_id
    return place(db, project_id, decoded(fileuri))


def of_project(db: Db, project_id: int, fileuri: str) -> Place:
    """The same by project."""
    projects.own(db, project_id)
    return place(db, project_id, decoded(fileuri))


def place(db: Db, project_id: int, uri: str) -> Place:
    """Where a link of this project leads. Raises NotFound when no source storage of the project has its bucket."""
    source = claiming(tasks_data.sources(db, project_id), uri)
    if source is None:
        raise NotFound("No source storage of this project has the bucket of this link.")
    storage = storages.storage(db.session, db.schema, f"{source.provider}:{source.id}")
    presign = storage.get("presign")
    minutes = storage.get("presign_ttl")
    return Place(storage, uri, key_of(uri), presign is None or bool(presign), 60 * (1 if minutes is None else minutes))


def claiming(sources: Sequence[Source], uri: str) -> Source | None:
    """The first storage, in the order Label Studio asks them, whose scheme and bucket are those of a link."""
    return next((source for source in sources if tasks_data.reaches(source, uri)), None)


def key_of(uri: str) -> str:
    """The object that a link `scheme://bucket/key` names; slashes before the key are dropped."""
    return uri.partition("://")[2].partition("/")[2].lstrip("/")


def local_file(db: Db, root: Path, asked: str, own_dir: Path | None = None) -> Path:
    """The file that `?d=` names, below the document root. Raises NotFound when there is none that the caller may have.

    A folder that the path leads out of is refused; symbolic links are followed, as Label Studio follows them: whoever
    can write to the disk decides what lies there. Not what the kernel makes up, and not the console's own files in
    `own_dir`, wherever the root lies. Raises Forbidden for a path out of the document root.
    """
    if "\x00" in asked:
        raise NotFound("No file has such a name.")
    relative = posixpath.normpath(asked).lstrip("/")
    base = os.path.abspath(root)  # noqa: PTH100 - links stay as they are written
    full = os.path.abspath(os.path.join(base, relative))  # noqa: PTH100, PTH118
    if full != base and not full.startswith(base.rstrip(os.sep) + os.sep):
        raise Forbidden("The path leads out of LOCAL_FILES_DOCUMENT_ROOT.")
    path = Path(full)
    covered = any(within(str(path.parent), one) for one in _local_roots(db, str(path.parent)))
    if not covered or not is_file(path) or is_private(full, str(own_dir) if own_dir else None):
        raise NotFound("No source storage of a project of yours covers this file, or there is no such file.")
    return path


def within(directory: str, storage_path: str) -> bool:
    """Whether a directory is a storage's or lies below it."""
    root = storage_path.rstrip(os.sep)
    return directory == root or directory.startswith(root + os.sep)


def is_file(path: Path) -> bool:
    """Whether there is a plain file: no directory, pipe or device, which nobody could be sent."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or a folder nobody may enter
        return False


def _local_roots(db: Db, directory: str) -> list[str]:
    """Paths of local source storages that the directory begins with, of projects the caller may see."""
    kind = KINDS["localfiles"]
    if not db.has(kind.table_name) or kind.parent_name is None:
        return []
    child, parent, owners = db.table(kind.table_name), db.table(kind.parent_name), db.table("project")
    path = parent.c.path
    statement = (
        select(path)
        .select_from(child.join(parent, parent.c.id == child.c[kind.key_column])
                     .join(owners, owners.c.id == child.c.project_id))
        .where(owners.c.organization_id == db.caller.organization_id,
               ~tasks.is_former_member(db, owners.c.organization_id),
               func.substr(literal(directory, Text), 1, func.length(path)) == path)
    )  # fmt: skip
    return [found for found in db.values(statement) if found]


def uploaded(db: Db, media: Path, name: str) -> Path:
    """An uploaded file by its name in the database, `upload/<project>/<file>`. Raises NotFound and Forbidden."""
    table, owners = db.table("data_import_fileupload"), db.table("project")
    former = tasks.is_former_member(db, owners.c.organization_id).label("former")
    row = None
    if "\x00" not in name:
        row = db.first(
            select(table.c.id, former)
            .select_from(table.join(owners, owners.c.id == table.c.project_id))
            .where(table.c.file == name, owners.c.organization_id == db.caller.organization_id)
            .order_by(table.c.id.desc()).limit(1)
        )  # fmt: skip
    tasks.reached(row, "No FileUpload matches the given query.")
    return stored_file(media, name)


def avatar(db: Db, media: Path, name: str) -> Path:
    """The picture of a member of the caller's organization, `avatars/<file>`. Raises NotFound."""
    users, members = db.table("htx_user"), db.table("organizations_organizationmember")
    if "\x00" in name or "avatar" not in users.c:
        raise NotFound("Nobody has such a picture.")
    live = [members.c.deleted_at.is_(None)] if "deleted_at" in members.c else []
    found = db.value(
        select(users.c.id)
        .select_from(users.join(members, members.c.user_id == users.c.id))
        .where(users.c.avatar == name, members.c.organization_id == db.caller.organization_id, *live).limit(1)
    )  # fmt: skip
    if found is None:
        raise NotFound("Nobody has such a picture.")
    return stored_file(media, name)


def stored_file(media: Path, name: str) -> Path:
    """A file below the media directory. Raises NotFound for one that is not there, or whose name leads out of it."""
    path = (media / name).resolve()
    if not re.match(f"{UPLOADS}|{AVATARS}", name) or not path.is_relative_to(media.resolve()) or not is_file(path):
        raise NotFound("The file is not in the media directory.")
    return path
