"""What a job was called with, as text that can be shown, and the objects of Label Studio it belongs to.

Model objects are told by name and id alone: their pickled fields hold passwords' hashes and storage keys. Texts are
masked before they are cut. Nothing is loaded.

Source: `job.data` of rq, a pickled or JSON list of function, instance, arguments and keyword arguments; the calls of
`start_job_async_or_sync` in Label Studio 1.4 to 1.23, which put user, organization, project and storage into `meta`.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..masking import MASK, is_secret_column, mask_text
from .pickle_reading import Pairs, Thing, UnreadablePickle, read_pickle

MOST_UNPACKED_BYTES = 1024 * 1024
MOST_CHARACTERS = 2000  # of one argument
MOST_STRING = 300
MOST_ITEMS = 20
MOST_DEPTH = 4
MOST_ARGUMENTS = 50

_STORAGES = {
    "S3": "s3",
    "GCS": "gcs",
    "Azure": "azure",
    "AzureBlob": "azure",
    "Redis": "redis",
    "LocalFiles": "localfiles",
}
_STORAGE_CLASS = re.compile(r"\b(S3|GCS|AzureBlob|Azure|Redis|LocalFiles)(Import|Export)Storage\b")
#: The function's last name -> what its first argument is the id of.
_FIRST_ARGUMENT = {
    "export_background": "export", "async_convert": "conversion", "async_import_background": "import",
    "async_reimport_background": "reimport", "redis_job_for_calculation": "organization",
}  # fmt: skip
_ANNOTATION_JOB = re.compile(r"async_export_annotation_to_\w+_storages")


@dataclass(frozen=True)
class Argument:
    """`name` is empty for one that was given by its place."""

    name: str
    text: str


@dataclass(frozen=True)
class About:
    """What a job belongs to, where it can be told. `storage` as in `s3:4`, a target as in `s3-export:1`.

    `row` names the record that waits for this job: kind (storage, export, conversion, import, reimport, annotation,
    organization, migration) and id.
    """

    project_id: int | None = None
    storage: str | None = None
    organization_id: int | None = None
    user_id: int | None = None
    row: tuple[str, str] | None = None


@dataclass(frozen=True)
class Call:
    """`serializer` is pickle, json or None when the data could not be read; `problem` says why."""

    function: str | None
    arguments: tuple[Argument, ...]
    meta: tuple[Argument, ...]
    about: About
    serializer: str | None
    problem: str | None = None


def read_call(data: bytes | None, meta: bytes | None) -> Call:
    """The call in a job's `data` and `meta`, both as they stand in Redis."""
    told = read_meta(meta)
    shown_meta = tuple(Argument(_name(key), _shown(key, value)) for key, value in told.items[:MOST_ARGUMENTS])
    try:
        serializer, value = _unpacked(data)
        function, instance, args, kwargs = _parts(value)
    except UnreadablePickle as error:
        return Call(
            None, (), shown_meta, _about(None, None, (), Pairs(), told), None, f"The call cannot be read: {error}"
        )
    given = [Argument("", render(value)) for value in args[:MOST_ARGUMENTS]]
    if instance is not None:
        given.insert(0, Argument("self", render(instance)))
    given += [Argument(_name(key), _shown(key, value)) for key, value in kwargs.items[:MOST_ARGUMENTS]]
    left = max(len(args) - MOST_ARGUMENTS, 0) + max(len(kwargs.items) - MOST_ARGUMENTS, 0)
    problem = f"{left} more arguments are not shown" if left > 0 else None
    about = _about(function, instance, args, kwargs, told)
    return Call(function, tuple(given), shown_meta, about, serializer, problem)


def read_meta(meta: bytes | None) -> Pairs:
    """A job's `meta`; empty when there is none or it cannot be read."""
    try:
        value = _unpacked(meta)[1] if meta else None
    except UnreadablePickle:
        return Pairs()
    return value if isinstance(value, Pairs) else Pairs()


