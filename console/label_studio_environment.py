"""What Label Studio's own environment says: its database, Redis, address and secret, under its own names.

Pure functions of an environment; `config` alone hands them the real one.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from .errors import BadSetting

PREFIXES = ("LABEL_STUDIO_", "HEARTEX_", "")


def read_variable(environ: Mapping[str, str], name: str) -> str | None:
    """One variable, or the content of the file that `<name>_FILE` names."""
    path = environ.get(f"{name}_FILE")
    if name not in environ and path:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise BadSetting(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from None
    return environ.get(name)


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """A setting of Label Studio's: the first prefix that is set wins, as in Label Studio itself."""
    for prefix in PREFIXES:
        value = read_variable(environ, prefix + name)
        if value is not None:
            return value
    return None


def database(environ: Mapping[str, str]) -> str | None:
    def get(name: str, default: str = "") -> str:
        return variable(environ, name) or default

    engine = get("DJANGO_DB").lower()
    if engine in {"default", "postgresql"} or (not engine and get("POSTGRE_HOST")):
        return _postgresql(environ)
    if engine in {"", "sqlite"} and (get("DATABASE_NAME") or is_named(environ, "BASE_DATA_DIR") or engine):
        directory = Path(get("BASE_DATA_DIR") or default_data_dir())
        return f"sqlite:///{get('DATABASE_NAME') or directory / 'label_studio.sqlite3'}"
    if engine and engine != "sqlite":
        raise BadSetting(f"DJANGO_DB is {engine!r}; the console attaches to `postgresql` (or `default`) and `sqlite`.")
    return None


def unused_postgresql(environ: Mapping[str, str]) -> str | None:
    """The PostgreSQL that is described beside DJANGO_DB=sqlite, which has Label Studio pass it over; or None."""
    if (variable(environ, "DJANGO_DB") or "").lower() != "sqlite" or not variable(environ, "POSTGRE_HOST"):
        return None
    with contextlib.suppress(BadSetting):  # what is passed over may be wrong without harm
        return _postgresql(environ)
    return None


def _postgresql(environ: Mapping[str, str]) -> str:
    def get(name: str, default: str = "") -> str:
        return variable(environ, name) or default

    user, password = (
        quote(get("POSTGRE_USER", "postgres"), safe=""),
        quote(get("POSTGRE_PASSWORD", "postgres"), safe=""),
    )
    host, port, name = (
        get("POSTGRE_HOST", "localhost"),
        get("POSTGRE_PORT", "5432"),
        get("POSTGRE_NAME", "postgres"),
    )
    if not port.isdigit():
        raise BadSetting(f"POSTGRE_PORT is {port!r}; a port number such as 5432 is accepted.")
    tls = {"sslmode": get("POSTGRE_SSL_MODE"), "sslrootcert": get("POSTGRE_SSLROOTCERT"),
           "sslcert": get("POSTGRE_SSLCERT"), "sslkey": get("POSTGRE_SSLKEY")}  # fmt: skip
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in tls.items() if value)
    return f"postgresql://{user}:{password}@{host}:{port}/{quote(name, safe='')}" + (f"?{query}" if query else "")


def is_named(environ: Mapping[str, str], name: str) -> bool:
    return variable(environ, name) is not None


def default_data_dir() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "label-studio"
    return Path.home() / ".local" / "share" / "label-studio"


def redis(environ: Mapping[str, str]) -> str | None:
    location = variable(environ, "REDIS_LOCATION")
    if not location:
        host = variable(environ, "REDIS_HOST")
        if not host:
            return None
        location = f"{host}:{variable(environ, 'REDIS_PORT') or 6379}"
    if "://" not in location:
        location = f"redis://{location}"
    scheme, rest = location.split("://", 1)
    password = variable(environ, "REDIS_PASSWORD")
    if password and "@" not in rest:
        rest = f":{quote(password, safe='')}@{rest}"
    database = variable(environ, "REDIS_DB")
    if database and "/" not in rest:
        rest = f"{rest}/{database}"
    return f"{scheme}://{rest}"


def host(environ: Mapping[str, str]) -> str | None:
    host = variable(environ, "HOST")
    return host if host and host.startswith(("http://", "https://")) else None


def secret(environ: Mapping[str, str]) -> str | None:
    """Django's SECRET_KEY as Label Studio finds it: its environment, else the `.env` file it wrote at its first start.

    Source: `core/utils/secret_key.py`. The bare name alone counts there. The file is read only where the environment
    names its directory: the one in somebody's home may belong to another deployment.
    """
    named = read_variable(environ, "SECRET_KEY")
    directory = variable(environ, "BASE_DATA_DIR")
    if named or not directory:
        return named or None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (Path(directory) / ".env").read_text(encoding="utf8").splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            if name == "SECRET_KEY" and value:
                return value[1:-1] if quoted else value
    return None
