"""Settings: every environment variable the console reads, its type, its default and its meaning.

The only module that reads the environment. Label Studio's own names are read with its own prefixes
(`LABEL_STUDIO_`, `HEARTEX_`, then bare), so that the console can start with the environment of its container.
Order: flag > environment > config file > default. Every variable is also read as `<NAME>_FILE`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from . import label_studio_environment
from .errors import BadSetting
from .label_studio_environment import read_variable
from .masking import mask_url

JobsMode = Literal["rq", "threads", "inline"]
#: Environment that decides how Label Studio reaches buckets when a storage row leaves a column empty, and its uploads.
BUCKET_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "S3_ENDPOINT", "S3_region",
    "AZURE_BLOB_ACCOUNT_NAME", "AZURE_BLOB_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST",
    "GCS_CLOUD_STORAGE_FORCE_DEFAULT_CREDENTIALS", "STORAGE_TYPE", "STORAGE_AZURE_ACCOUNT_NAME", "STORAGE_AZURE_ACCOUNT_KEY",
    "STORAGE_AZURE_CONTAINER_NAME", "USE_NGINX_FOR_UPLOADS",
)  # fmt: skip


def setting(
    env: str, meaning: str, default: Any = None, *, secret: bool = False, shown: str | None = None, theirs: bool = False
) -> Any:
    """A field of Settings: its variable, its meaning in the README, and whether it is masked when shown.

    `theirs`: a variable of Label Studio's, read with each of its prefixes.
    """
    metadata = {"env": env, "meaning": meaning, "secret": secret, "shown": shown, "theirs": theirs}
    return (
        field(default_factory=dict, metadata=metadata) if default == {} else field(default=default, metadata=metadata)
    )


@dataclass(frozen=True)
class Settings:
    """Everything the console is told. Built by `Settings.load`, then handed to whoever needs it."""

    database_url: str | None = setting(
        "LSCONSOLE_DATABASE_URL",
        "Label Studio's database; without it Label Studio's own variables are used",
        secret=True,
    )
    fix_database_url: str | None = setting(
        "LSCONSOLE_FIX_DATABASE_URL", "a second role for applying plans, when the first may only look", secret=True
    )
    redis_url: str | None = setting(
        "LSCONSOLE_REDIS_URL",
        "Label Studio's Redis, written by plans about jobs alone; also `REDIS_LOCATION`",
        secret=True,
    )
    fix_redis_url: str | None = setting(
        "LSCONSOLE_FIX_REDIS_URL", "a second Redis user for plans about jobs, when the first may only read", secret=True
    )
    state_url: str | None = setting(
        "LSCONSOLE_STATE_URL", "our own store; share one PostgreSQL between consoles", secret=True,
        shown="a SQLite file in the data directory",
    )  # fmt: skip
    queue_url: str | None = setting(
        "LSCONSOLE_QUEUE_URL", "Redis of our own queue `lsconsole`; never Label Studio's", secret=True
    )
    jobs: JobsMode | None = setting(
        "LSCONSOLE_JOBS",
        "where long work runs: `rq`, `threads` or `inline`",
        shown="`rq` with a queue URL, else `threads`",
    )
    data_dir: Path = setting("LSCONSOLE_DATA_DIR", "where our state file and generated secret live",
                             Path.home() / ".local" / "share" / "lsconsole")  # fmt: skip
    secret_key: str | None = setting(
        "LSCONSOLE_SECRET_KEY", "signs session cookies; share it between consoles", secret=True,
        shown="generated once into the data directory",
    )  # fmt: skip
    label_studio_url: str | None = setting("LSCONSOLE_LABEL_STUDIO_URL", "where people open Label Studio; also `HOST`")
    label_studio_token: str | None = setting(
        "LSCONSOLE_LABEL_STUDIO_TOKEN", "a token for asking Label Studio itself", secret=True
    )
    admins: tuple[str, ...] = setting("LSCONSOLE_ADMINS", "e-mails that may do everything here, comma-separated", ())
    support: tuple[str, ...] = setting("LSCONSOLE_SUPPORT", "e-mails that may look and run checks, comma-separated", ())
    bind: str = setting("LSCONSOLE_BIND", "address `lsconsole serve` listens on", "127.0.0.1:8090")
    session_idle_minutes: int = setting("LSCONSOLE_SESSION_IDLE_MINUTES", "a session ends after this much quiet", 60)
    session_hours: int = setting("LSCONSOLE_SESSION_HOURS", "a session ends after this much time, whatever happens", 12)
    cookie_secure: bool = setting("LSCONSOLE_COOKIE_SECURE", "send the session cookie over https only", False)
    trusted_proxies: int = setting(
        "LSCONSOLE_TRUSTED_PROXIES", "reverse proxies in front whose X-Forwarded headers count", 0
    )
    statement_timeout_seconds: int = setting(
        "LSCONSOLE_STATEMENT_TIMEOUT_SECONDS", "longest single statement sent to the deployment", 30
    )
    check_budget_seconds: int = setting("LSCONSOLE_CHECK_BUDGET_SECONDS", "longest time one check may take", 60)
    checks_at_a_time: int = setting("LSCONSOLE_CHECKS_AT_A_TIME", "how many checks run side by side", 4)
    listing_limit: int = setting("LSCONSOLE_LISTING_LIMIT", "keys listed from a bucket unless `--deep`", 1000)
    database_free_bytes: int = setting(
        "LSCONSOLE_DATABASE_FREE_BYTES",
        "free disk at the database, for maintenance that needs room, where it cannot be measured", 0, shown="measured where possible",
    )  # fmt: skip
    thresholds: Mapping[str, Any] = setting(
        "LSCONSOLE_THRESHOLDS", "other limits for checks: `pg.dead_tuples.min_dead_rows=5000,jobs.backlog.older_than_minutes=10`",
        {},
    )  # fmt: skip
    base_data_dir: Path = setting(
        "BASE_DATA_DIR", "Label Studio's data directory; uploaded files live in `media/upload` below it",
        Path.home() / ".local" / "share" / "label-studio", theirs=True,
    )  # fmt: skip
    upload_limit_bytes: int = setting(
        "DATA_UPLOAD_MAX_MEMORY_SIZE", "largest import body or total of uploaded files, in bytes", 250 * 2**20, theirs=True
    )  # fmt: skip
    task_api_page_size_max: int = setting(
        "TASK_API_PAGE_SIZE_MAX", "most tasks on a page of the task list; 0 is no limit", 0, theirs=True
    )  # fmt: skip
    experimental_features: bool = setting(
        "EXPERIMENTAL_FEATURES", "list experimental bulk actions of the Data Manager too", False, theirs=True
    )  # fmt: skip
    upload_file_limit: int = setting(
        "DATA_UPLOAD_MAX_NUMBER_FILES", "most files in one upload", 100, theirs=True
    )  # fmt: skip
    import_unknown_emails: bool = setting(
        "ALLOW_IMPORT_TASKS_WITH_UNKNOWN_EMAILS", "annotations by people unknown here become the importer's", False,
        theirs=True,
    )  # fmt: skip
    clean_svg: bool = setting("SVG_SECURITY_CLEANUP", "strip scripts from uploaded SVG files", False, theirs=True)
    ssrf_protection: bool = setting(
        "SSRF_PROTECTION_ENABLED", "refuse requests to private, loopback and link-local addresses", True, theirs=True
    )  # fmt: skip
    default_banned_subnets: bool = setting(
        "USE_DEFAULT_BANNED_SUBNETS", "refuse the reserved networks that are known by default", True, theirs=True
    )  # fmt: skip
    banned_subnets: tuple[str, ...] = setting(
        "USER_ADDITIONAL_BANNED_SUBNETS", "more networks to refuse, comma-separated", (), theirs=True
    )  # fmt: skip
    label_studio_secret_key: str | None = setting(
        "LSCONSOLE_LABEL_STUDIO_SECRET_KEY",
        "Label Studio's `SECRET_KEY`, which signs its sessions and personal access tokens; also `SECRET_KEY`",
        secret=True, shown="`.env` in `BASE_DATA_DIR`, when that is set",
    )  # fmt: skip
    webhook_timeout_seconds: float = setting(
        "WEBHOOK_TIMEOUT", "longest time one receiver of a webhook may take, in seconds", 1.0, theirs=True
    )  # fmt: skip
    signup_needs_link: bool = setting(
        "DISABLE_SIGNUP_WITHOUT_LINK", "nobody signs up without an invitation link", False, theirs=True
    )  # fmt: skip
    legacy_tokens_for_new: bool = setting(
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN", "an organization founded here accepts legacy tokens", False, theirs=True
    )  # fmt: skip
    bucket_endpoints: tuple[str, ...] = setting(
        "LSCONSOLE_BUCKET_ENDPOINTS",
        "hosts in private networks that storages may name as `host` or `host:port`, comma-separated", (),
    )  # fmt: skip
    write_probes: bool = setting(
        "LSCONSOLE_WRITE_PROBES", "a marker may be written into target storages, a probe job into queues, and removed again", False
    )  # fmt: skip
    samples: bool = setting(
        "LSCONSOLE_SAMPLES", "`serve` and `worker` look at queues each minute and at tables each hour, for the charts", True
    )  # fmt: skip
    azure_endpoint: str | None = setting(
        "LSCONSOLE_AZURE_ENDPOINT", "address of another blob service, `{account}` standing for the account's name",
        shown="`https://{account}.blob.core.windows.net`",
    )  # fmt: skip
    local_files_serving: bool = setting(
        "LOCAL_FILES_SERVING_ENABLED", "local files are served and may be synced", False, theirs=True
    )  # fmt: skip
    local_files_root: Path = setting(
        "LOCAL_FILES_DOCUMENT_ROOT", "directory that local storages lie below", Path("/"), theirs=True
    )  # fmt: skip
    local_files_storages: bool = setting(
        "ENABLE_LOCAL_FILES_STORAGE", "the storage API offers local files", True, theirs=True
    )  # fmt: skip
    sync_new_targets: bool = setting(
        "SYNC_ON_TARGET_STORAGE_CREATION", "a new target storage is synced at once", True, theirs=True
    )  # fmt: skip
    targets_hold_tasks: bool = setting(
        "FUTURE_SAVE_TASK_TO_STORAGE", "targets get one file per task instead of one per annotation", False, theirs=True
    )  # fmt: skip
    target_tasks_end_in_json: bool = setting(
        "FUTURE_SAVE_TASK_TO_STORAGE_JSON_EXT", "such a file is called `ID.json`", True, theirs=True
    )  # fmt: skip
    storage_ping_seconds: float = setting(
        "STORAGE_IN_PROGRESS_TIMER", "how often a sync says that it is alive, in seconds", 5.0, theirs=True
    )  # fmt: skip
    storage_preview_objects: int = setting(
        "DEFAULT_STORAGE_LIST_LIMIT", "most objects in the preview of a storage", 100, theirs=True
    )  # fmt: skip
    proxy_seconds: int = setting(
        "RESOLVER_PROXY_TIMEOUT", "longest time one media file is passed through, in seconds", 20, theirs=True
    )  # fmt: skip
    proxy_range_bytes: int = setting(
        "RESOLVER_PROXY_MAX_RANGE_SIZE", "most bytes of a media file in one answer to a range", 8 * 2**20, theirs=True
    )  # fmt: skip
    proxy_cache_seconds: int = setting(
        "RESOLVER_PROXY_CACHE_TIMEOUT", "how long browsers may keep media that was passed through", 3600, theirs=True
    )  # fmt: skip
    bucket_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: a PostgreSQL that the environment describes while it tells Label Studio to use SQLite
    unused_postgresql_url: str | None = field(default=None, repr=False)
    #: names of the settings that somebody set: a default that nobody chose says nothing about Label Studio
    told: frozenset[str] = field(default_factory=frozenset, repr=False)

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, *, config_file: Path | None = None, **flags: Any
    ) -> Settings:
        """Settings from flags, environment and config file. Raises BadSetting naming the variable."""
        environ = os.environ if environ is None else environ
        values = _from_file(config_file or _default_config_file(environ))
        for item in fields(cls):
            if not item.metadata:
                continue
            read = label_studio_environment.variable if item.metadata["theirs"] else read_variable
            raw = read(environ, item.metadata["env"])
            if raw is not None and raw != "":
                values[item.name] = _parse(item.name, item.metadata["env"], raw, item.default)
        values.update({name: value for name, value in flags.items() if value is not None})
        values["told"] = frozenset(values)
        values.setdefault("database_url", label_studio_environment.database(environ))
        values["unused_postgresql_url"] = label_studio_environment.unused_postgresql(environ)
        values.setdefault("redis_url", label_studio_environment.redis(environ))
        values.setdefault("label_studio_url", label_studio_environment.host(environ))
        values.setdefault("base_data_dir", label_studio_environment.default_data_dir())
        values.setdefault("label_studio_secret_key", label_studio_environment.secret(environ))
        found = {name: label_studio_environment.variable(environ, name) for name in BUCKET_ENVIRONMENT}
        values["bucket_environment"] = {name: value for name, value in found.items() if value}
        return cls(**values)

    @classmethod
    def from_env(cls) -> Settings:
        return cls.load()

    @property
    def jobs_mode(self) -> JobsMode:
        """Where long work runs; `rq` only when a Redis of our own is named."""
        return self.jobs or ("rq" if self.queue_url else "threads")

    @property
    def state_store_url(self) -> str:
        return self.state_url or f"sqlite:///{self.data_dir / 'state.sqlite3'}"

    def signing_key(self) -> str:
        """The session key: the one that was set, or one generated once and kept in the data directory."""
        if self.secret_key:
            return self.secret_key
        path = self.data_dir / "secret_key"
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            os.write(handle, secrets.token_urlsafe(48).encode())
            os.close(handle)
        for _ in range(100):  # another process may have made the file and not written it yet
            if key := path.read_text().strip():
                return key
            time.sleep(0.01)
        raise BadSetting(f"The secret in {path} is empty. Remove the file, or set LSCONSOLE_SECRET_KEY.")

    def threshold(self, code: str) -> dict[str, Any]:
        """The operator's limits for one check, as keyword arguments."""
        prefix = f"{code}."
        return {name[len(prefix) :]: value for name, value in self.thresholds.items() if name.startswith(prefix)}

    def shown(self) -> list[tuple[str, str, str]]:
        """(variable, value with secrets masked, meaning) of every setting, for `lsconsole config`."""
        rows = []
        for item in fields(self):
            if not item.metadata:
                continue
            value = getattr(self, item.name)
            if value is None or value == () or value == {}:
                text = ""
            elif item.metadata["secret"]:
                text = mask_url(str(value)) if "://" in str(value) else "••••••"
            elif isinstance(value, Mapping):
                text = ",".join(f"{key}={val}" for key, val in value.items())
            else:
                text = mask_url(",".join(value) if isinstance(value, tuple) else str(value))
            rows.append((item.metadata["env"], text, item.metadata["meaning"]))
        return rows

    def with_(self, **changes: Any) -> Settings:
        return replace(self, **changes)


