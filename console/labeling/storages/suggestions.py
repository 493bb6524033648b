"""What somebody may have meant whose sync brings nothing, or not all: settings that were tried on the keys of the bucket.

Each suggestion is `{"code", "message", "changes", "gains"}`: `changes` are columns of the storage with their new values,
`gains` how many of the keys that were looked at it would bring, None where it cannot be told.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...deployment.buckets import Bucket, BucketError, folder_of
from ...deployment.filters import nearest
from ...deployment.keys import is_json, is_media, json_filter
from ...deployment.storage_rules import ScanRules
from ...patterns import PatternInvalid, PatternTimeout, match_all
from .objects import Batch

#: Folders beside the prefix that are looked at.
_FOLDERS = 200


@dataclass
class Seen:
    """Keys kept from the walk: refused by the filter, and taken by it; `denied` is what the provider said to a GET."""

    filtered: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    denied: str = ""

    def add(self, batch: Batch, most: int) -> None:
        """Keep the first keys of each kind."""
        for kept, objects in ((self.filtered, batch.filtered), (self.kept, [*batch.new, *batch.linked])):
            kept += [info.key for info in objects[: most - len(kept)]]
        self.folders += batch.folders[: _FOLDERS - len(self.folders)]


def suggestions(seen: Seen, rules: ScanRules, bucket: Bucket, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a dry run; the nearest first. A bucket that refuses a further question only makes them fewer."""
    found = list(_about_filter(seen, rules, document))
    if not document["listed"]["objects"] and not document["pattern_problem"]:
        try:
            found += _about_prefix(rules, bucket)
        except BucketError as error:
            found.append(_said("prefix", f"Whether another prefix would do could not be asked: {error}"))
    found += _about_folders(seen, rules, document)
    found += _about_contents(seen, rules, document)
    if document["linked"]["objects"] and not document["new"]["objects"] and not found:
        found.append(
            _said(
                "linked",
                "Every object has its tasks already. A changed object is not read again; to read it anew, "
                "delete its tasks and sync.",
            )
        )
    return found


def _about_filter(seen: Seen, rules: ScanRules, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    subjects = [rules.subject(key) for key in seen.filtered]
    if rules.pattern is None or not subjects:
        return
    if document["pattern_problem"] or not seen.kept:
        found = nearest(rules.pattern, "" if rules.names_only else rules.prefix, subjects)
        if found:
            pattern, matches, change = found
            said = f"{pattern} would match {sum(matches):,} of the first {len(subjects):,} keys: {change}."
            yield _said("filter", said, {"regex_filter": pattern}, sum(matches))
        return
    for pattern, change in ((_any_case(rules.pattern), "letter case counts"),):
        matches = _matches(pattern, subjects)
        if any(matches):
            said = f"{pattern} would match {sum(matches):,} more of the first {len(subjects):,} refused keys: {change}."
            yield _said("filter", said, {"regex_filter": pattern}, sum(matches))


def _about_prefix(rules: ScanRules, bucket: Bucket) -> Iterator[dict[str, Any]]:
    """Nothing lies under the prefix: is it half a folder name, written in another case, or with too much before it?"""
    if rules.provider == "redis" and rules.prefix == "None":
        yield _said(
            "prefix", "The path is empty in the row, so a sync asks for keys that begin with “None”.", {"path": ""}
        )
    if not rules.prefix or rules.provider in {"redis", "localfiles"}:
        return
    bare = _bare(rules)
    if bare != rules.prefix.rstrip("/") and bucket.list(bare, True, 1).keys:
        said = f"The prefix is a path inside the bucket: {bare} has objects, {rules.prefix} has none."
        yield _said("prefix", said, {"prefix": bare})
        return
    typed = bare.rstrip("/")
    parent = posixpath.dirname(typed)
    beside = [name.rstrip("/") for name in bucket.list(parent, False, 1).common_prefixes[:_FOLDERS]]
    if bucket.starts_with(typed):
        longer = [name for name in beside if name.startswith(typed) and name != typed]
        for name in longer[:3]:
            said = f"Label Studio lists {folder_of(typed)}, with a slash at its end; {name} is a folder there."
            yield _said("prefix", said, {"prefix": name})
        if not longer:
            said = f"Keys start with {typed}, but none with {folder_of(typed)}, which is what Label Studio lists."
            yield _said("prefix", said)
        return
    for name in beside:
        if name.casefold() == typed.casefold() and name != typed:
            yield _said("prefix", f"Letter case counts: the folder is {name}.", {"prefix": name})


def _about_folders(seen: Seen, rules: ScanRules, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    number = document["folders"]["count"]
    if rules.recursive or not number:
        return
    some = ", ".join(seen.folders[:3])
    said = f"{number:,} folders are not entered ({some}): the storage is not read recursively."
    yield _said("recursive", said, {"recursive_scan": True})


def _about_contents(seen: Seen, rules: ScanRules, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if rules.provider == "redis" or not seen.kept:
        return
    json, media = sum(map(is_json, seen.kept)), sum(map(is_media, seen.kept))
    new = document["new"]["objects"]
    if rules.as_files:
        if json and json == len(seen.kept):
            said = (
                "Every object is a JSON file, and each becomes a task that shows the file. To make tasks of what stands in "
                "them, read them as tasks."
            )
            yield _said("toggle", said, {"use_blob_urls": False}, json)
        return
    if seen.denied:
        said = (
            f"The bucket can be listed, but reading an object is refused. Read as files, {new:,} tasks would be made, since "
            f"that takes LIST alone; to make tasks of what stands in them, permit GET. {seen.denied}"
        )
        yield _said("get", said)
    elif media and not json:
        said = f"These are media files: read as tasks they end the sync, as files they are {new:,} tasks."
        yield _said("toggle", said, {"use_blob_urls": True}, media)
    elif json and json < len(seen.kept):
        pattern = json_filter(seen.kept)
        if sum(_matches(pattern, [rules.subject(key) for key in seen.kept])) == json and document["failing"]["count"]:
            said = f"Other files lie among the JSON files and end the sync; {pattern} takes the JSON files alone."
            yield _said("filter", said, {"regex_filter": pattern}, json)


def _bare(rules: ScanRules) -> str:
    """The prefix without the bucket's address and slashes in front."""
    bare = rules.prefix.strip()
    for start in (f"s3://{rules.place}/", f"gs://{rules.place}/", f"azure-blob://{rules.place}/", f"{rules.place}/"):
        bare = bare.removeprefix(start)
    return bare.lstrip("/").rstrip("/")


def _any_case(pattern: str) -> str:
    return pattern if pattern.startswith("(?") else f"(?i){pattern}"


def _matches(pattern: str, subjects: list[str]) -> list[bool]:
    try:
        return match_all(pattern, subjects)
    except (PatternInvalid, PatternTimeout):
        return [False] * len(subjects)


def _said(
    code: str, message: str, changes: Mapping[str, Any] | None = None, gains: int | None = None
) -> dict[str, Any]:
    return {"code": code, "message": message, "changes": dict(changes or {}), "gains": gains}