def about_description(description: str | None, function: str | None) -> About:
    """As far as rq's own description of a call tells it: enough for a list, without fetching the arguments."""
    text = (description or "")[:4000]
    known = {name: int(number) for name, number in _NAMED_IDS.findall(text)}
    found = _DESCRIBED_STORAGE.search(text)
    storage = f"{_storage_type(found[1], found[2])}:{found[3]}" if found else None
    first = re.match(r"[\w.<>]{1,300}\((\d{1,18})\b", text)
    row = ("storage", storage) if storage else _row(function, int(first[1]) if first else None)
    return About(known.get("project_id"), storage, known.get("organization_id"), known.get("user_id"), row)


_NAMED_IDS = re.compile(r"\b(project_id|organization_id|user_id)=(\d{1,18})\b")
_DESCRIBED_STORAGE = re.compile(r"(S3|GCS|AzureBlob|Azure|Redis|LocalFiles)(Import|Export)Storage'>, (\d{1,18})\b")


def _unpacked(data: bytes | None) -> tuple[str, Any]:
    """The serializer's name and the value; JSON objects become Pairs as well."""
    if not data:
        raise UnreadablePickle("there is none")
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(data, MOST_UNPACKED_BYTES)
        if unpacker.unconsumed_tail:
            raise UnreadablePickle(f"it is larger than {MOST_UNPACKED_BYTES // 2**20} MB")
    except zlib.error:
        pass  # rq packs `data`, never `meta`, and before 1.0 neither
    if data[:1] in (b"[", b"{", b'"'):
        try:
            return "json", json.loads(data, object_pairs_hook=Pairs)
        except (ValueError, RecursionError):
            pass  # a pickle of protocol 0 may begin like that
    return "pickle", read_pickle(data)


def _parts(value: Any) -> tuple[str | None, Any, Sequence[Any], Pairs]:
    if not isinstance(value, tuple | list) or len(value) != 4:
        raise UnreadablePickle("it is not a call as rq writes it")
    function, instance, args, kwargs = value
    name = writable(function[:300]) if isinstance(function, str) else None
    return (
        name,
        instance,
        args if isinstance(args, tuple | list) else (),
        kwargs if isinstance(kwargs, Pairs) else Pairs(),
    )


# --- what it belongs to ---


def _about(function: str | None, instance: Any, args: Sequence[Any], kwargs: Pairs, meta: Pairs) -> About:
    storage = _storage(args)
    project = _first_id(kwargs.get("project_id"), meta.get("project_id"), meta.get("project"))
    if project is None:
        project = next((key for value in (instance, *args[:10]) if (key := _model_id(value, "Project"))), None)
    if project is None and (function or "").endswith("async_project_summary_recalculation"):
        project = _first_id(*args[1:2])
    migration = kwargs.get("migration_name")
    row = ("storage", storage) if storage else _row(function, _first_id(*args[:1]))
    if row is None and isinstance(migration, str):
        row = ("migration", mask_text(writable(migration[:300])))
    return About(
        project_id=project,
        storage=storage,
        organization_id=_first_id(kwargs.get("organization_id"), meta.get("organization_id")),
        user_id=_first_id(meta.get("user_id"), kwargs.get("user_id")),
        row=row,
    )


def _storage(args: Sequence[Any]) -> str | None:
    """A sync is called with the storage's class and id."""
    if len(args) < 2 or not isinstance(args[0], Thing | str):
        return None
    name = args[0] if isinstance(args[0], str) else args[0].name
    found, number = _STORAGE_CLASS.search(name), _first_id(args[1])
    return f"{_storage_type(found[1], found[2])}:{number}" if found and number is not None else None


def _storage_type(provider: str, direction: str) -> str:
    return _STORAGES[provider] + ("-export" if direction == "Export" else "")


def _row(function: str | None, number: int | None) -> tuple[str, str] | None:
    name = (function or "").rpartition(".")[2]
    kind = "annotation" if _ANNOTATION_JOB.fullmatch(name) else _FIRST_ARGUMENT.get(name)
    return (kind, str(number)) if kind and number is not None else None


def _first_id(*values: Any) -> int | None:
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63:
            return value
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
            return int(value)
    return None


