"""Which network rules hold for a link, by the address of its storage."""

from __future__ import annotations

import pytest

from console.deployment.buckets import BucketProblem, Reach
from console.doctor.endpoints import Endpoint, endpoint_of
from console.egress import Blocked
from tests.doctor.conftest import storage_of

REACH = Reach(allowed=("minio:9000",))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://minio:9000/bucket/a.jpg", True), ("http://bucket.minio:9000/a.jpg", True),
        ("http://minio:6379/", False), ("http://minio/", False), ("http://minio:99999/", False),
        ("http://other:9000/", False), ("http://minio.example.com:9000/", False),
    ],
)  # fmt: skip
def test_what_the_operator_allows_is_one_server(url: str, allowed: bool):
    rules = Endpoint("http", "minio", 9000, by_row=True).rules_of(url, REACH)
    if allowed:
        rules.need("10.0.0.5")
        with pytest.raises(Blocked):
            rules.need("169.254.169.254")
        return
    with pytest.raises(Blocked):
        rules.need("10.0.0.5")


def test_what_the_environment_names_is_trusted_at_its_own_port():
    endpoint = Endpoint("http", "minio", 9000, by_row=False)
    endpoint.rules_of("http://minio:9000/bucket/a.jpg", Reach()).need("10.0.0.5")
    with pytest.raises(Blocked):
        endpoint.rules_of("http://minio:6379/", Reach()).need("10.0.0.5")


@pytest.mark.parametrize(
    "account", ["evil.example/", "evil.example#", "user@evil.example", "A", "a.b", "\n", "{account}"]
)
def test_an_account_of_azure_never_names_another_host(account: str):
    with pytest.raises(BucketProblem, match="no name of a storage account"):
        endpoint_of(storage_of("azure", {"account_name": account}), Reach())


def test_an_account_of_azure_may_stand_in_the_environment():
    by_environment = Reach(environment={"AZURE_BLOB_ACCOUNT_NAME": "photos"})
    assert endpoint_of(storage_of("azure", {"account_name": None}), by_environment) == Endpoint(
        "https", "photos.blob.core.windows.net", 443, by_row=False
    )
