"""Object keys by their extension; see `deployment.keys`, which syncs and dry runs use as well."""

from ..deployment.keys import (
    JSON_EXTENSIONS,
    JSON_FILTER,
    MEDIA,
    SPELLINGS,
    TASK_EXTENSIONS,
    by_extension,
    extension,
    family,
    is_json,
    is_media,
    json_filter,
    media_filter,
    opens_as_tasks,
)

__all__ = [
    "JSON_EXTENSIONS", "JSON_FILTER", "MEDIA", "SPELLINGS", "TASK_EXTENSIONS", "by_extension", "extension", "family",
    "is_json", "is_media", "json_filter", "media_filter", "opens_as_tasks",
]  # fmt: skip
