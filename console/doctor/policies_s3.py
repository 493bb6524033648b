"""IAM policy and CORS rules for one S3 storage.

Source: Label Studio's io_storages/s3/models.py: the connection test lists the prefix as typed (HEAD of the bucket
without one), the scan lists it with one slash, targets put one object per annotation and delete it again only when
the storage may.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..deployment.buckets import folder_of
from ..deployment.storages import Storage
from ..masking import mask_url
from .policies import EXPOSED, NO_ORIGIN, Snippet, Surroundings

READING = {"get", "head", "presign", "range"}
BROWSING = {"preflight", "simple"}


def snippets(storage: Storage, around: Surroundings) -> list[Snippet]:
    """The policy, and for a source with signed links the CORS rules."""
    policy = iam_policy(storage, around)
    found = [
        Snippet("iam", _policy_title(storage), pretty(policy), _policy_commands(storage, policy), _policy_note(storage))
    ]
    if not storage.kind.is_target:
        note = (
            "The command replaces all rules of the bucket: look first which there are, and keep those that others need."
        )
        if not storage.get("presign", True):
            note = "Not needed while pre-signed links are off: Label Studio hands the files on from its own address."
        if not around.known_origin:
            note = f"{note} {NO_ORIGIN}"
        found.append(
            Snippet("cors", "CORS rules of the bucket", pretty(cors(around)), _cors_commands(storage, around), note)
        )
    return found


def iam_policy(storage: Storage, around: Surroundings) -> dict[str, Any]:
    """The least that the storage's user or role needs."""
    wanted = ["list", "put", "delete"] if storage.kind.is_target else ["list", "get"]
    if storage.kind.is_target and not storage.get("can_delete_objects"):
        wanted.remove("delete")
    statements = [_statement(storage, operation, around) for operation in wanted]
    if storage.get("aws_sse_kms_key_id"):
        statements.append(_kms(storage, around))
    return {"Version": "2012-10-17", "Statement": statements}


def cors(around: Surroundings) -> dict[str, Any]:
    """What browsers need to read files from Label Studio's pages."""
    return {
        "CORSRules": [
            {
                "AllowedOrigins": [around.origin], "AllowedMethods": ["GET", "HEAD"], "AllowedHeaders": ["*"],
                "ExposeHeaders": list(EXPOSED), "MaxAgeSeconds": 3600,
            }
        ]
    }  # fmt: skip


def statement(storage: Storage, operation: str, around: Surroundings) -> str:
    """The statement or the CORS rules for one cell of the matrix."""
    if operation in BROWSING:
        return json.dumps(cors(around))
    known = "get" if operation in READING else operation
    return json.dumps(_statement(storage, known, around)) if known in {"list", "get", "put", "delete"} else ""


def pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _statement(storage: Storage, operation: str, around: Surroundings) -> dict[str, Any]:
    arn = _arn(storage, around)
    if operation == "list":
        found: dict[str, Any] = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn}
        prefix = str(storage.get("prefix") or "")
        if prefix:
            typed, folder = _literal(prefix), _literal(folder_of(prefix))
            below = [f"{folder}*"] if typed == folder else [typed, f"{folder}*"]
            found["Condition"] = {"StringLike": {"s3:prefix": below}}
        return found
    action = {"get": "s3:GetObject", "put": "s3:PutObject", "delete": "s3:DeleteObject"}[operation]
    objects = f"{arn}/object/" if arn.partition(":accesspoint/")[1] else f"{arn}/"
    return {"Effect": "Allow", "Action": action, "Resource": f"{objects}{_literal(folder_of(storage.get('prefix')))}*"}


def _kms(storage: Storage, around: Surroundings) -> dict[str, Any]:
    """A key may be named by its ARN, its id or an alias."""
    actions = ["kms:GenerateDataKey", "kms:Decrypt"] if storage.kind.is_target else "kms:Decrypt"
    key, region = str(storage.get("aws_sse_kms_key_id")), _region(storage, around)
    any_key = f"arn:{_partition(region)}:kms:{region}:*:key"
    if key.startswith("alias/") or ":alias/" in key:
        alias = key[key.index("alias/") :]
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
        return {"Effect": "Allow", "Action": actions, "Resource": f"{any_key}/*", "Condition": named}
    return {"Effect": "Allow", "Action": actions, "Resource": key if key.startswith("arn:") else f"{any_key}/{key}"}


def _arn(storage: Storage, around: Surroundings) -> str:
    bucket = str(storage.get("bucket") or "")
    return bucket if bucket.startswith("arn:") else f"arn:{_partition(_region(storage, around))}:s3:::{bucket}"


def _region(storage: Storage, around: Surroundings) -> str:
    return str(storage.get("region_name") or around.environment.get("S3_region") or "us-east-1")


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _literal(text: str) -> str:
    """A key as a policy takes it literally: its wildcards and variables have names of their own."""
    names = {"*": "${*}", "?": "${?}", "$": "${$}"}
    return "".join(names.get(character, character) for character in text)


def _policy_title(storage: Storage) -> str:
    if storage.kind.is_target:
        return "IAM policy of a target: annotations are written" + (
            ", and deleted" if storage.get("can_delete_objects") else ""
        )
    return f"IAM policy of a source: {'files are listed and shown' if storage.get('use_blob_urls') else 'JSON tasks are listed and read'}"


def _policy_note(storage: Storage) -> str:
    if storage.kind.is_target:
        return "Reading is not part of it: Label Studio only writes to a target."
    if storage.get("use_blob_urls"):
        return "A sync needs the first statement alone; the browser that opens a task needs the second."
    return "Without the second statement files are listed, and none of them can become a task."


def _policy_commands(storage: Storage, policy: dict[str, Any]) -> tuple[str, ...]:
    name = f"label-studio-{storage.reference.replace(':', '-')}"
    document = shlex.quote(json.dumps(policy, ensure_ascii=False))
    put = f"--policy-name={name} --policy-document={document}"
    return (
        f"aws iam put-user-policy --user-name=NAME_OF_THE_USER {put}",
        f"aws iam put-role-policy --role-name=NAME_OF_THE_ROLE {put}",
    )


def _cors_commands(storage: Storage, around: Surroundings) -> tuple[str, ...]:
    bucket = shlex.quote(f"--bucket={storage.get('bucket') or ''}")
    endpoint = mask_url(str(storage.get("s3_endpoint") or around.environment.get("S3_ENDPOINT") or ""))
    where = f" {shlex.quote(f'--endpoint-url={endpoint}')}" if endpoint else ""
    rules = shlex.quote(f"--cors-configuration={json.dumps(cors(around))}")
    return (f"aws s3api get-bucket-cors {bucket}{where}", f"aws s3api put-bucket-cors {bucket}{where} {rules}")
