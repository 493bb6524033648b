"""A storage's filter is no regular expression, or a wildcard that is read as one.

The filter of a source storage is a regular expression in Python's dialect, matched from the start of the key. Nothing
checks it when the storage is saved. `*.jpg` does not even compile: every sync of that storage fails with "nothing to
repeat". `img/*.jpg` compiles and means something else, and a blank before or after a pattern has to be in the key too.

The repair replaces a wildcard by the regular expression it stands for, tried on the real keys where the bucket can be
listed. A cloud storage matches the whole key from the root of the bucket, a local-files storage the file name alone.
Redis storages have the column and ignore it.

Source: `iter_objects` of Label Studio's S3, Google, Azure and local-files storages, which call `re.compile(…).match`.
"""

from collections.abc import Iterator

from ...deployment.buckets import Listing
from ...deployment.filters import meant_by, nearest
from ...deployment.storages import Storage
from ...patterns import LONGEST_PATTERN, PatternInvalid, PatternTimeout, compile_problem, match_all
from .. import Change, Context, Finding, Severity, Unknown, check
from ..sources import FILTERED, in_use, keys_of, listed, matched_with, repairable, shown, storage_update


@check(
    title="Every storage filter is a valid regular expression",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Every sync of this storage fails before it looks at the first key",
    cause="The filter is a regular expression in Python's dialect, and nothing tries it when the storage is saved.",
)
def regex_invalid(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: the filter, the one it stands for, and how many keys each matches."""
    suspects = []
    for storage in in_use(ctx, prefixes=FILTERED):
        pattern = storage.get("regex_filter")
        if not pattern:
            continue
        problem = compile_problem(pattern)
        if problem and (len(pattern) > LONGEST_PATTERN or "longer than" in problem):
            yield Unknown(f"{storage.reference}: the filter {shown(pattern)} was not tried: {problem}.")
            continue
        meant = meant_by(pattern, storage.get("prefix") or "", by_name=storage.kind.provider == "localfiles")
        if problem or meant or pattern != pattern.strip():
            suspects.append((storage, problem, meant))
    reachable = [storage for storage, _, _ in suspects]
    # Without its keys a filter is judged all the same.
    listings = {storage.subject: answer for storage, answer in ctx.probes.listings(reachable)}
    for storage, problem, meant in suspects:
        answer = listings.get(storage.subject)
        yield _finding(ctx, storage, problem, meant, answer if isinstance(answer, Listing) else None)


def _finding(
    ctx: Context, storage: Storage, problem: str | None, meant: str | None, listing: Listing | None
) -> Finding:
    pattern = storage.row["regex_filter"]
    keys = matched_with(storage, [item.key for item in listing.keys]) if listing else []
    wildcard = meant is not None and meant != pattern.strip()
    if meant and keys and not _matching(meant, keys) and (found := nearest(meant, storage.get("prefix") or "", keys)):
        meant = found[0]
    row = {
        "filter": pattern, "meant": meant, "keys_listed": len(keys) if listing else None,
        "matched_now": _matching(pattern, keys) if listing else None,
        "matched_then": _matching(meant, keys) if listing and meant else None,
    }  # fmt: skip
    source = f"{storage.kind.table_name}.regex_filter" + (f"; {listed(storage, listing)}" if listing else "")
    severity, summary, impact, cause = Severity.ERROR, "", "", ""
    if problem:
        summary = f"The filter {shown(pattern)} is no regular expression: {problem}"
        if meant:
            cause = f"It is a wildcard. As a regular expression it would be {shown(meant)}."
    else:
        severity, impact = Severity.WARNING, "A sync takes other objects than meant, or none"
        what = "is a wildcard, and it is read as a regular expression" if wildcard else "has blanks around it"
        summary = f"The filter {shown(pattern)} {what}"
        if listing and row["matched_now"] is not None:
            summary += f": it matches {row['matched_now']:,} of {keys_of(listing)}"
        cause = "" if wildcard else "A blank in a filter has to be in the key as well; these came in by copy and paste."
    return Finding(
        subject=storage.subject, name=storage.title, summary=summary, severity=severity, impact=impact, cause=cause,
        evidence=ctx.evidence(source, [row]), fixes=("use_meant_regex",) if meant and repairable(storage) else (),
    )  # fmt: skip


@regex_invalid.fix(title="Use the regular expression that was meant")
def use_meant_regex(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Replace the filter of this storage. Objects are taken at the next sync, not before."""
    for row in finding.evidence:
        if row["meant"]:
            yield storage_update(ctx, finding, "regex_filter", row["filter"], row["meant"])


def _matching(pattern: str, keys: list[str]) -> int | None:
    try:
        return sum(match_all(pattern, keys))
    except PatternInvalid:
        return 0
    except PatternTimeout:
        return None
