"""Which addresses a storage row may name."""

from __future__ import annotations

import pytest

from console.config import Settings
from console.deployment.buckets import BucketBlocked, Reach


def reach(**settings: object) -> Reach:
    return Reach.of(Settings(**settings))  # type: ignore[arg-type]


def blocked(reach: Reach, host: str, address: str, port: int | None = 9000) -> BucketBlocked:
    with pytest.raises(BucketBlocked) as caught:
        Reach.need(reach.rules_for(host, port), host, address)
    return caught.value


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "::ffff:10.0.0.1", "fd00::1", "0.0.0.0"]
)
def test_private_networks_are_refused_and_the_way_out_is_told(address: str) -> None:
    error = blocked(reach(), "minio", address)
    assert "LSCONSOLE_BUCKET_ENDPOINTS" in str(error) and not error.metadata


def test_public_addresses_pass() -> None:
    Reach.need(reach().rules_for("s3.example.com", 443), "s3.example.com", "93.184.216.34")


@pytest.mark.parametrize("named", ["minio", "MINIO:9000"])
def test_the_operator_allows_a_host(named: str) -> None:
    Reach.need(reach(bucket_endpoints=(named,)).rules_for("Minio", 9000), "minio", "10.1.2.3")


def test_another_port_is_another_server() -> None:
    blocked(reach(bucket_endpoints=("minio:9000",)), "minio", "10.1.2.3", port=22)


def test_protection_off_lets_private_networks_be_reached() -> None:
    Reach.need(reach(ssrf_protection=False).rules_for("minio", 9000), "minio", "10.1.2.3")


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "100.100.100.200",
                "169.254.170.23", "192.0.0.192", "fd20:ce::254"],
)  # fmt: skip
@pytest.mark.parametrize("settings", [{}, {"ssrf_protection": False}, {"bucket_endpoints": ("evil",)}])
def test_metadata_services_never(address: str, settings: dict[str, object]) -> None:
    assert blocked(reach(**settings), "evil", address).metadata


@pytest.mark.parametrize("name", ["metadata.google.internal", "METADATA.google.internal.", "metadata"])
def test_metadata_services_by_name(name: str) -> None:
    with pytest.raises(BucketBlocked) as caught:
        reach(ssrf_protection=False).rules_for(name, 80)
    assert caught.value.metadata


def test_what_the_environment_names_is_the_operators_word() -> None:
    Reach.need(reach().rules_for("minio", 9000, trusted=True), "minio", "10.1.2.3")