def _default_config_file(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("LSCONSOLE_CONFIG")
    if named:
        return Path(named)
    usual = Path("lsconsole.toml")
    return usual if usual.is_file() else None


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSetting(f"Config file {path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"Config file {path} is not valid TOML: {error}.") from None
    known = {item.name: item for item in fields(Settings) if item.metadata}
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in known:
            raise BadSetting(
                f"Config file {path} sets {name!r}, which is no setting; accepted: {', '.join(sorted(known))}."
            )
        if name == "thresholds" and isinstance(value, dict):
            values[name] = _flat(value)
            continue
        raw = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        values[name] = _parse(name, f"{name} in {path}", raw, known[name].default)
    return values


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`[thresholds.pg.dead_tuples] min_dead_rows = 5` and `"pg.dead_tuples.min_dead_rows" = 5` are the same."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _parse(name: str, variable: str, raw: str, default: Any) -> Any:
    if name == "thresholds":
        return _parse_thresholds(variable, raw)
    if name == "jobs":
        if raw not in {"rq", "threads", "inline"}:
            raise BadSetting(f"{variable} is {raw!r}; accepted: rq, threads, inline.")
        return raw
    if isinstance(default, bool):
        if raw.lower() in {"1", "true", "yes", "on"}:
            return True
        if raw.lower() in {"0", "false", "no", "off"}:
            return False
        raise BadSetting(f"{variable} is {raw!r}; accepted: true or false.")
    if isinstance(default, float):
        try:
            number = float(raw)
        except ValueError:
            number = 0.0
        if not 0 < number < 10**6:
            raise BadSetting(f"{variable} is {raw!r}; a number above 0 is accepted.")
        return number
    if isinstance(default, int):
        least = 0 if name == "trusted_proxies" else 1
        if not raw.isascii() or not raw.isdigit() or not least <= int(raw) < 2**40:
            raise BadSetting(f"{variable} is {raw!r}; a whole number of {least} or more is accepted.")
        return int(raw)
    if isinstance(default, tuple):
        parts = tuple(part.strip() for part in raw.split(",") if part.strip())
        return _networks(variable, parts) if name == "banned_subnets" else parts
    if isinstance(default, Path):
        return Path(raw)
    return raw


def _networks(variable: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    for part in parts:
        try:
            ipaddress.ip_network(part)
        except ValueError:
            raise BadSetting(f"{variable} has {part!r}; networks such as 10.20.0.0/16 are accepted.") from None
    return parts


def _parse_thresholds(variable: str, raw: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in raw.split(","))):
        name, sign, value = part.partition("=")
        if not sign or name.count(".") < 2:
            raise BadSetting(f"{variable} has {part!r}; accepted: area.check.name=number.")
        try:
            result[name.strip()] = float(value) if "." in value else int(value)
        except ValueError:
            raise BadSetting(f"{variable} has {part!r}; the value after = is a number.") from None
    return result
