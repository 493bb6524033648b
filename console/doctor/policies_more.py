"""Roles, CORS rules and settings for storages on Google Cloud, Azure, Redis and local files.

Source: Label Studio's io_storages models. Google: the connection test reads the bucket itself, annotations overwrite
what is there. Azure: everything is asked with the account key. Redis: no user name, `KEYS path*` and `GET`, `SET` for
targets. Local files: the directory has to lie below the document root, and serving has to be switched on.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable

from ..deployment.buckets import folder_of
from ..deployment.storages import Storage
from .policies import EXPOSED, NO_ORIGIN, Snippet, Surroundings
from .policies_s3 import BROWSING, pretty


def snippets(storage: Storage, around: Surroundings) -> list[Snippet]:
    """Everything to set up for one storage, by its provider."""
    return _MAKERS[storage.kind.provider](storage, around)


def statement(storage: Storage, operation: str, around: Surroundings) -> str:
    """What to add when one operation is refused: a role, a command, a setting."""
    if storage.kind.provider == "redis":
        return acl(storage)
    if storage.kind.provider == "localfiles":
        return _files_statement(storage, operation, around)
    by_slug = {item.slug: item for item in snippets(storage, around)}
    if operation in BROWSING:
        return by_slug["cors"].commands[-1] if "cors" in by_slug else ""
    if storage.kind.provider == "gcs":
        bucket_role = by_slug["roles"].commands[0]
        return bucket_role if operation in {"resolve", "list"} else by_slug["roles"].commands[1]
    return by_slug["role"].commands[0]


# --- Google Cloud Storage


def _gcs(storage: Storage, around: Surroundings) -> list[Snippet]:
    bucket = shlex.quote(f"gs://{storage.get('bucket') or ''}")
    member = shlex.quote(f"--member=serviceAccount:{_service_account(storage)}")
    role = "roles/storage.objectUser" if storage.kind.is_target else "roles/storage.objectViewer"
    condition = _below(storage)
    add = f"gcloud storage buckets add-iam-policy-binding {bucket} {member}"
    narrowed = f"{add} --role={role} --condition=None"
    if condition:
        write = f"printf '%s' {shlex.quote(json.dumps(condition, ensure_ascii=False))} > condition.json"
        narrowed = f"{write} && {add} --role={role} --condition-from-file=condition.json"
    what = "annotations are written over and over" if storage.kind.is_target else "objects are read"
    note = (
        "The first role lets Label Studio test the connection and list, in the whole bucket; with the second one "
        f"{what}{', below the prefix alone; such a condition needs uniform bucket-level access' if condition else ''}."
    )
    if not storage.get("google_application_credentials"):
        note += (
            " Without a key file in the storage the application default credentials are used: signed links then need "
            "roles/iam.serviceAccountTokenCreator on the service account itself."
        )
    found = [
        Snippet(
            "roles", f"Roles of a {'target' if storage.kind.is_target else 'source'}",
            commands=(f"{add} --role=roles/storage.legacyBucketReader --condition=None", narrowed), note=note,
        )
    ]  # fmt: skip
    if not storage.kind.is_target:
        rules = [
            {
                "origin": [around.origin],
                "method": ["GET", "HEAD"],
                "responseHeader": list(EXPOSED),
                "maxAgeSeconds": 3600,
            }
        ]
        write = f"printf '%s' {shlex.quote(json.dumps(rules))} > cors.json"
        commands = (
            f"gcloud storage buckets describe {bucket} --format='default(cors_config)'",
            f"{write} && gcloud storage buckets update {bucket} --cors-file=cors.json",
        )
        found.append(Snippet("cors", "CORS rules of the bucket", pretty(rules), commands, _cors_note(storage, around)))
    return found


def _service_account(storage: Storage) -> str:
    """The address in the key file, which is no secret; a name to fill in without one."""
    try:
        told = json.loads(storage.get("google_application_credentials") or "{}")
        address = str(told.get("client_email") or "")
    except (ValueError, AttributeError, RecursionError):
        address = ""
    return address if re.fullmatch(r"[\w.@-]{3,200}", address) else "NAME@PROJECT.iam.gserviceaccount.com"


def _below(storage: Storage) -> dict[str, str] | None:
    """A condition in Google's expression language; None for the whole bucket."""
    folder = folder_of(storage.get("prefix"))
    if not folder:
        return None
    resource = f"projects/_/buckets/{storage.get('bucket') or ''}/objects/{folder}"
    expression = f"resource.name.startsWith({json.dumps(resource, ensure_ascii=False)})"
    return {"title": f"label-studio-{storage.reference.replace(':', '-')}", "expression": expression}


# --- Azure Blob


