"""What decides how a bucket is reached beside its row: Label Studio's environment, network rules, time.

A storage row is written by whoever may change a project, so an address in it is not trusted: private networks are
refused while SSRF_PROTECTION_ENABLED says so, unless the operator allows the host, and the metadata services of clouds
always are. What the environment names (`S3_ENDPOINT`) is the operator's own word.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...egress import Blocked, Rules
from .errors import BucketBlocked

if TYPE_CHECKING:
    from ...config import Settings

METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.169.254/32",  # almost every cloud
        "64:ff9b::a9fe:a9fe/128",  # the same, where IPv6 is translated
        "fe80::a9fe:a9fe/128",  # OpenStack
        "169.254.170.2/32",  # containers of Amazon
        "169.254.170.23/32",
        "fd00:ec2::23/128",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",  # Google
        "168.63.129.16/32",  # Azure
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
    )
)
METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata"})
HOW_TO_ALLOW = (
    "Label Studio refuses it too while SSRF_PROTECTION_ENABLED is on. If it is yours, name it in LSCONSOLE_BUCKET_ENDPOINTS "
    "(host or host:port), or set S3_ENDPOINT in the environment and leave the column empty."
)


@dataclass(frozen=True)
class Timeouts:
    """How long one request may take; there are no retries."""

    connect_seconds: float = 3
    read_seconds: float = 10


@dataclass(frozen=True)
class Reach:
    """`environment` fills empty columns, with Label Studio's own names; `rules` are those of SSRF_PROTECTION_ENABLED;
    `allowed` are hosts (`host` or `host:port`, lower case) that the operator lets storage rows name.

    `local_root` and `local_serving` are LOCAL_FILES_DOCUMENT_ROOT and LOCAL_FILES_SERVING_ENABLED. `azure_endpoint` is
    the address of a blob service with `{account}` in it, None for the public cloud. `own_dir` holds the console's own files.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    allowed: tuple[str, ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    local_root: str = "/"
    local_serving: bool = False
    azure_endpoint: str | None = None
    own_dir: str | None = None

    @classmethod
    def of(cls, settings: Settings, timeouts: Timeouts | None = None) -> Reach:
        """As the operator has set it."""
        return cls(
            environment=settings.bucket_environment, rules=Rules.of(settings),
            allowed=tuple(host.lower() for host in settings.bucket_endpoints), timeouts=timeouts or Timeouts(),
            local_root=str(settings.local_files_root), local_serving=settings.local_files_serving,
            azure_endpoint=settings.azure_endpoint, own_dir=str(settings.data_dir),
        )  # fmt: skip

    def rules_for(self, host: str, port: int | None, *, trusted: bool = False) -> Rules:
        """The rules for connections to a host that a row names; `trusted` is for one from the environment.

        What a row names never is a metadata service. Raises BucketBlocked for a name that is one; an address is judged
        by `Rules.need` when it is connected to, see `need`.
        """
        if trusted:
            return Rules(protected=False)
        bare = host.strip("[]").rstrip(".").lower()
        if bare in METADATA_NAMES:
            raise BucketBlocked(
                f"{bare} is the metadata service of a cloud; no storage may point at it.", metadata=True
            )
        named = {bare, f"{bare}:{port}"} & set(self.allowed)
        networks = METADATA if named or not self.rules.protected else (*METADATA, *self.rules.networks)
        return Rules(protected=True, networks=networks)

    @staticmethod
    def need(rules: Rules, host: str, address: str) -> None:
        """Raise BucketBlocked, in words for whoever set the storage up, when an address is refused."""
        try:
            rules.need(address)
        except Blocked as blocked:
            inside = ipaddress.ip_address(address.partition("%")[0])
            inside = getattr(inside, "ipv4_mapped", None) or inside
            if any(inside in network for network in METADATA):
                raise BucketBlocked(
                    f"{host} is the metadata service of a cloud ({address}); no storage may point at it.", metadata=True
                ) from None
            told = f"{host} resolves to {address}, in a private or reserved network. {HOW_TO_ALLOW}"
            raise BucketBlocked(told) from blocked
