"""What is generated can be applied as it stands: it parses, it is narrow, and shells take it literally."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis
import yaml
from moto import mock_aws

from console.config import Settings
from console.doctor.origin import origin_of
from console.doctor.policies import Snippet, Surroundings, snippets, statement
from console.doctor.policies_s3 import iam_policy
from tests import servers
from tests.doctor.conftest import storage_of

KNOWN = Surroundings(origin="https://label.example.com", known_origin=True)
HOSTILE = 'it\'s/$(touch x)/`id`/"q"/* ?/${aws:username}/ä\n'


def of(kind: str, around: Surroundings = KNOWN, **row: Any) -> dict[str, Snippet]:
    return {item.slug: item for item in snippets(storage_of(kind, row), around)}


def words(command: str) -> list[str]:
    """The words a shell makes of a command, for every program that takes part."""
    seen = subprocess.run(
        ["sh", "-c", 'aws() { printf "%s\\0" "$@"; }; gcloud() { aws "$@"; }; az() { aws "$@"; }; ' + command],
        capture_output=True, check=True, cwd="/", timeout=5,
    )  # fmt: skip
    return seen.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://label.example.com", "https://label.example.com"),
        ("https://label.example.com:443/app/?x=1", "https://label.example.com"),
        ("http://label.example.com:80", "http://label.example.com"),
        ("http://user:secret@label:8080/", "http://label:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("LABEL", None), ("", None), (None, None), ("ftp://x", None), ("http://x:99999", None),
    ],
)  # fmt: skip
def test_an_origin_is_scheme_host_and_port(url: str | None, origin: str | None) -> None:
    assert origin_of(url) == origin


def test_a_source_lists_and_reads_below_its_prefix_alone() -> None:
    policy = json.loads(of("s3", bucket="frames", prefix="north/2026", region_name="eu-west-1")["iam"].text)
    listing, reading = policy["Statement"]
    assert listing == {
        "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::frames",
        "Condition": {"StringLike": {"s3:prefix": ["north/2026", "north/2026/*"]}},
    }  # fmt: skip
    assert reading == {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::frames/north/2026/*"}


def test_a_target_writes_and_removes_only_when_it_may() -> None:
    def actions(**row: Any) -> list[str]:
        return [item["Action"] for item in json.loads(of("s3-export", bucket="b", **row)["iam"].text)["Statement"]]

    assert actions() == ["s3:ListBucket", "s3:PutObject"]
    assert actions(can_delete_objects=True) == ["s3:ListBucket", "s3:PutObject", "s3:DeleteObject"]
    assert "cors" not in of("s3-export", bucket="b")


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        ("1234-abcd", "arn:aws:kms:eu-west-1:*:key/1234-abcd"),
        ("arn:aws:kms:eu-west-1:111122223333:key/1234", "arn:aws:kms:eu-west-1:111122223333:key/1234"),
        ("alias/labels", "arn:aws:kms:eu-west-1:*:key/*"),
    ],
)
def test_an_encrypted_bucket_needs_its_key(key: str, resource: str) -> None:
    row = {"bucket": "b", "region_name": "eu-west-1", "aws_sse_kms_key_id": key}
    [*_, last] = json.loads(of("s3", **row)["iam"].text)["Statement"]
    assert (last["Action"], last["Resource"]) == ("kms:Decrypt", resource)
    assert ("Condition" in last) == key.startswith("alias/")
    [*_, last] = json.loads(of("s3-export", **row)["iam"].text)["Statement"]
    assert last["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("", "aws")]
)
def test_the_partition_follows_the_region(region: str, partition: str) -> None:
    policy = iam_policy(storage_of("s3", {"bucket": "b", "region_name": region}), KNOWN)
    assert policy["Statement"][0]["Resource"] == f"arn:{partition}:s3:::b"


def test_the_region_of_the_environment_counts() -> None:
    around = Surroundings(environment={"S3_region": "cn-north-1"})
    assert "aws-cn" in of("s3", around, bucket="b")["iam"].text


def test_wildcards_of_a_prefix_are_taken_literally() -> None:
    policy = json.loads(of("s3", bucket="b", prefix="a*b?c$d/")["iam"].text)
    assert policy["Statement"][1]["Resource"] == "arn:aws:s3:::b/a${*}b${?}c${$}d/*"
    assert policy["Statement"][0]["Condition"] == {"StringLike": {"s3:prefix": ["a${*}b${?}c${$}d/*"]}}


def test_an_access_point_has_its_objects_below_a_word() -> None:
    arn = "arn:aws:s3:eu-west-1:111122223333:accesspoint/frames"
    policy = json.loads(of("s3", bucket=arn, prefix="p")["iam"].text)
    assert [item["Resource"] for item in policy["Statement"]] == [arn, f"{arn}/object/p/*"]


@pytest.mark.parametrize("kind", ["s3", "s3-export"])
@pytest.mark.parametrize("prefix", ["", "north/2026", HOSTILE])
def test_iam_takes_the_policy_and_the_shell_takes_the_command(kind: str, prefix: str) -> None:
    found = of(kind, bucket="frames", prefix=prefix, can_delete_objects=True, aws_sse_kms_key_id="alias/k")["iam"]
    told = words(found.commands[0])
    assert told[:3] == ["iam", "put-user-policy", "--user-name=NAME_OF_THE_USER"]
    document = next(word for word in told if word.startswith("--policy-document=")).partition("=")[2]
    assert json.loads(document) == json.loads(found.text)
    with mock_aws():
        iam = boto3.client("iam", region_name="us-east-1")
        iam.create_user(UserName="label-studio")
        iam.put_user_policy(UserName="label-studio", PolicyName="p", PolicyDocument=document)


def test_s3_takes_the_cors_rules() -> None:
    found = of("s3", bucket="frames", s3_endpoint="http://minio's:9000")["cors"]
    look, put = (words(command) for command in found.commands)
    assert look == ["s3api", "get-bucket-cors", "--bucket=frames", "--endpoint-url=http://minio's:9000"]
    rules = json.loads(put[-1].removeprefix("--cors-configuration="))
    assert rules == json.loads(found.text)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="frames")
        s3.put_bucket_cors(Bucket="frames", CORSConfiguration=rules)
        [rule] = s3.get_bucket_cors(Bucket="frames")["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://label.example.com"] and rule["AllowedMethods"] == ["GET", "HEAD"]
    assert "replaces all rules" in found.note


def test_an_unknown_origin_says_so() -> None:
    found = of("s3", Surroundings(), bucket="frames")["cors"]
    assert "label-studio.example.com" in found.text and "LSCONSOLE_LABEL_STUDIO_URL" in found.note


def test_without_signed_links_no_cors_rule_is_needed() -> None:
    for kind in ("s3", "gcs", "azure"):
        assert "Not needed" in of(kind, bucket="b", container="b", presign=False)["cors"].note


def test_the_surroundings_are_those_of_the_settings() -> None:
    around = Surroundings.of(Settings.load({"HOST": "https://l.example.com/x", "LOCAL_FILES_DOCUMENT_ROOT": "/data"}))
    assert (around.origin, around.known_origin, around.local_root) == ("https://l.example.com", True, "/data")
    assert not Surroundings.of(Settings.load({})).known_origin


@pytest.mark.parametrize("prefix", ["north", HOSTILE])
def test_google_roles_are_narrowed_by_a_condition(prefix: str, tmp_path: Path) -> None:
    account = json.dumps({"client_email": "ls@p.iam.gserviceaccount.com", "private_key": "not a key, a secret"})
    found = of("gcs", bucket="frames", prefix=prefix, google_application_credentials=account)
    whole, narrowed = found["roles"].commands
    assert words(whole)[-3:] == [
        "--member=serviceAccount:ls@p.iam.gserviceaccount.com", "--role=roles/storage.legacyBucketReader", "--condition=None",
    ]  # fmt: skip
    assert words(f"cd {shlex.quote(str(tmp_path))} && {narrowed}")[-2:] == [
        "--role=roles/storage.objectViewer", "--condition-from-file=condition.json",
    ]  # fmt: skip
    condition = json.loads((tmp_path / "condition.json").read_text())
    literal = re.fullmatch(r"resource\.name\.startsWith\((.*)\)", condition["expression"], re.DOTALL)
    assert literal and json.loads(literal[1]) == f"projects/_/buckets/frames/objects/{prefix.rstrip('/')}/"
    assert not any("secret" in f"{item.text}{item.commands}{item.note}" for item in found.values())


@pytest.mark.parametrize("broken", ["no JSON", "[" * 50_000, "[1]", '{"client_email": "$(reboot)@x"}'])
def test_a_key_that_cannot_be_read_leaves_a_name_to_fill_in(broken: str) -> None:
    found = of("gcs", bucket="frames", google_application_credentials=broken)
    assert "NAME@PROJECT.iam.gserviceaccount.com" in str(found["roles"].commands)


def test_a_google_target_may_write_over_what_is_there() -> None:
    found = of("gcs-export", bucket="frames")
    assert "roles/storage.objectUser" in found["roles"].commands[1] and "cors" not in found
    assert "NAME@PROJECT" in found["roles"].commands[0] and "serviceAccountTokenCreator" in found["roles"].note


def test_google_cors_rules_are_a_list(tmp_path: Path) -> None:
    found = of("gcs", bucket="frames")["cors"]
    assert json.loads(found.text)[0]["origin"] == ["https://label.example.com"]
    words(f"cd {shlex.quote(str(tmp_path))} && {found.commands[1]}")
    assert json.loads((tmp_path / "cors.json").read_text()) == json.loads(found.text)


@pytest.mark.parametrize(
    ("kind", "role"), [("azure", "Storage Blob Data Reader"), ("azure-export", "Storage Blob Data Contributor")]
)
def test_azure_roles_and_rules(kind: str, role: str) -> None:
    found = of(kind, container="fr'ames", account_name="acme")
    assigned = words(found["role"].commands[0])
    assert f"--role={role}" in assigned
    assert assigned[-1].endswith("/storageAccounts/acme/blobServices/default/containers/fr'ames")
    assert ("cors" in found) == (kind == "azure")
    signature = words(found["sas"].commands[0])
    assert f"--permissions={'rl' if kind == 'azure' else 'racwdl'}" in signature
    assert any(re.fullmatch(r"--expiry=\d{4}-\d\d-\d\dT\d\d:\d\dZ", word) for word in signature)
    if kind == "azure":
        add = words(found["cors"].commands[-1])
        assert add[:4] == ["storage", "cors", "add", "--account-name=acme"]
        assert "--origins=https://label.example.com" in add and "--allowed-headers=*" in add


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("/data/files/images", "/data/files", "/data/files"),
        ("/data/files", "/data/files", "/data"),
        ("/data/files", "/", "/data"),
        ("/other/place/", "/data", "/other"),
        ("/", "/", "/"),
        ("relative", "/data", "/"),
    ],
)
def test_local_files_get_a_root_above_them(path: str, root: str, expected: str) -> None:
    found = of("localfiles", Surroundings(local_root=root), path=path)
    told = dict(line.split("=", 1) for line in found["environment"].text.splitlines())
    assert told["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] == expected
    assert told["LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED"] == "true"
    again = Settings.load(told)
    assert again.local_files_serving and str(again.local_files_root) == expected


@pytest.mark.parametrize("path", ["/data/images", '/it\'s: "a"/$HOME/ä'])
def test_the_compose_file_parses(path: str) -> None:
    found = of("localfiles", path=path)["volume"]
    service = yaml.safe_load(found.text)["services"]["label-studio"]
    assert service["volumes"] == [
        {"type": "bind", "source": path.replace("$", "$$"), "target": path.replace("$", "$$"), "read_only": True}
    ]
    assert not yaml.safe_load(of("localfiles-export", path=path)["volume"].text)["services"]["label-studio"]["volumes"][
        0
    ]["read_only"]


def test_the_access_list_of_redis_allows_what_a_source_does_and_no_more() -> None:
    with servers.redis_server() as url:
        admin = redis.Redis.from_url(url, decode_responses=True)
        admin.execute_command("ACL", "SETUSER", "boss", "on", "nopass", "~*", "+@all")
        admin.mset({"im[1]/a": "{}", "other": "1"})
        command = of("redis", path="im[1]/", host="127.0.0.1", port="6379")["acl"].commands[0]
        assert shlex.split(command)[:3] == ["redis-cli", "-h127.0.0.1", "-p6379"]
        admin.execute_command(*shlex.split(command)[3:])
        narrowed = redis.Redis.from_url(url, decode_responses=True)
        assert narrowed.keys("im*") and narrowed.get("im[1]/a") == "{}" and narrowed.ping()
        for refused in (("GET", "other"), ("SET", "im[1]/b", "1"), ("FLUSHALL",), ("CONFIG", "GET", "*")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                narrowed.execute_command(*refused)


@pytest.mark.parametrize("kind", ["s3", "gcs", "azure", "redis", "localfiles"])
@pytest.mark.parametrize(
    "operation", ["resolve", "list", "get", "head", "presign", "range", "preflight", "simple", "put", "delete"]
)
def test_every_cell_has_words_for_what_is_missing_or_none(kind: str, operation: str) -> None:
    told = statement(
        storage_of(kind, {"bucket": "b", "container": "b", "path": "/x", "account_name": "a"}), operation, KNOWN
    )
    assert told or (kind, operation) == ("s3", "resolve")