def _azure(storage: Storage, around: Surroundings) -> list[Snippet]:
    account = str(
        storage.get("account_name") or around.environment.get("AZURE_BLOB_ACCOUNT_NAME") or "NAME_OF_THE_ACCOUNT"
    )
    container = str(storage.get("container") or "")
    named = shlex.quote(f"--account-name={account}")
    scope = (
        "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/"
        f"{account}/blobServices/default/containers/{container}"
    )
    role = "Storage Blob Data Contributor" if storage.kind.is_target else "Storage Blob Data Reader"
    rights = "racwdl" if storage.kind.is_target else "rl"
    found = [
        Snippet(
            "role", f"Role of a {'target' if storage.kind.is_target else 'source'}",
            commands=(
                f"az role assignment create --assignee=PRINCIPAL {shlex.quote(f'--role={role}')} {shlex.quote(f'--scope={scope}')}",
            ),
            note="For people, tools and service principals. The storage row itself holds the account key, which may do "
            "everything in the account: an account of its own is the way to narrow it.",
        ),
        Snippet(
            "sas", "A signature to try the container with",
            commands=(
                f"az storage container generate-sas {named} {shlex.quote(f'--name={container}')} --permissions={rights} --https-only "
                '--expiry="$(date -u -d \'1 hour\' +%Y-%m-%dT%H:%MZ)" --output=tsv',
            ),
            note="It lasts an hour. Label Studio makes its own with the account key, for reading one blob each.",
        ),
    ]  # fmt: skip
    if not storage.kind.is_target:
        exposed = shlex.quote(f"--exposed-headers={','.join(EXPOSED)}")
        add = (
            f"az storage cors add {named} --services=b --methods GET HEAD OPTIONS {shlex.quote(f'--origins={around.origin}')} "
            f"'--allowed-headers=*' {exposed} --max-age=3600"
        )
        commands = (f"az storage cors list {named} --services=b", add)
        note = f"The rules hold for every container of the account; five are the most it keeps. {_cors_note(storage, around)}"
        found.insert(0, Snippet("cors", "CORS rules of the account", commands=commands, note=note.strip()))
    return found


def _cors_note(storage: Storage, around: Surroundings) -> str:
    replaced = (
        ""
        if storage.kind.provider == "azure"
        else "The command replaces all rules of the bucket: look first which there are."
    )
    if not storage.get("presign", True):
        replaced = "Not needed while pre-signed links are off: Label Studio hands the files on from its own address."
    return f"{replaced} {'' if around.known_origin else NO_ORIGIN}".strip()


# --- Redis


def _redis(storage: Storage, around: Surroundings) -> list[Snippet]:
    note = (
        "Label Studio signs in without a user name, so this narrows the user `default` for everybody: better give the "
        "storage a Redis of its own. The password stays as it is."
    )
    host, port = storage.get("host") or "localhost", storage.get("port") or 6379
    server = f"redis-cli {shlex.quote(f'-h{host}')} {shlex.quote(f'-p{port}')}"
    words = f"ACL SETUSER default on resetkeys {shlex.quote(_keys(storage))} -@all {_commands(storage)}"
    return [Snippet("acl", "Access list of the Redis", acl(storage), (f"{server} {words}", f"{server} ACL SAVE"), note)]


def acl(storage: Storage) -> str:
    """One line for an ACL file or a session of `redis-cli`, narrowed to the storage's keys and commands."""
    return f"ACL SETUSER default on resetkeys {_keys(storage)} -@all {_commands(storage)}"


def _keys(storage: Storage) -> str:
    if storage.kind.is_target:
        return "~*"  # annotations are written under their bare numbers
    literal = re.sub(r"([][*?^\\])", r"\\\1", str(storage.get("path") or ""))
    return f"~{literal}*"


def _commands(storage: Storage) -> str:
    reading = "+ping +select +keys +scan +get +getrange +strlen +exists +type +multi +discard"
    return f"{reading} +set +del" if storage.kind.is_target else reading


# --- local files


def document_root(storage: Storage, around: Surroundings) -> str:
    """The root in use when the storage lies below it, else the directory above the storage's."""
    path, root = posixpath.normpath(str(storage.get("path") or "/")), posixpath.normpath(around.local_root)
    below = path != root and posixpath.commonpath([path, root]) == root if path.startswith("/") else False
    return root if below and root != "/" else posixpath.dirname(path) or "/"


def _files(storage: Storage, around: Surroundings) -> list[Snippet]:
    root, path = document_root(storage, around), posixpath.normpath(str(storage.get("path") or "/"))
    variables = {
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": root,
    }
    lines = "\n".join(f"{name}={value}" for name, value in variables.items())
    access = "rw" if storage.kind.is_target else "ro"
    compose = _compose(variables, path, read_only=access == "ro")
    rights = f"chmod -R {'u+rwX' if storage.kind.is_target else 'a+rX'} {shlex.quote(path)}"
    owner = f"chown -R 1001 {shlex.quote(path)} && {rights}" if storage.kind.is_target else rights
    return [
        Snippet(
            "environment", "Environment of Label Studio", lines,
            note=f"Every process needs it, workers too. The storage's directory has to lie below {root}, not be it.",
        ),
        Snippet(
            "volume", "Volume and environment for compose", compose, (f"docker compose exec label-studio ls {shlex.quote(path)}",),
            note="`source` is the directory on the host, `target` the one the storage names.",
        ),
        Snippet("rights", "Rights on the directory", commands=(owner,), note="Label Studio's containers run as user 1001."),
    ]  # fmt: skip


def _compose(variables: dict[str, str], path: str, *, read_only: bool) -> str:
    """A service of a compose file. Strings are quoted as in JSON, which YAML reads; compose takes `$$` for a dollar."""

    def quoted(text: str) -> str:
        return json.dumps(text.replace("$", "$$"), ensure_ascii=False)

    lines = ["services:", "  label-studio:", "    environment:"]
    lines += [f"      {name}: {quoted(value)}" for name, value in variables.items()]
    lines += [
        "    volumes:",
        "      - type: bind",
        f"        source: {quoted(path)}",
        f"        target: {quoted(path)}",
    ]
    return "\n".join([*lines, f"        read_only: {str(read_only).lower()}"])


def _files_statement(storage: Storage, operation: str, around: Surroundings) -> str:
    by_slug = {item.slug: item for item in _files(storage, around)}
    return by_slug["environment"].text if operation == "resolve" else by_slug["rights"].commands[0]


_MAKERS: dict[str, Callable[[Storage, Surroundings], list[Snippet]]] = {
    "gcs": _gcs, "azure": _azure, "redis": _redis, "localfiles": _files,
}  # fmt: skip
