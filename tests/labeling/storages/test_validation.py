"""What is asked before a storage is stored: its fields, its address, its bucket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.config import Settings
from console.deployment.buckets import BucketDenied, BucketMissing, BucketProblem, ObjectMissing, Reach
from console.deployment.storages import KINDS
from console.egress import Rules
from console.errors import Forbidden, Invalid
from console.labeling.storages import validation

S3, GCS, AZURE, REDIS, LOCAL = (KINDS[name] for name in ("s3", "gcs", "azure", "redis", "localfiles"))
OPEN = Reach(rules=Rules(protected=False))


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """Settings without any environment; local files below `tmp_path`."""
    return Settings(local_files_root=tmp_path, local_files_serving=True)


def refused(kind: Any, row: dict[str, Any], settings: Settings) -> str:
    with pytest.raises(Invalid) as error:
        validation.check_connection(kind, row, settings, None if kind is LOCAL else OPEN)
    [message] = error.value.fields["non_field_errors"]
    return str(message)


def test_when_the_bucket_is_asked() -> None:
    asks = validation.needs_connection
    assert asks(S3, {"bucket": "b"}, new=False)
    assert not asks(S3, {"title": "x"}, new=False)
    assert not asks(S3, {"bucket": ""}, new=True)
    assert asks(KINDS["s3-export"], {}, new=True)
    assert asks(GCS, {"title": "x"}, new=False)
    assert not asks(KINDS["gcs-export"], {"bucket": "b"}, new=False)
    assert asks(KINDS["localfiles-export"], {"title": "x"}, new=False)


def test_what_is_told_of_patterns_and_names() -> None:
    assert validation.pattern_problem(r".*\.json$") is None
    assert validation.pattern_problem("") is None
    assert (validation.pattern_problem("*.json") or "").endswith(r"For this wildcard write .*\.json$")
    assert "Write .* for every object" in (validation.pattern_problem("(") or "")
    assert validation.bucket_problem("pictures") is None
    assert (validation.bucket_problem("no bucket!") or "").startswith('Invalid bucket name "no bucket!"')


def test_local_paths(bare: Settings, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    validation.check_connection(LOCAL, {"path": f"{tmp_path}//in/."}, bare)
    assert refused(LOCAL, {}, bare) == "Path must be set for Local Files storage"
    assert refused(LOCAL, {"path": "  "}, bare) == "Path must be set for Local Files storage"
    assert (
        refused(LOCAL, {"path": str(tmp_path / "none")}, bare)
        == f'Absolute local path "{tmp_path}/none" does not exist'
    )
    assert "cannot be the same as LOCAL_FILES_DOCUMENT_ROOT" in refused(LOCAL, {"path": str(tmp_path)}, bare)
    assert "must be a subdirectory" in refused(LOCAL, {"path": f"{tmp_path}/in/../.."}, bare)


def test_local_files_have_to_be_served(bare: Settings, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(Invalid) as error:
        validation.check_connection(LOCAL, {"path": str(tmp_path / "in")}, replace(bare, local_files_serving=False))
    assert "LOCAL_FILES_SERVING_ENABLED" in str(error.value.fields)


def test_credentials_that_are_none(bare: Settings) -> None:
    assert refused(AZURE, {"container": "c"}, bare) == validation.NO_AZURE_KEY
    assert refused(AZURE, {"container": "c", "account_name": "a"}, bare) == validation.NO_AZURE_KEY
    broken = refused(GCS, {"bucket": "b", "google_application_credentials": '{"private_key": "secret"'}, bare)
    assert broken.startswith("Google Application Credentials must be valid JSON string. ")
    assert "secret" not in broken
    assert refused(REDIS, {"host": "127.0.0.1", "db": 0}, bare) == "Can't connect to Redis server."
    assert refused(REDIS, {"host": "127.0.0.1", "port": "9", "db": 1}, bare) == "Can't connect to Redis server."


def test_the_network_rules() -> None:
    protected, metadata = Reach(), {"s3_endpoint": "http://169.254.169.254/latest"}
    validation.check_address(S3, {"s3_endpoint": "http://10.0.0.1:9000"}, OPEN)
    validation.check_address(S3, {"s3_endpoint": "http://10.0.0.1:9000"}, Reach(allowed=("10.0.0.1:9000",)))
    validation.check_address(S3, {}, protected)
    validation.check_address(GCS, metadata, protected)
    for endpoint in (
        "http://10.0.0.1:9000",
        "http://127.0.0.1",
        "http://[::ffff:127.0.0.1]",
        "ftp://8.8.8.8",
        "8.8.8.8",
    ):
        with pytest.raises(Forbidden, match="not allowed"):
            validation.check_address(S3, {"s3_endpoint": endpoint}, protected)
    for reach in (protected, Reach(allowed=("169.254.169.254",)), OPEN):
        with pytest.raises(Forbidden, match="metadata"):
            validation.check_address(S3, metadata, reach)


def test_the_words_of_label_studio() -> None:
    row = {"bucket": "b", "container": "c", "prefix": "p"}
    denied = BucketDenied("no", "validate", "403", "")
    assert validation.told(S3, row, denied) == "Cannot connect to S3 b with specified AWS credentials"
    assert validation.told(S3, row, BucketMissing("no")) == "Cannot find bucket b in S3"
    assert validation.told(S3, row, ObjectMissing("no")) == "s3://b/p not found."
    assert validation.told(S3, row, BucketProblem("elsewhere")) == "elsewhere"
    assert validation.told(AZURE, {"container": "c"}, BucketMissing("no")) == "Container not found: c"
    assert validation.told(REDIS, row, BucketProblem("anything")) == "Can't connect to Redis server."
    assert validation.told(GCS, row, denied) == "no"


def test_older_names() -> None:
    for kind, body, new in (
        (S3, {"path": 1}, "bucket"),
        (AZURE, {"path": 1}, "container"),
        (LOCAL, {"regex": 1}, "regex_filter"),
    ):
        with pytest.raises(Invalid) as error:
            validation.check_names(kind, body)
        assert new in str(error.value.fields)
    validation.check_names(LOCAL, {"path": "/x"})
    validation.check_names(REDIS, {"path": "calls:"})
