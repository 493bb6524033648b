"""Uploads are kept in Azure, and the account does not let pages of Label Studio read them.

With STORAGE_TYPE=azure Label Studio keeps uploaded files in a container of its own and leads browsers to links of that
account. These come from another origin than the page, so the account has to allow it by a CORS rule, whatever is set for
the containers of source storages: rules belong to the account. Plain images may show all the same; audio, video, time
series and everything that reads its file by script stays empty.

With USE_NGINX_FOR_UPLOADS=false Label Studio hands the files on by itself and no rule is needed.
Source: STORAGE_TYPE in Label Studio's core/settings/base.py, `DownloadStorageData` in data_import/api.py; issues 4860 and
9036 of its project.
"""

from collections.abc import Iterator

from ...deployment.buckets import BucketError, CorsRule, Reach, open_bucket
from ...doctor.origin import origin_of
from .. import Context, Finding, NotApplicable, Severity, Unknown, check

COLUMNS = {
    "account_name": "STORAGE_AZURE_ACCOUNT_NAME", "account_key": "STORAGE_AZURE_ACCOUNT_KEY",
    "container": "STORAGE_AZURE_CONTAINER_NAME",
}  # fmt: skip
OFF = frozenset({"0", "false", "no", "off"})


@check(
    title="Uploads kept in Azure may be read by the pages",
    severity=Severity.WARNING,
    impact="Uploaded audio, video and documents stay empty, with a CORS error in the browser's console",
    cause="CORS rules belong to the storage account, and none of this one allows Label Studio's pages.",
)
def persistent_cors(ctx: Context) -> Iterator[Finding]:
    """At most one finding. Rows: the rules of the account."""
    environment = ctx.settings.bucket_environment
    if environment.get("STORAGE_TYPE") != "azure":
        raise NotApplicable("STORAGE_TYPE of the environment is not azure: uploads are kept elsewhere")
    if environment.get("USE_NGINX_FOR_UPLOADS", "").lower() in OFF:
        raise NotApplicable("USE_NGINX_FOR_UPLOADS is off: Label Studio hands uploads on by itself")
    origin = origin_of(ctx.settings.label_studio_url)
    if origin is None:
        raise Unknown("Where people open Label Studio is not known: set LSCONSOLE_LABEL_STUDIO_URL")
    values = {column: environment.get(name) for column, name in COLUMNS.items()}
    if missing := [COLUMNS[column] for column, value in values.items() if not value]:
        raise Unknown(f"Uploads are kept in Azure, and the environment lacks {', '.join(missing)}")
    rules = _rules(ctx, values)
    if not any(_allows(rule, origin) for rule in rules):
        yield _finding(ctx, values["account_name"] or "", origin, rules)


def _rules(ctx: Context, values: dict[str, str | None]) -> tuple[CorsRule, ...]:
    try:
        bucket = open_bucket("azure", values, Reach.of(ctx.settings))
        try:
            return bucket.cors()
        finally:
            bucket.close()
    except BucketError as error:
        raise Unknown(f"The CORS rules of the account for uploads cannot be read: {error}") from None


def _allows(rule: CorsRule, origin: str) -> bool:
    """Whether a page of this origin may GET, with the Range header that players send."""
    headers = {header.lower() for header in rule.headers}
    return bool({"*", origin} & set(rule.origins)) and "GET" in rule.methods and bool({"*", "range"} & headers)


def _finding(ctx: Context, account: str, origin: str, rules: tuple[CorsRule, ...]) -> Finding:
    rows = [
        {"origins": ", ".join(rule.origins), "methods": ", ".join(rule.methods), "headers": ", ".join(rule.headers)}
        for rule in rules
    ]
    command = (
        f"az storage cors add --services b --account-name {account} --origins {origin} --methods GET HEAD OPTIONS "
        "--allowed-headers '*' --exposed-headers '*' --max-age 3600"
    )
    number = f"{len(rules)} {'rule' if len(rules) == 1 else 'rules'}" if rules else "no rule"
    return Finding(
        subject="deployment:uploads", name="Uploads",
        summary=f"The account {account} has {number}, and none lets {origin} read parts of a file",
        cause=f"Allow it: {command}; or set USE_NGINX_FOR_UPLOADS=false for Label Studio",
        evidence=ctx.evidence(f"CORS rules of the account {account}", rows),
    )  # fmt: skip
