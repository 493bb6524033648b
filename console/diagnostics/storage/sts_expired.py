"""A storage uses temporary credentials: they stop to work within hours.

Keys of Amazon that begin with `ASIA` come from a role or a sign-in and belong to a session token. They live between 15
minutes and 36 hours. "It worked this morning, now everything is 403" is most often this: the sync fails, and so does
every link that was signed with them, whatever its own lifetime says.

Enter keys that last; better, leave the fields empty and give the machines of web server and worker a role, whose keys
renew themselves:

    serviceAccount:
      annotations:
        eks.amazonaws.com/role-arn: arn:aws:iam::ACCOUNT:role/label-studio-storage

Source: Amazon's documentation of temporary security credentials; `get_client_and_resource` of Label Studio's S3
storages, which fills each empty column from `AWS_*` of its environment.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.storages import Storage
from .. import Context, Finding, Severity, check
from ..sources import in_use
from ..sync_failures import classify

COLUMNS = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_session_token": "AWS_SESSION_TOKEN"}


@check(
    title="No storage depends on temporary credentials",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Within hours syncs fail and links to files answer 403",
    cause="The keys are those of a session and end with it. Use keys that last, or a role with the fields left empty.",
)
def sts_expired(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Row: the ends of its key id, whether it has a token, where they come from."""
    for item in in_use(ctx, prefixes=["s3", "s3-export"]):
        key_id, by_row = _value(ctx, item, "aws_access_key_id")
        token, token_by_row = _value(ctx, item, "aws_session_token")
        temporary = key_id.startswith("ASIA")
        if not temporary and not token:
            continue
        expired = item.get("status") == "failed" and classify(item.get("traceback")).name == "expired token"
        row = {
            "aws_access_key_id": key_id, "temporary_key": temporary, "has_session_token": bool(token),
            "key_from": _from(key_id, by_row), "token_from": _from(token, token_by_row), "expired": expired,
        }  # fmt: skip
        what = "a temporary key (ASIA…)" if temporary else "a session token beside a key that is no temporary one"
        if temporary:
            what += " with its session token" if token else " without its session token"
        yield Finding(
            subject=item.subject, name=item.title, severity=Severity.ERROR if expired else Severity.WARNING,
            summary=f"It has {what}" + (", and its last sync failed because the session has ended" if expired else ""),
            evidence=ctx.evidence(f"{item.kind.table_name}: aws_access_key_id, aws_session_token", [row]),
        )  # fmt: skip


def _value(ctx: Context, item: Storage, column: str) -> tuple[str, bool]:
    """What Label Studio uses, and whether the row holds it."""
    own = str(item.get(column) or "").strip()
    # The environment's token without its key is what storage.env_credentials_shadow tells.
    if not own and not str(item.get("aws_access_key_id") or "").strip():
        return ctx.settings.bucket_environment.get(COLUMNS[column], ""), False
    return own, True


def _from(value: str, by_row: bool) -> str | None:
    return None if not value else "storage" if by_row else "environment"
