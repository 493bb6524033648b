"""Where snapshots lie: `media/export/<project>/` below Label Studio's data directory, under the names it gives them.

Names come from the database, so they are looked at twice: nothing outside of the media directory is read or removed.

Source: `data_export/models.py` (`upload_to`), `data_export/mixins.py ExportMixin.save_file`, Django's `FileSystemStorage`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import NotFound, Refused

DIRECTORY = "export"
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Place:
    """Label Studio's media directory."""

    media: Path

    def directory(self, project_id: int) -> Path:
        """Where files of a project go, made if need be. Raises Refused with what to do when that is not possible."""
        directory = self.media / DIRECTORY / str(project_id)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(_cannot_write(directory, error)) from None
        return directory

    def unfinished(self, project_id: int, name: str) -> Path:
        """A file under work; hidden, beside its final place, so that one rename completes it."""
        return self.directory(project_id) / f".{name}.part"

    def keep(self, unfinished: Path, project_id: int, name: str) -> str:
        """Give a finished file its name; what the database is to hold. Another file of that name stays as it is."""
        stem, dot, extension = name.rpartition(".")
        target = unfinished.with_name(name)
        try:
            unfinished.chmod(0o644)
            while True:
                try:
                    os.link(unfinished, target)
                    break
                except FileExistsError:
                    more = "".join(secrets.choice(_LETTERS) for _ in range(7))
                    target = unfinished.with_name(f"{stem}_{more}{dot}{extension}")
            unfinished.unlink()
        except OSError as error:
            raise Refused(_cannot_write(unfinished.parent, error)) from None
        return f"{DIRECTORY}/{project_id}/{target.name}"

    def find(self, stored: str | None) -> Path:
        """The file that a row names. Raises NotFound when it is not there, or not in the media directory."""
        path = self._inside(stored)
        if path is None or not path.is_file():
            raise NotFound(
                f"The file of this snapshot is not in {self.media}: it was removed, lies in another storage, or "
                "BASE_DATA_DIR names another directory than Label Studio's. Make a new snapshot."
            )
        return path

    def remove(self, stored: Iterable[str | None]) -> None:
        """Remove files that rows name; those that are gone already are fine. Raises Refused."""
        for name in stored:
            path = self._inside(name)
            if path is None:
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise Refused(
                    "Could not delete file from storage. Check that your user has permissions to delete files: "
                    f"{error.strerror}: {name}"
                ) from None

    def remove_unfinished(self, project_id: int, export_id: int) -> None:
        """Throw away what an interrupted job left of a snapshot."""
        with contextlib.suppress(OSError):
            (self.media / DIRECTORY / str(project_id) / f".snapshot-{export_id}.part").unlink(missing_ok=True)

    def _inside(self, stored: str | None) -> Path | None:
        if not stored or "\x00" in stored:
            return None
        path = (self.media / stored).resolve()
        return path if path.is_relative_to(self.media.resolve()) else None


def _cannot_write(directory: Path, error: OSError) -> str:
    return (
        f"Snapshots are written to {directory}, and that is not possible: {error.strerror}. "
        "Set BASE_DATA_DIR to Label Studio's data directory and let the console write there."
    )
