"""The tasks in uploaded files, one after the other.

A table has a task per row, a text file one per line, a JSON document one per item; a page of HTML or XML is one task
with its text, anything else one task with its address. The value of a file without keys goes by `$undefined$`.

Source: Label Studio's `data_import/models.py FileUpload.read_tasks, load_tasks_from_uploaded_files`.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ...errors import ConsoleError, Invalid
from ..label_config import UNDEFINED, ParsedConfig
from ..uploads import TASK_LISTS, Shelf, Upload
from . import tables
from .json_items import JsonItems

SEVERAL_KEYS = (
    "Your label config has more than one data key and direct file upload supports only "
    "one data key. To import data with multiple data keys, use a JSON or CSV file."
)
_PIECE_BYTES = 256 * 1024


@dataclass
class Files:
    """The tasks of several files. `formats` and `columns` are complete when all of them were read."""

    shelf: Shelf
    uploads: Sequence[Upload]
    config: ParsedConfig
    as_lists: bool = True
    formats: Counter[str] = field(default_factory=Counter)
    columns: list[str] = field(default_factory=list)

    @property
    def could_be_lists(self) -> bool:
        """Whether lines or rows of a file could be tasks."""
        return any(upload.format in TASK_LISTS for upload in self.uploads)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each task with its `file_upload_id`. Raises Invalid for a file that cannot be read or has other columns."""
        for upload in self.uploads:
            first = True
            for task in self._tasks(upload):
                task["file_upload_id"] = upload.id
                if first:
                    self._need_common_columns(upload, task["data"])
                    first = False
                yield task
            self.formats[upload.format] += 1

    def _tasks(self, upload: Upload) -> Iterator[dict[str, Any]]:
        try:
            with upload.path.open("rb") as file:
                yield from self._read(upload, file)
        except FileNotFoundError:
            why = f"[Errno 2] No such file or directory: '{upload.name}'"
        except UnicodeDecodeError as error:
            why = str(error)
        except OSError as error:
            why = error.strerror or "it cannot be read"
        except ConsoleError as error:
            why = error.fields["non_field_errors"][0] if isinstance(error, Invalid) else str(error)
        else:
            return
        raise Invalid(f"Failed to parse input file {upload.file_name}: {why}")

    def _read(self, upload: Upload, file: BinaryIO) -> Iterator[dict[str, Any]]:
        kind = upload.format
        if kind == ".json":
            yield from _from_json(file)
        elif kind in {".csv", ".tsv"} and self.as_lists:
            for data in tables.read(file, tabs=kind == ".tsv"):
                yield {"data": data}
        elif kind == ".txt" and self.as_lists:
            for line in _lines(file):
                yield {"data": {UNDEFINED: line}}
        elif len(self.config.data_types) > 1:
            raise Invalid(SEVERAL_KEYS)
        elif kind in {".html", ".htm", ".xml"}:
            yield {"data": {UNDEFINED: file.read().decode()}}
        else:
            yield {"data": {UNDEFINED: self.shelf.url(upload)}}

    def _need_common_columns(self, upload: Upload, data: dict[str, Any]) -> None:
        known, new = self.columns, list(data)
        if not known:
            self.columns = new
            return
        common = [name for name in known if name in data]
        if not common and new:
            raise Invalid(_no_common_columns(new, known, upload.name))
        self.columns = common


def _from_json(file: BinaryIO) -> Iterator[dict[str, Any]]:
    for item in JsonItems(file):
        if not isinstance(item, dict):
            raise Invalid("Task item should be dict")
        task = item if item.get("data") else {"data": item}
        if not isinstance(task["data"], dict):
            raise Invalid("Task item should be dict")
        yield task


def _lines(file: BinaryIO) -> Iterator[str]:
    """Lines as `str.splitlines` sees them, which knows more ends of lines than files do."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest = ""
    while True:
        piece = file.read(_PIECE_BYTES)
        rest += decoder.decode(piece, final=not piece)
        lines = rest.splitlines(keepends=True)
        # The last line may go on, and a carriage return may be half of an end.
        rest = lines.pop() if lines and piece else ""
        for line in lines:
            yield line.splitlines()[0]
        if not piece:
            return


def _no_common_columns(new: Sequence[str], known: Sequence[str], name: str) -> str:
    inconsistent = "You're trying to import inconsistent data:\n"
    new_keys, known_keys = ",".join(new), ",".join(known)
    if new_keys == UNDEFINED:
        return f'{inconsistent}uploading a single file {name} clashes with data key(s) found from other files:\n"{known_keys}"'
    if known_keys == UNDEFINED:
        return (
            f"{inconsistent}uploading tabular data from {name} with data key(s) {new_keys}, "
            "clashes with other raw binary files (images, audios, etc.)"
        )
    return (
        f'{inconsistent}uploading tabular data from "{name}" with data key(s) "{new_keys}", '
        f'clashes with data key(s) found from other files:\n"{known_keys}"'
    )
