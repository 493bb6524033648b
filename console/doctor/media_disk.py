"""Files on a disk: what keeps a local file or an uploaded one from being served."""

from __future__ import annotations

import mimetypes
import os
import posixpath
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..deployment.schema import Schema
from ..deployment.storages import storages
from ..errors import NotFound
from ..labeling.storages import resolving
from ..masking import mask_text
from .media_steps import Story

UPLOADS = "data_import_fileupload"


def local(
    story: Story, session: Session, schema: Schema, settings: Settings, asked: str, project_id: int | None
) -> None:
    """Steps of `/data/local-files/?d=<asked>`. The console looks at the disk that it sees itself."""
    root = settings.local_files_root
    if settings.local_files_serving:
        story.add(
            "ok",
            "Serving local files is on",
            "LOCAL_FILES_SERVING_ENABLED is on, as the console was told.",
            document_root=str(root),
        )
    else:
        told = "LOCAL_FILES_SERVING_ENABLED is off in the console’s environment; if it is in Label Studio’s too, all is refused with 403."
        story.add("failed", "Serving local files is on", told, check="local.serving_off")
    if not asked or "\x00" in asked:
        story.add("failed", "The address names a file", "There is no path after d=.")
        return
    base = os.path.abspath(root)  # noqa: PTH100
    path = Path(os.path.abspath(os.path.join(base, posixpath.normpath(asked).lstrip("/"))))  # noqa: PTH100, PTH118
    if path != Path(base) and not str(path).startswith(base.rstrip(os.sep) + os.sep):
        story.add(
            "failed",
            "The path stays below the document root",
            f"It leads out of {base}; Label Studio answers 400.",
            check="local.outside_root",
        )
        return
    _covered(story, session, schema, path, project_id)
    _on_disk(story, path, Path(base), "LOCAL_FILES_DOCUMENT_ROOT")


def _covered(story: Story, session: Session, schema: Schema, path: Path, project_id: int | None) -> None:
    title = "A local storage of the project covers the folder"
    known = list(storages(session, schema, prefixes=["localfiles"]))
    covering = [one for one in known if one.get("path") and resolving.within(str(path.parent), str(one.get("path")))]
    own = [one for one in covering if project_id is None or one.get("project_id") == project_id]
    if covering:
        first = (own or covering)[0]
        note = "" if own else " People who may not see that project get 404."
        story.add(
            "ok",
            title,
            f"{first.reference} of project {first.get('project_id')} has {first.get('path')}.{note}",
            storage=first.reference,
        )
        return
    near = next((one for one in known if one.get("path") and str(path.parent).startswith(str(one.get("path")))), None)
    told = f"No source storage has {path.parent} or a folder above it; Label Studio answers 404. Add a local storage for the folder."
    if near is not None:
        told += f" {near.reference} has {near.get('path')}, which is another folder that begins alike."
    story.add(
        "failed",
        title,
        told,
        check="local.no_covering_storage",
        paths=", ".join(str(one.get("path")) for one in known[:10]),
    )


def _on_disk(story: Story, path: Path, root: Path, setting: str) -> None:
    title = "The file is on the disk"
    if not root.is_dir():
        story.add(
            "unknown",
            title,
            f"{root} is not here: the console does not see Label Studio’s disk. Mount it, or set {setting}.",
            path=str(path),
        )
        return
    try:
        found = path.stat()
    except OSError as error:
        gap = next((parent for parent in path.parents if parent.is_dir()), root)
        told = (
            f"{mask_text(path.name)[:100]!r} is not there ({error.strerror}). The nearest folder that exists is {gap}."
        )
        alike = _alike(path)
        story.add("failed", title, f"{told} {alike}".strip(), path=str(path))
        return
    if not path.is_file():
        story.add("failed", title, "It is a folder or a device, and no file.", path=str(path))
        return
    if not os.access(path, os.R_OK):
        story.add(
            "failed",
            title,
            f"The console may not read it (mode {found.st_mode & 0o777:o}, owner {found.st_uid}); Label Studio’s user needs the right to.",
            path=str(path),
        )
        return
    link = f" It is reached over a symbolic link, to {path.resolve()}." if path.resolve() != path else ""
    story.add(
        "ok",
        title,
        f"{found.st_size:,} bytes.{link}",
        path=str(path),
        type=mimetypes.guess_type(path.name)[0] or "unknown extension",
    )
    if not found.st_size:
        story.add("failed", "The file has content", "The file is empty.")


def _alike(path: Path) -> str:
    """A file of the folder that differs in case alone."""
    try:
        names = [entry.name for entry in os.scandir(path.parent)][:10_000]
    except OSError:
        return ""
    same = [name for name in names if name.lower() == path.name.lower()]
    return f"There is {mask_text(same[0])!r}: case counts." if same else ""


def uploaded(
    story: Story, session: Session, schema: Schema, settings: Settings, name: str, project_id: int | None
) -> None:
    """Steps of `/data/upload/<project>/<file>`."""
    title = "The database knows the uploaded file"
    table = schema.table(UPLOADS)
    row = session.execute(
        select(table.c.id, table.c.project_id)
        .where(table.c.file == name.replace("\x00", ""))
        .order_by(table.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        story.add(
            "failed",
            title,
            f"No uploaded file is called {mask_text(name)[:200]!r}: the import was deleted, or its name changed. Label Studio answers 500.",
            check="storage.object_gone",
        )
        return
    note = "" if project_id in (None, row.project_id) else f" The task belongs to project {project_id}."
    story.add("ok", title, f"Upload {row.id} of project {row.project_id}; its members may open it.{note}")
    media = settings.base_data_dir / "media"
    if not media.is_dir():
        told = f"{media} is not here: the console does not see Label Studio’s data directory. Mount it, or set LABEL_STUDIO_BASE_DATA_DIR."
        story.add("unknown", "The file is on the disk", told)
        return
    try:
        path = resolving.stored_file(media, name)
    except NotFound:
        told = "The file is not in the media directory: the volume was not kept with the container, or another machine has it."
        story.add("failed", "The file is on the disk", told, check="storage.object_gone", path=str(media / name))
        return
    _on_disk(story, path, media, "LABEL_STUDIO_BASE_DATA_DIR")
