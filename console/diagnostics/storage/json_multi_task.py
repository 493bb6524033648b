"""JSON files hold several tasks each, and this release takes one from a file.

Up to 1.20 a sync makes one task of one JSON object: a list in a file fails the sync, and of lines of JSON nothing is
understood. Later releases read lists and lines, each element as a task of its own. On an older one the files have to be
split, one task each, or be uploaded through the import instead.

The first 64 KiB of a few files are read.

Source: `load_tasks_json` in Label Studio's io_storages app, which came with the columns `row_index` of the link tables.
"""

from collections.abc import Callable, Iterator, Sequence

from ...deployment.buckets import Bucket, ObjectMissing
from ...deployment.keys import is_json
from ...deployment.storage_rules import scan_rules
from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import FILTERED, address, in_use, passing

SAMPLES, SAMPLE_BYTES = 5, 64 * 1024


@check(
    title="JSON files hold as many tasks as this release takes from one",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="The sync fails at the first such file",
    cause="This release takes one task from a file, and these hold several.",
)
def json_multi_task(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: key, what it holds, how it begins."""
    reading = [storage for storage in in_use(ctx, prefixes=FILTERED) if not storage.get("use_blob_urls")]
    old = [storage for storage in reading if not scan_rules(storage, ctx.schema).several]
    if not old:
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} takes all tasks of a file")
    questions = []
    for storage, listing in ctx.probes.listings(old):
        if isinstance(listing, Unknown):
            yield listing
            continue
        try:
            keys = [key for key in passing(storage, [item.key for item in listing.keys]) if is_json(key)]
        except Unknown as undecided:
            yield undecided
            continue
        if keys:
            step = max(1, len(keys) // SAMPLES)
            questions.append((storage, "beginnings of samples", _asks(keys[::step][:SAMPLES])))
    for storage, found in ctx.probes.answers(questions):
        if isinstance(found, Unknown):
            yield found
        elif several := {key: text for key, text in found.items() if _form(text)}:
            yield _finding(ctx, storage, several, len(found))


def _asks(keys: Sequence[str]) -> Callable[[Bucket], dict[str, str]]:
    def ask(bucket: Bucket) -> dict[str, str]:
        found = {}
        for key in keys:
            try:
                found[key] = bucket.get_range(key, 0, SAMPLE_BYTES - 1).decode("utf-8", "replace")
            except ObjectMissing:
                continue
        return found

    return ask


def _form(text: str) -> str:
    """`a list` or `lines of JSON`; empty for one object."""
    bare = text.lstrip()
    if bare.startswith("["):
        return "a list"
    lines = [line.strip() for line in bare.splitlines()[:3] if line.strip()]
    whole = [line for line in lines if line.startswith("{") and line.endswith("}")]
    return "lines of JSON" if len(whole) > 1 else ""


def _finding(ctx: Context, storage: Storage, several: dict[str, str], tried: int) -> Finding:
    rows = [{"key": key, "holds": _form(text), "begins": text.strip()[:80]} for key, text in several.items()]
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=f"{len(several)} of {tried} JSON files tried hold {' or '.join(dict.fromkeys(row['holds'] for row in rows))}",
        cause=f"Label Studio {ctx.schema.label_studio_version} takes one task from a file: split them, or upgrade to 1.21 or later.",
        evidence=ctx.evidence(f"GET of the first 64 KiB of samples of {address(storage)}", rows),
    )  # fmt: skip
