"""What the text that a failed sync left behind says: which known failure it is, and what to do.

Texts come from libraries of five providers and from Label Studio, and may hold whole requests: nothing of them is shown
unmasked. The last lines decide first, because a traceback quotes earlier failures above the one that ended the sync.

Source: `info_set_failed` and `health_check` of Label Studio's storages, which keep the traceback or a text of their
own; the errors of boto3, google-cloud-storage, azure-storage-blob and redis-py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..masking import mask_text

#: Characters of a traceback that are looked at, from its end; and those shown.
MOST_CHARACTERS, SHOWN_CHARACTERS = 50_000, 300


@dataclass(frozen=True)
class Failure:
    """A known failure: `what` happened, the `check` that looks closer (empty for none), and what to do."""

    name: str
    pattern: str
    what: str
    check: str
    advice: str


_AGAIN = "Then sync again; what is linked already is passed over."

#: In order: a more telling text comes before one that accompanies many failures.
FAILURES = (
    Failure("ping", r"last ping time is too old",
            "the sync said nothing for too long, and Label Studio gave it up", "storage.stale_ping",
            "If it happens on large buckets, raise STORAGE_IN_PROGRESS_TIMER. " + _AGAIN),
    Failure("memory", r"out[- ]of[- ]memory|terminated unexpectedly|\bMemoryError\b|\bOOM(?:Killed)?\b|"
            r"work-?horse.{0,80}signal 9|\bSIGKILL\b",
            "the process that ran it was killed, most often for memory", "storage.worker_oom",
            "Split the largest file, or give the worker more memory. " + _AGAIN),
    Failure("lost job", r"job was not found in redis|LS Console marked this sync failed",
            "its job was lost: the worker restarted, or Redis was emptied", "storage.queued_forever", "Sync again."),
    Failure("job timeout", r"JobTimeoutException|exceeded maximum timeout",
            "the job took longer than a job may", "", "Sync again: it goes on with what is not linked yet."),
    Failure("expired token", r"ExpiredToken|TokenRefreshRequired|security token included in the request is expired|"
            r"\bInvalidToken\b|provided token has expired|invalid_grant",
            "the session token has expired or is not valid", "storage.sts_expired",
            "Enter new keys; better, leave the keys empty and give Label Studio a role."),
    Failure("signature", r"SignatureDoesNotMatch|signature we calculated does not match|AuthenticationFailed|"
            r"Server failed to authenticate the request",
            "the secret key does not belong to the key id", "storage.keys_mixed_up", "Enter key id and secret again."),
    Failure("key id", r"InvalidAccessKeyId|InvalidClientTokenId|AWS Access Key Id you provided does not exist",
            "the access key id is unknown there", "storage.keys_mixed_up",
            "Enter the keys again, or a pair that has not been deleted."),
    Failure("no credentials", r"NoCredentialsError|Unable to locate credentials|DefaultCredentialsError|"
            r"default credentials were not found|PartialCredentialsError",
            "there are no credentials, neither in the storage nor around it", "storage.env_credentials_shadow",
            "Enter keys, or give web server and worker the same role."),
    Failure("broken credentials", r"MalformedError|Service account info was not in the expected format|"
            r"Incorrect padding|Could not deserialize key data|No key could be detected",
            "the credentials of the storage are not in the form that the provider expects", "storage.keys_mixed_up",
            "Paste them again, whole."),
    Failure("clock", r"RequestTimeTooSkewed|Signature not yet current",
            "the clocks here and there differ by more than 15 minutes", "", "Set the clock of the server (NTP), then sync."),
    Failure("blocked address", r"reserved network address|must not resolve to local|provided URL was not allowed",
            "Label Studio refuses an address in a private network", "storage.endpoint_blocked_ssrf",
            "Name the endpoint in S3_ENDPOINT, or change the refused networks."),
    Failure("region", r"AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraint|the region '[^']*' is wrong|"
            r"\(301\) when calling",
            "the bucket is in another region", "storage.s3_region", "Set the region of the storage to the bucket's own."),
    Failure("no bucket", r"NoSuchBucket|Cannot find bucket|bucket does not exist|ContainerNotFound|Container not found|"
            r"\(404\) when calling the HeadBucket|404 GET https://storage\.googleapis\.com/storage/v1/b/[^/?\s]+\?",
            "there is no bucket of that name, there or for these credentials", "storage.bucket_name_form",
            "Correct the name; mind another account or endpoint."),
    Failure("bucket name", r"InvalidBucketName|Invalid bucket name|Bucket name must",
            "what stands for the bucket is no name of one", "storage.bucket_name_form", "Enter the bare name, without s3:// and folders."),
    Failure("no object", r"NoSuchKey|BlobNotFound|No such object|specified key does not exist",
            "an object was gone when it was to be read", "storage.object_gone", "Sync again: a new listing leaves it out."),
    Failure("encryption", r"KMS\.|\bkms:(?:Decrypt|GenerateDataKey)|KMSNotConfigured|NotImplemented.{0,80}(?:SSE|encryption)",
            "the encryption key of the bucket may not be used, or the store has none", "storage.target_kms",
            "Allow kms:Decrypt and kms:GenerateDataKey on that key."),
    Failure("denied bucket", r"calling the HeadBucket operation",
            "the whole bucket may not be looked at", "storage.prefix_only_access",
            "Set the prefix that the credentials are for, or allow s3:ListBucket."),
    Failure("denied write", r"(?:calling the PutObject operation|storage\.objects\.create|denies s3:PutObject)",
            "the credentials may not write", "storage.target_no_put", "Allow s3:PutObject (its like) on the prefix."),
    Failure("denied", r"AccessDenied|Access Denied|AllAccessDisabled|AuthorizationFailure|AuthorizationPermissionMismatch|"
            r"does not have storage\.|\bdenies s3:|\b403 Forbidden\b|\(403\)|\bForbidden\b|PermissionDenied|\bPermissionError\b",
            "the credentials may not do this", "storage.list_not_get",
            "Listing and reading are two permissions: allow s3:ListBucket on the bucket and s3:GetObject on its objects."),
    Failure("pattern", r"\bre\.error\b|PatternError|nothing to repeat|multiple repeat|bad escape|unterminated (?:character set|subpattern)|"
            r"missing \), |unbalanced parenthesis|bad character range",
            "the filter is no regular expression", "storage.regex_invalid", "Correct the filter: `.*\\.jpg$`, not `*.jpg`."),
    Failure("file format", r"UnsupportedFileFormat|Unsupported file format|[Cc]an'?t import JSON|not a JSON file|is not JSON|"
            r'"Tasks" import method|[Tt]reat every bucket object as a source file',
            "an object is no JSON, and the storage reads JSON tasks", "storage.blob_toggle_off",
            "Let the filter take JSON alone, or show every object as a file."),
    Failure("task form", r'If you use "(?:annotations|predictions)" field|ValidationError|data_type.*not supported',
            "a task in a file is not in the form of a task", "storage.completed_with_errors",
            "Correct the file: `data` beside `annotations` and `predictions`."),
    Failure("broken JSON", r"JSONDecodeError|IncompleteJSONError|ijson\.|Expecting (?:value|property name|',' delimiter)|Extra data: line|"
            r"lexical error|parse error|UnicodeDecodeError|Error loading JSON",
            "a file could not be read as JSON", "",
            "Open the file that is named: it is cut short, empty, not UTF-8, or no JSON at all."),
    Failure("locked", r"database is locked|database table is locked",
            "SQLite was busy: it lets one process write at a time", "",
            "Sync while nobody else writes; for more than a few people move to PostgreSQL."),
    Failure("duplicate key", r"duplicate key value violates unique constraint|UNIQUE constraint failed",
            "a row that was to be made is there already: two syncs at once, or a number sequence behind its table", "",
            "Sync once more, alone. If it stays, set the sequence of the table after a restore."),
    Failure("two at once", r"must be QUEUED to move it IN_PROGRESS",
            "two syncs of this storage ran at once", "", "Sync again, once."),
    Failure("database", r"statement timeout|server closed the connection|connection already closed|deadlock detected|"
            r"terminating connection|too many (?:clients|connections)",
            "the database broke off or took too long", "", "Look at the database, then sync again."),
    Failure("certificate", r"CERTIFICATE_VERIFY_FAILED|\bSSLError\b|SSLCertVerificationError|certificate verify failed",
            "the certificate of the endpoint is not trusted", "",
            "Give Label Studio the certificate authority (AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE)."),
    Failure("unreachable", r"EndpointConnectionError|Could not connect to the endpoint|ConnectTimeout|ReadTimeout|ConnectionRefused|"
            r"Connection refused|Name or service not known|name resolution|Max retries exceeded|timed out|No route to host|"
            r"Failed to establish a new connection|Can't connect to Redis|ConnectionError|ServiceRequestError",
            "the endpoint did not answer", "", "Look whether the server reaches it: name, port, proxy, firewall."),
    Failure("disk", r"No space left on device|Disk quota exceeded",
            "a disk is full", "", "Make room, then sync again."),
    Failure("prefix", r"No blobs found in|prefix doesn't exist|s3://\S+ not found|azure-blob://\S+ not found",
            "nothing lies below the prefix", "storage.prefix_slash", "Correct the prefix."),
    Failure("path", r"FileNotFoundError|Path .{0,200}does not exist|must start with|LOCAL_FILES_",
            "the folder is not there, or may not be served", "", "Mount it, below LOCAL_FILES_DOCUMENT_ROOT."),
)  # fmt: skip
OTHER = Failure(
    "other",
    "",
    "the error is none that is known here",
    "",
    "Read its last line; the whole text is on the storage's row.",
)
NOTHING = Failure(
    "nothing", "", "and nothing was written down", "", "Sync again, and look at the log of the server or worker."
)
_COMPILED = [(failure, re.compile(failure.pattern)) for failure in FAILURES]


def classify(text: str | None) -> Failure:
    """The failure that a traceback tells; OTHER for one that is not known, NOTHING for no text."""
    kept = (text or "").strip()[-MOST_CHARACTERS:]
    if not kept:
        return NOTHING
    for part in (_ending(kept), kept):
        for failure, pattern in _COMPILED:
            if pattern.search(part):
                return failure
    return OTHER


def told(text: str | None) -> str:
    """The line that says most, for evidence: the last one, masked and short."""
    lines = [line.strip() for line in (text or "").strip()[-MOST_CHARACTERS:].splitlines() if line.strip()]
    if not lines:
        return ""
    # Label Studio's own texts say the reason in their first line, tracebacks in their last.
    line = lines[-1] if "Traceback" in lines[0] or len(lines) > 6 else lines[0]
    return mask_text(line)[:SHOWN_CHARACTERS]


def _ending(text: str) -> str:
    """From the last exception on: its message may run over several lines."""
    lines = text.splitlines()
    starts = [
        at
        for at, line in enumerate(lines)
        if re.match(r"[A-Za-z_][\w.]*(?:Error|Exception|Denied|Missing|Timeout)?: ", line)
    ]
    return "\n".join(lines[starts[-1] :] if starts else lines[-5:])
