"""What has to be given to a storage so that Label Studio can use it: policies, CORS rules, roles, settings, commands.

Everything is narrowed to the storage's bucket and prefix, and to what its direction needs: a source reads, a target
writes. Nothing is applied from here; each snippet comes with the command that applies it. No snippet holds a secret.

Source of what is needed: the calls of Label Studio's io_storages models: listing and the connection test, reading of
JSON tasks, signed links and the media proxy, `save_annotation` and `delete_annotation` of targets.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..deployment.storages import Storage
from .origin import PLACEHOLDER, origin_of

if TYPE_CHECKING:
    from ..config import Settings

#: Headers that players of audio and video have to see.
EXPOSED = ("Accept-Ranges", "Content-Length", "Content-Range", "Content-Type", "ETag")
NO_ORIGIN = f"{PLACEHOLDER} stands for Label Studio's address, which is not known here: set LSCONSOLE_LABEL_STUDIO_URL (or HOST)."


@dataclass(frozen=True)
class Snippet:
    """One thing to set up. `text` is the document to paste, empty when the commands are all; `note` says what to mind."""

    slug: str
    title: str
    text: str = ""
    commands: tuple[str, ...] = ()
    note: str = ""

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Surroundings:
    """What a storage row does not say. `origin` is that of Label Studio's pages, `known_origin` False while it is made up;
    `environment` fills empty columns, with Label Studio's own names."""

    origin: str = PLACEHOLDER
    known_origin: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    local_root: str = "/"
    local_serving: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Surroundings:
        origin = origin_of(settings.label_studio_url)
        return cls(
            origin or PLACEHOLDER, origin is not None, settings.bucket_environment, str(settings.local_files_root),
            settings.local_files_serving,
        )  # fmt: skip


def snippets(storage: Storage, around: Surroundings) -> list[Snippet]:
    """Everything to set up for one storage, the most needed first."""
    make: Callable[[Storage, Surroundings], list[Snippet]] = _provider(storage).snippets
    return make(storage, around)


def statement(storage: Storage, operation: str, around: Surroundings) -> str:
    """What to add when one operation of the access matrix is refused, ready to paste; empty where nothing would help."""
    say: Callable[[Storage, str, Surroundings], str] = _provider(storage).statement
    return say(storage, operation, around)


def _provider(storage: Storage) -> Any:
    name = "policies_s3" if storage.kind.provider == "s3" else "policies_more"
    return importlib.import_module(f".{name}", __package__)
