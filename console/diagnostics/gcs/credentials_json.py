"""The key stored in a Google storage cannot be used as it is.

Label Studio wants the content of a service account's key file in the field "Google Application Credentials". What
people paste instead is the path of that file, its base64, or a copy in which an editor, a shell or a template has
escaped the line ends of the private key twice. The storage then fails at every sync with "must be valid JSON" or with
an error about the key, and no file is shown.

Line ends that were escaped twice or turned into real ones, and base64, can be put right without anybody seeing the key.
Whatever lacks a part has to be entered again. A key whose address for tokens is not Google's is reported too.
Source: `GCS.get_client` in Label Studio's io_storages/gcs/utils.py, which reads strict JSON and hands it to google-auth.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from ...deployment.buckets import BucketBlocked, BucketError, Reach, open_bucket
from ...deployment.service_account import parsed, repaired
from ...deployment.storages import Storage, storage
from .. import Change, Context, Finding, Severity, check
from ..check import Subject
from ..sources import in_use, storage_update

COLUMN = "google_application_credentials"


@check(
    title="Every stored Google key can be used",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Every sync fails, and no file of this storage is shown",
    cause="The field takes the content of a service account's key file, as it was downloaded.",
)
def credentials_json(ctx: Context) -> Iterator[Finding]:
    """One finding per storage, targets included. Row: what is wrong and whom the key names; never the key."""
    for item in in_use(ctx, prefixes=["gcs", "gcs-export"], targets=True):
        text = item.get(COLUMN) or ""
        if not text:
            continue
        try:
            parsed(text)
        except ValueError as error:
            can_repair = repaired(text) is not None
            yield _finding(ctx, item, f"The stored key cannot be used: {error}", can_repair)
            continue
        if refused := _refused(ctx, item):
            yield _finding(ctx, item, str(refused), False)


@credentials_json.fix(title="Put the form of the stored key right")
def repair_key(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Store the same key with proper line ends. Plan and audit log keep both texts encrypted; undo brings the old back."""
    with ctx.transaction() as session:
        item = storage(session, ctx.schema, Subject.parse(finding.subject).id)
    text = item.get(COLUMN) or ""
    if (fixed := repaired(text)) is not None:
        yield storage_update(ctx, finding, COLUMN, text, fixed)


def _refused(ctx: Context, item: Storage) -> BucketBlocked | None:
    """Why the network rules refuse the key's address for tokens; other problems are not of the key."""
    try:
        open_bucket("gcs", item.row, Reach.of(ctx.settings)).close()
    except BucketBlocked as error:
        return error
    except BucketError:
        return None
    return None


def _finding(ctx: Context, item: Storage, summary: str, can_repair: bool) -> Finding:
    told = _told(item.get(COLUMN) or "")
    row = {
        "characters": len(item.get(COLUMN) or ""), "account": told.get("client_email"),
        "project_of_key": told.get("project_id"), "project_of_storage": item.get("google_project_id"),
        "can_be_put_right": can_repair,
    }  # fmt: skip
    table = item.kind.parent_name or item.kind.table_name
    return Finding(
        subject=item.subject, name=item.title, summary=summary, evidence=ctx.evidence(f"{table}.{COLUMN}", [row]),
        fixes=("repair_key",) if can_repair else (),
    )  # fmt: skip


def _told(text: str) -> dict[str, Any]:
    """Members of the key that are no secret, as far as it is JSON."""
    try:
        info = orjson.loads(repaired(text) or text)
    except orjson.JSONDecodeError:
        return {}
    names = ("client_email", "project_id")
    return {name: str(info[name])[:200] for name in names if info.get(name)} if isinstance(info, dict) else {}
