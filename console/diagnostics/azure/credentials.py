"""An Azure storage has no usable account name and key.

Label Studio signs in to Azure Blob with an account name and an account key and in no other way: no SAS, no managed
identity, no connection string. Both may stand in the storage or in AZURE_BLOB_ACCOUNT_NAME and AZURE_BLOB_ACCOUNT_KEY
of its environment. Keys are rotated, a policy may forbid them for the whole account, and a firewall may let nobody in;
each of these ends every sync with an error and leaves every file of the tasks blank.

The container's properties are asked for, as the connection test does; nothing is read or written for that.
Source: `get_client_and_container` and `validate_connection` in Label Studio's io_storages/azure_blob/models.py.
"""

from collections.abc import Iterator

from ...deployment.buckets import Bucket, BucketDenied, BucketError, BucketMissing, BucketProblem, Reach, open_bucket
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sources import address, in_use

#: What Label Studio leaves in `traceback` when one of the two is nowhere.
NOT_SET = "account name and key must be set"
#: provider codes that say something of the key; others are no matter of credentials
OF_THE_LOGIN = frozenset({"InvalidCredentials", "NoKey", "NoCredentials"})


@check(
    title="Every Azure storage can sign in",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Every sync fails, and no file of this storage is shown",
    cause="Label Studio signs in with an account name and an account key, and in no other way.",
)
def credentials(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage, targets included. Row: what is set, and Azure's answer."""
    reachable = []
    for item in in_use(ctx, prefixes=["azure", "azure-export"], targets=True):
        try:
            open_bucket("azure", item.row, Reach.of(ctx.settings)).close()
        except BucketError as error:
            yield from _not_opened(ctx, item, error)
        else:
            reachable.append(item)
    for item, answer in ctx.probes.answers([(item, "signs in", _signs_in) for item in reachable]):
        if isinstance(answer, Unknown):
            yield answer
        elif answer is not None:
            yield _finding(ctx, item, answer)


def _signs_in(bucket: Bucket) -> BucketError | None:
    try:
        bucket.validate(None, True)
    except BucketDenied as error:
        return error
    except BucketMissing:
        return None  # whoever is told so is let in
    except BucketProblem as error:
        if error.provider_code in OF_THE_LOGIN:
            return error
        raise
    return None


def _not_opened(ctx: Context, item: Storage, error: BucketError) -> Iterator[Finding | Unknown]:
    """What can be said without asking Azure. An environment that is not here may still hold what is missing."""
    if error.provider_code == "NoCredentials" and NOT_SET not in str(item.get("traceback") or ""):
        hint = "Label Studio's own environment may hold it: start the console with the same one"
        yield Unknown(f"{item.reference}: {error} {hint}.")
    elif error.provider_code in OF_THE_LOGIN:
        yield _finding(ctx, item, error)
    else:
        yield Unknown(f"{item.reference}: {error}")


def _finding(ctx: Context, item: Storage, error: BucketError) -> Finding:
    row = {
        "account": item.get("account_name") or "from the environment",
        "key": "in the storage" if item.get("account_key") else "from the environment",
        "container": item.get("container"), "answer": error.provider_code,
        "to_do": getattr(error, "statement", "") or "enter the account's key",
    }  # fmt: skip
    return Finding(
        subject=item.subject, name=item.title, summary=f"Nobody can sign in with this storage: {error}",
        cause=str(error), evidence=ctx.evidence(f"Properties of {address(item)}", [row]),
    )  # fmt: skip
