"""A storage account lives in another cloud of Azure than the one Label Studio goes to.

Label Studio builds the address of an account from its name and the suffix of the public cloud, and no setting changes
that. Accounts of the clouds for the US government and for China, and emulators, have another suffix: their name does not
resolve under the public one, and every sync, test and link of such a storage fails with an error about the network.

Names are looked up, nothing is connected to. Where nothing resolves, this machine may simply have no DNS.
Source: `EndpointSuffix` in Label Studio's io_storages/azure_blob/utils.py; Azure's lists of national clouds.
"""

import socket
from collections.abc import Iterator

from ...deployment.buckets import Bucket, Unsupported
from ...deployment.buckets.azure import AzureBucket
from ...deployment.storages import Storage
from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import address, in_use

PUBLIC = "blob.core.windows.net"
OTHERS = {
    "blob.core.usgovcloudapi.net": "Azure Government",
    "blob.core.chinacloudapi.cn": "Azure in China",
    "blob.core.cloudapi.de": "Azure Germany",
}


@check(
    title="Every Azure account is in the public cloud",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Every sync, connection test and link of this storage fails",
    cause="Label Studio knows the address of the public cloud alone.",
)
def endpoint_suffix(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage, targets included. Rows: each address and whether its name resolves."""
    if ctx.settings.azure_endpoint:
        raise NotApplicable("LSCONSOLE_AZURE_ENDPOINT names where the accounts are, so names are not looked up")
    items = in_use(ctx, prefixes=["azure", "azure-export"], targets=True)
    for item, answer in ctx.probes.answers([(item, "suffix", _clouds) for item in items]):
        if isinstance(answer, Unknown):
            yield answer
        elif answer[PUBLIC]:
            continue
        elif elsewhere := [suffix for suffix in OTHERS if answer.get(suffix)]:
            yield _finding(ctx, item, elsewhere[0], answer)
        else:
            told = "resolves under no suffix of Azure from here: it is misspelt, or this machine has no DNS"
            yield Unknown(f"{item.reference}: the name of its account {told}.")


def resolves(host: str) -> bool:
    """Whether a name has an address."""
    try:
        return bool(socket.getaddrinfo(host, 443, 0, socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False


def _clouds(bucket: Bucket) -> dict[str, bool]:
    if not isinstance(bucket, AzureBucket):
        raise Unsupported("Only Azure has accounts.")
    account = bucket.login.account
    found = {PUBLIC: resolves(f"{account}.{PUBLIC}")}
    return found if found[PUBLIC] else found | {suffix: resolves(f"{account}.{suffix}") for suffix in OTHERS}


def _finding(ctx: Context, item: Storage, suffix: str, answer: dict[str, bool]) -> Finding:
    rows = [{"suffix": name, "resolves": found} for name, found in answer.items()]
    return Finding(
        subject=item.subject, name=item.title,
        summary=f"The account is in {OTHERS[suffix]} ({suffix}), and Label Studio asks {PUBLIC}",
        cause="Label Studio's code holds the suffix. Keep the data in the public cloud, serve it as S3 or local files "
        f"instead, or run a build in which the suffix is {suffix.removeprefix('blob.')}.",
        evidence=ctx.evidence(f"Look-up of the account of {address(item)}", rows),
    )  # fmt: skip
