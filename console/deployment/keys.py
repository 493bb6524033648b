"""Object keys by their extension: what Label Studio makes of each, and the filter that keeps those one wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from posixpath import splitext
from typing import Any

#: Extensions Label Studio opens as tasks; a key without an extension is opened as well, any other fails the sync.
TASK_EXTENSIONS = ("", ".json", ".jsonl", ".parquet")
JSON_EXTENSIONS = (".json", ".jsonl")
#: What a storage that reads tasks can always take.
JSON_FILTER = r".*\.jsonl?$"
MEDIA: dict[str, tuple[str, ...]] = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".svg", ".tif", ".tiff", ".avif", ".jfif", ".heic"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".oga", ".m4a", ".aac", ".opus", ".aiff", ".au", ".wma"),
    "video": (".mp4", ".webm", ".mov", ".avi", ".mkv", ".m4v", ".mpg", ".mpeg", ".ogv"),
    "text": (".txt", ".html", ".htm", ".md", ".xml"),
    "table": (".csv", ".tsv"),
    "document": (".pdf",),
}
_FAMILIES = {name: family for family, names in MEDIA.items() for name in names}
#: Two spellings of one extension, and the pattern that takes both.
SPELLINGS = (("jpg", "jpeg", "jpe?g"), ("tif", "tiff", "tiff?"), ("htm", "html", "html?"), ("mpg", "mpeg", "mpe?g"),
             ("json", "jsonl", "jsonl?"))  # fmt: skip


def extension(key: str) -> str:
    """In lower case with its dot, empty for none: `.DS_Store` has none. As Label Studio tells it."""
    return splitext(key.lower())[1]


def family(key: str) -> str:
    """`image`, `audio`, `video`, `text`, `table`, `document`; `json` for tasks; `other` for the rest."""
    name = extension(key)
    return "json" if name in JSON_EXTENSIONS else _FAMILIES.get(name, "other")


def is_media(key: str) -> bool:
    return family(key) not in {"json", "other"}


def opens_as_tasks(key: str) -> bool:
    """Whether Label Studio would open the object and look for tasks in it, instead of failing at its name."""
    return extension(key) in TASK_EXTENSIONS


def is_json(key: str) -> bool:
    return extension(key) in JSON_EXTENSIONS


def by_extension(keys: Iterable[str]) -> list[dict[str, Any]]:
    """One row per extension, most keys first: extension, number of keys, the first of them."""
    counted: Counter[str] = Counter()
    first: dict[str, str] = {}
    for key in keys:
        name = extension(key)
        counted[name] += 1
        first.setdefault(name, key)
    return [
        {"extension": name or "none", "keys": number, "example": first[name]} for name, number in counted.most_common()
    ]


def media_filter(keys: Sequence[str]) -> str | None:
    """The filter that takes the commonest kind of media among these keys; None without any."""
    counted = Counter(name for name in map(family, keys) if name not in {"json", "other"})
    if not counted:
        return None
    chosen = counted.most_common(1)[0][0]
    kept = [key for key in keys if family(key) == chosen]
    lowered = sorted({extension(key).removeprefix(".") for key in kept})
    names = list(dict.fromkeys(_spelled(name) for name in lowered))
    body = names[0] if len(names) == 1 else f"({'|'.join(names)})"
    any_case = any(splitext(key)[1] != extension(key) for key in kept)
    return f"{'(?i)' if any_case else ''}.*\\.{body}$"


def json_filter(keys: Iterable[str]) -> str:
    """The filter that takes JSON tasks alone, in the letter case of these keys."""
    any_case = any(is_json(key) and splitext(key)[1] != extension(key) for key in keys)
    return f"(?i){JSON_FILTER}" if any_case else JSON_FILTER


def _spelled(name: str) -> str:
    return next((both for short, long, both in SPELLINGS if name in (short, long)), name)
