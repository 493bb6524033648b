"""The demo's buckets: which folders there are, what lies in them, and which key may do what.

Every folder has an access key of its own, as a careful operator would hand them out: it lists its folder's bucket and,
unless the folder is planted as unreadable, reads the folder's objects. The server enforces both, and signatures. Browsers
may read what lies in a bucket by its CORS rules, which one bucket lacks.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from console.demo.processes import HOST, Child, free_port, python_module

REGION = "us-east-1"


@dataclass(frozen=True)
class Folder:
    """Objects under one prefix of a bucket, and what its access key may do.

    `temporary`: the key is one of a session. `for_browsers`: the bucket, when this folder is its first, has CORS rules.
    """

    bucket: str
    prefix: str
    names: tuple[str, ...]
    may_read: bool = True
    may_write: bool = False
    temporary: bool = False
    for_browsers: bool = True

    @property
    def keys(self) -> list[str]:
        """Full object keys, from the root of the bucket."""
        return [self.prefix + name for name in self.names]


@dataclass(frozen=True)
class AccessKey:
    """One key pair of the S3 server; a temporary one works with its session token alone."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


@dataclass
class ObjectStore:
    """A running S3 server and the keys it knows."""

    child: Child
    endpoint: str
    salt: str

    def key_of(self, folder: Folder) -> AccessKey:
        """The key pair made for this folder."""
        return access_key(folder, self.salt)


def access_key(folder: Folder, salt: str) -> AccessKey:
    """The same folder of the same demo directory keeps its key, so a kept deployment works after a restart."""
    name = f"{folder.bucket}/{folder.prefix}"
    digest = hmac.new(salt.encode(), name.encode(), hashlib.sha256).hexdigest()
    if folder.temporary:
        return AccessKey("ASIADEMO" + digest[:12].upper(), digest[12:52], hashlib.sha256(digest.encode()).hexdigest())
    return AccessKey("AKIADEMO" + digest[:12].upper(), digest[12:52])


def policy(folder: Folder) -> str:
    """The IAM policy of a folder's key, least privilege."""
    objects = f"arn:aws:s3:::{folder.bucket}/{folder.prefix}*"
    actions = ["s3:GetObject"] * folder.may_read + ["s3:PutObject", "s3:DeleteObject"] * folder.may_write
    # AWS grants HeadBucket with s3:ListBucket; moto knows it under its own name
    listing = ["s3:ListBucket", "s3:HeadBucket"]
    statements: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": listing, "Resource": f"arn:aws:s3:::{folder.bucket}"}
    ]
    if actions:
        statements.append({"Effect": "Allow", "Action": actions, "Resource": objects})
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def start(directory: Path, folders: list[Folder], salt: str) -> ObjectStore:
    """Start the S3 server with these folders filled. The objects live in its memory alone."""
    port = free_port()
    content = [
        {**asdict(folder), **asdict(access_key(folder, salt)), "policy": policy(folder), "keys": folder.keys}
        for folder in folders
    ]
    plan = directory / "s3.json"
    plan.touch(mode=0o600)
    plan.write_text(json.dumps({"region": REGION, "folders": content}))
    command = python_module("console.demo.s3_process", str(plan), str(port))
    without_its_own = {"MOTO_DISABLE_GLOBAL_CORS": "true"}  # it would let every origin read everything
    child = Child("S3 server", command, directory / "s3.log", environment=without_its_own)
    return ObjectStore(child, f"http://{HOST}:{port}", salt)