def _model(thing: Any) -> tuple[str, Any] | None:
    """`projects.Project` and the id of a pickled Django object, or None when it is something else."""
    if not isinstance(thing, Thing) or not thing.called or thing.name != "django.db.models.base.model_unpickle":
        return None
    what = thing.args[0] if isinstance(thing.args, tuple) and thing.args else None
    if isinstance(what, tuple) and len(what) == 2 and all(isinstance(part, str) for part in what):
        name = f"{what[0]}.{what[1]}"[:200]
    elif isinstance(what, Thing):
        name = what.name
    else:
        return None
    state = thing.state if isinstance(thing.state, Pairs) else Pairs()
    return name, state.get("id")


def _model_id(thing: Any, model: str) -> int | None:
    told = _model(thing)
    return _first_id(told[1]) if told and told[0].rpartition(".")[2] == model else None


# --- as text ---


def render(value: Any) -> str:
    """A value as one line, secrets hidden, at most MOST_CHARACTERS."""
    line = _Line()
    _render(value, MOST_DEPTH, line)
    text = mask_text(writable("".join(line.pieces)))
    return text[:MOST_CHARACTERS] + ("…" if line.room <= 0 or len(text) > MOST_CHARACTERS else "")


def writable(text: str) -> str:
    """Text that can be sent to a browser: JSON and pickles may hold half of a character."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _shown(key: Any, value: Any) -> str:
    return MASK if isinstance(key, str) and is_secret_column(key) and value is not None else render(value)


def _name(key: Any) -> str:
    return mask_text(writable(key[:MOST_STRING])) if isinstance(key, str) else render(key)[:MOST_STRING]


class _Line:
    """Takes pieces of text until it is full."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.room = MOST_CHARACTERS

    def add(self, piece: str) -> None:
        if self.room > 0:
            self.pieces.append(piece)
            self.room -= max(len(piece), 1)


def _render(value: Any, depth: int, line: _Line) -> None:
    if line.room <= 0:
        return
    if isinstance(value, Pairs):
        _render_items(value.items, "{}", depth, line, keyed=True)
    elif isinstance(value, list | tuple):
        _render_items(value, "[]" if isinstance(value, list) else "()", depth, line)
    elif isinstance(value, Thing):
        line.add(_thing_text(value))
    else:
        line.add(_scalar(value))


def _render_items(items: Sequence[Any], brackets: str, depth: int, line: _Line, keyed: bool = False) -> None:
    if depth <= 0 and items:
        line.add(f"{brackets[0]}… {len(items):,} inside{brackets[1]}")
        return
    line.add(brackets[0])
    for place, item in enumerate(items[:MOST_ITEMS]):
        line.add(", " if place else "")
        if keyed:
            key, value = item
            _render_pair(key, value, depth, line)
        else:
            _render(item, depth - 1, line)
    if len(items) > MOST_ITEMS:
        line.add(f", … {len(items) - MOST_ITEMS:,} more")
    line.add(brackets[1])


def _render_pair(key: Any, value: Any, depth: int, line: _Line) -> None:
    _render(key, 0, line)
    line.add(": ")
    if isinstance(key, str) and is_secret_column(key) and value is not None:
        line.add(MASK)
    else:
        _render(value, depth - 1, line)


def _thing_text(thing: Thing) -> str:
    if told := _model(thing):
        name, number = told
        return f"<{name} {_scalar(number)}>" if number is not None else f"<{name}>"
    if not thing.called:
        return thing.name
    if thing.name.endswith("QuerySet") and isinstance(thing.state, Pairs):
        rows = thing.state.get("_result_cache")
        return f"<QuerySet of {len(rows):,} objects>" if isinstance(rows, list) else "<QuerySet>"
    return f"<{thing.name}>"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        masked = mask_text(value[: 8 * MOST_STRING])
        left = len(value) - 8 * MOST_STRING
        text = masked[:MOST_STRING] + ("…" if left > 0 or len(masked) > MOST_STRING else "")
        return repr(text)
    if isinstance(value, bytes | bytearray):
        return f"<{len(value):,} bytes>"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"<a number of {value.bit_length():,} bits>"
    return repr(value)[:MOST_STRING]
