"""What the text of a failed snapshot, conversion or import says: which known failure it is, and what to do.

Source: the converter of Label Studio's SDK, the readers of its data_import app, `ssrf_safe_session`, rq's time limit and
what its worker writes about a process that was killed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .sync_failures import MOST_CHARACTERS, NOTHING, OTHER, Failure

_MEMORY = Failure(
    "memory", r"work-?horse.{0,80}(?:signal 9|terminated unexpectedly)|terminated unexpectedly|\bMemoryError\b|\bOOM(?:Killed)?\b",
    "the process that did it was killed, most often for memory", "jobs.poison",
    "Give the worker more memory, or do less at a time.",
)  # fmt: skip
_TIMEOUT = Failure(
    "timeout", r"JobTimeoutException|exceeded maximum timeout", "it took longer than its job may", "jobs.timeout",
    "Do less at a time: a tab with a filter, smaller files.",
)  # fmt: skip
_DISK = Failure(
    "disk", r"No space left on device|Errno 28|Disk quota exceeded", "a disk is full", "",
    "Make room in the data directory and in the directory for temporary files.",
)  # fmt: skip
_RIGHTS = Failure(
    "rights", r"PermissionError|Permission denied|Read-only file system", "a directory may not be written", "",
    "Let the user of the worker write into Label Studio's data directory.",
)  # fmt: skip
_LOST = Failure(
    "lost job", r"LS Console marked this \w+ failed", "its job was lost, and somebody marked it failed here", "",
    "Start it again.",
)  # fmt: skip
_DATABASE = Failure(
    "database", r"statement timeout|server closed the connection|connection already closed|deadlock detected|"
    r"terminating connection|too many (?:clients|connections)|database is locked",
    "the database broke off, was locked or took too long", "", "Look at the database, then start it again.",
)  # fmt: skip
_NO_FILE = Failure(
    "no file", r"FileNotFoundError|No such file or directory|NoSuchKey|does not exist in the storage",
    "a file it needs is not where it looks", "export.file_missing",
    "Give web server and worker the same data directory, or the same bucket for files.",
)  # fmt: skip

EXPORTS: tuple[Failure, ...] = (
    _LOST, _MEMORY, _TIMEOUT, _DISK, _RIGHTS, _NO_FILE,
    Failure("owner without token", r"has no auth_token|RelatedObjectDoesNotExist",
            "the owner of the organization has no legacy token",
            "export.images_empty", "Make a token for the owner of the organization: the converter fetches media with it."),
    Failure("nothing to convert", r"No converted file found|no annotations in the export snapshot",
            "nothing in the snapshot fits the format", "export.format_disabled",
            "Choose another format, or label first."),
    Failure("regions", r"KeyError: ['\"](?:x|y|width|height|points|original_width|original_height|value|from_name)['\"]|"
            r"unsupported operand type\(s\) for .{0,40}NoneType|not enough values to unpack|ZeroDivisionError",
            "a region is broken: it lacks a coordinate or a size", "export.converter_keyerror",
            "Correct the regions that the check lists."),
    Failure("key of the data", r"KeyError: ['\"][^'\"]{1,100}['\"]",
            "a task lacks a key that the labeling configuration shows", "",
            "Compare the data of the tasks with the configuration."),
    _DATABASE,
)  # fmt: skip
IMPORTS: tuple[Failure, ...] = (
    _LOST, _MEMORY, _TIMEOUT, _DISK, _RIGHTS,
    Failure("predictions", r"Prediction validation failed|[Ee]rror validating prediction",
            "predictions do not fit the labeling configuration",
            "", "Compare from_name, to_name, type and labels of the predictions with the configuration."),
    Failure("missing key", r"key is (?:missing|expected)|is expected in task data|keys? .{0,80}not found in|\"data\" key|KeyError: ",
            "the tasks lack a key that the labeling configuration shows", "",
            "Name the keys as the configuration does, or change it."),
    Failure("address refused", r"reserved network address|must not resolve to local|provided URL was not allowed|URL.{0,40}not valid",
            "the address of the import is in a private network", "",
            "Import the file itself, or change the refused networks (SSRF_PROTECTION_ENABLED, USE_DEFAULT_BANNED_SUBNETS)."),
    Failure("encoding", r"codec can'?t decode|UnicodeDecodeError|invalid (?:start|continuation) byte",
            "the file is not UTF-8", "",
            "Save it as UTF-8 without a byte order mark."),
    Failure("file type", r"[Uu]nsupported (?:file )?(?:format|extension|file)|not supported|extensions? .{0,80}allowed",
            "the kind of file is not supported", "", "Convert it to JSON, CSV or TSV, or upload media one a task."),
    Failure("broken file", r"JSONDecodeError|IncompleteJSONError|Expecting (?:value|property name)|Error tokenizing data|ParserError|"
            r"Failed to parse input file|parse error", "a file cannot be read", "",
            "Open the file that is named: it is cut short or not what its name says."),
    Failure("annotations", r"If you use \"(?:annotations|predictions)\" field|ValidationError|Invalid input",
            "a task in the file is not in the form of a task", "",
            "Write `data` beside `annotations` and `predictions`."),
    Failure("file gone", r"FileNotFoundError|No such file or directory|FileUpload matching query does not exist",
            "the uploaded file is not where the worker looks", "",
            "Give web server and worker the same data directory, then upload again."),
    Failure("unreachable", r"ConnectionError|Max retries exceeded|timed out|Connection refused|name resolution|SSLError|CERTIFICATE_VERIFY",
            "the address of the import did not answer", "", "Try the address from the machine of the worker."),
    _DATABASE,
)  # fmt: skip


@dataclass(frozen=True)
class _Known:
    failures: Sequence[Failure]
    patterns: list[re.Pattern[str]] = field(default_factory=list)

    def of(self, text: str | None) -> Failure:
        kept = (text or "").strip()[-MOST_CHARACTERS:]
        if not kept:
            return NOTHING
        ending = "\n".join(kept.splitlines()[-5:])
        for part in (ending, kept):
            for failure, pattern in zip(self.failures, self.patterns, strict=True):
                if pattern.search(part):
                    return failure
        return OTHER


_EXPORTS, _IMPORTS = (_Known(known, [re.compile(item.pattern) for item in known]) for known in (EXPORTS, IMPORTS))


def of_export(text: str | None) -> Failure:
    """The failure a traceback of a snapshot or conversion tells; OTHER for an unknown one, NOTHING for no text."""
    return _EXPORTS.of(text)


def of_import(text: str | None) -> Failure:
    """The same of an import or reimport."""
    return _IMPORTS.of(text)
