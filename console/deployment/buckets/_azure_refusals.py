"""Azure's error codes in words, each with what to give or to change."""

from __future__ import annotations

from datetime import UTC, datetime

from ...masking import mask_text
from . import BucketDenied, BucketError, BucketProblem
from ._azure_login import Login, sas_fields

READER, WRITER = "Storage Blob Data Reader", "Storage Blob Data Contributor"
#: operation -> (role that holds it, letter of a SAS)
GRANTS = {
    "list": (READER, "l"), "validate": (READER, "r"), "head": (READER, "r"), "get": (READER, "r"),
    "put": (WRITER, "w"), "delete": (WRITER, "d"), "cors": ("Storage Account Contributor", ""),
}  # fmt: skip
#: what no grant of ours mends
CREDENTIALS = {
    "AuthenticationFailed": "the account key is not one of the account's two keys, or was rotated",
    "InvalidAuthenticationInfo": "the account key or the SAS is not what Azure expects",
    "AccountIsDisabled": "the storage account is disabled",
    "AuthorizationSourceIPMismatch": "the SAS is for other addresses than that of this machine",
    "AuthorizationProtocolMismatch": "the SAS is for another protocol (http or https)",
    "NoAuthenticationInformation": "the request has no login",
}
ARCHIVED = frozenset({"BlobArchived", "BlobBeingRehydrated"})


def refusal(
    login: Login, where: str, container: str, subject: str, operation: str, status: int, code: str, said: str
) -> BucketError:
    """The error for an answer that is neither a success nor "not there"."""
    if code in CREDENTIALS or (code == "AuthorizationFailure" and _is_over(login)):
        why = _more(login, code, said) or CREDENTIALS[code]
        return BucketDenied(f"{where} refuses the credentials, as {why}.", operation, code)
    if code == "KeyBasedAuthenticationNotPermitted":
        statement = f"az storage account update --name {login.account} --allow-shared-key-access true"
        message = (
            f"The account {login.account} does not let anybody in with its keys, and Label Studio has no other way in"
        )
        return BucketDenied(f"{message}; allow it: {statement}", operation, code, statement)
    if code == "AuthorizationFailure":
        statement = f"az storage account network-rule add --account-name {login.account} --ip-address ADDRESS"
        message = f"{where} refuses this machine: the account's firewall does not let it in (emulators say so for a wrong key)"
        return BucketDenied(f"{message}; allow its address: {statement}", operation, code, statement)
    if code in ARCHIVED:
        message = f"{subject} lies in the archive tier; it has to be rehydrated before it can be read."
        return BucketDenied(message, operation, code)
    if status in (401, 403):
        statement = _statement(login, container, operation)
        return BucketDenied(
            f"{where} denies to {operation} {subject}; allow it: {statement}", operation, code, statement
        )
    return BucketProblem(f"{where} answers {status} {code} for {subject}: {_short(said)}", code)


def _more(login: Login, code: str, said: str) -> str:
    """What Azure's details say beyond the code; their text itself quotes what was signed."""
    if _is_over(login):
        return f"the SAS has ended on {sas_fields(login.sas)['se'][:40]}"
    if code != "AuthenticationFailed":
        return ""
    if "Request date header" in said or "x-ms-date" in said.lower():
        return "the clocks here and there differ by more than 15 minutes"
    return "the SAS is not valid: it was cut, made with a key that was rotated, or has not begun" if login.sas else ""


def _is_over(login: Login) -> bool:
    """Whether the SAS tells by itself that its time has passed."""
    try:
        end = datetime.fromisoformat(sas_fields(login.sas).get("se", ""))
    except ValueError:
        return False
    return (end if end.tzinfo else end.replace(tzinfo=UTC)) < datetime.now(UTC)


def _statement(login: Login, container: str, operation: str) -> str:
    role, letter = GRANTS.get(operation, (READER, "r"))
    if login.sas and operation == "cors":
        return "an account SAS with srt=s and sp=r"
    if login.sas:
        given = sas_fields(login.sas).get("sp", "")
        return f"permission {letter} of the SAS, which has sp={mask_text(given[:20])}"
    place = f"the account {login.account}" if operation == "cors" else f"the container {container}"
    return f"role {role} on {place}"


def _short(said: str) -> str:
    return mask_text(" ".join(said.split()))[:300]
