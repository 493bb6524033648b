"""A storage has no credentials of its own, or half of them: the environment of the server decides whose account it uses.

Label Studio fills each empty field by itself: from `AWS_*` (or `AZURE_BLOB_*`, `GOOGLE_APPLICATION_CREDENTIALS`) of its
environment, then from the role of the machine. So a storage can use somebody else's account, and one half of a pair can
be the storage's and the other the environment's. Web server and worker are two processes, often with two environments:
links are signed by one, syncs run in the other.

Where a role is meant, give both the same one, and say so in the storage's description. For Kubernetes, web server and
worker use the same service account:

    app:
      serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::ACCOUNT:role/label-studio-storage"}}
    rqworker:
      serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::ACCOUNT:role/label-studio-storage"}}

Source: `get_client_and_resource` of Label Studio's S3 storages, and the clients of its Azure and Google storages.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.storages import Storage
from .. import Context, Finding, Severity, check
from ..sources import in_use

#: Column -> the variable that Label Studio reads when it is empty. The last of S3 is optional.
VARIABLES = {
    "s3": {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
           "aws_session_token": "AWS_SESSION_TOKEN"},
    "azure": {"account_name": "AZURE_BLOB_ACCOUNT_NAME", "account_key": "AZURE_BLOB_ACCOUNT_KEY"},
    "gcs": {"google_application_credentials": "GOOGLE_APPLICATION_CREDENTIALS"},
}  # fmt: skip
OPTIONAL = "aws_session_token"


@check(
    title="Every storage brings its own credentials",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Whose account is used depends on where the process runs, and web server and worker may differ",
    cause="Fields for credentials are empty, and Label Studio fills each of them from its environment.",
)
def env_credentials_shadow(ctx: Context) -> Iterator[Finding]:
    """One finding per storage. Rows: column, the variable that fills it, whether this environment has it."""
    kinds = [f"{provider}{direction}" for direction in ("", "-export") for provider in VARIABLES]
    for item in in_use(ctx, prefixes=kinds):
        found = _verdict(ctx, item)
        if found is None:
            continue
        severity, summary, impact = found
        rows = [
            {"column": column, "from": _origin(ctx, item, column, variable), "variable": variable}
            for column, variable in VARIABLES[item.kind.provider].items()
        ]
        yield Finding(
            subject=item.subject, name=item.title, severity=severity, summary=summary, impact=impact,
            evidence=ctx.evidence(f"{item.kind.table_name}: which credentials are empty", rows),
        )  # fmt: skip


def _verdict(ctx: Context, item: Storage) -> tuple[Severity, str, str] | None:
    """Severity, summary and impact (empty for the usual one); None when the row holds all it needs."""
    variables = VARIABLES[item.kind.provider]
    needed = [column for column in variables if column != OPTIONAL]
    empty = [column for column in needed if not _own(item, column)]
    told = [column for column in empty if ctx.settings.bucket_environment.get(variables[column])]
    mixed = "The provider refuses the pair: its halves belong to two accounts"
    if not empty:
        if (
            OPTIONAL in variables
            and not _own(item, OPTIONAL)
            and ctx.settings.bucket_environment.get(variables[OPTIONAL])
        ):
            return (
                Severity.ERROR,
                "Its keys are used together with the session token of the environment",
                ("The provider refuses keys with a session token that is not theirs"),
            )
        return None
    if len(empty) < len(needed):
        if not told:
            return None  # half a pair and no other half: storage.keys_mixed_up
        return (
            Severity.ERROR,
            f"{_list(empty)} is empty and comes from the environment, the other half from the storage",
            mixed,
        )
    if told:
        return (
            Severity.WARNING,
            f"It has no credentials of its own; {_list([variables[name] for name in told])} decide",
            "",
        )
    return (
        Severity.INFO,
        "It has no credentials of its own, and this environment has none: a role of the machine decides",
        "",
    )


def _origin(ctx: Context, item: Storage, column: str, variable: str) -> str:
    if _own(item, column):
        return "storage"
    if ctx.settings.bucket_environment.get(variable):
        return "environment"
    return "nothing" if column == OPTIONAL else "role of the machine, if it has one"


def _own(item: Storage, column: str) -> bool:
    return bool(str(item.get(column) or "").strip())


def _list(names: list[str]) -> str:
    return " and ".join(names)
