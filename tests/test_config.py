"""Label Studio's own environment is understood, ours goes before it, and a bad value names its variable."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from console.config import Settings
from console.errors import BadSetting
from console.passwords import NOBODY

POSTGRES = {
    "DJANGO_DB": "default", "POSTGRE_NAME": "ls", "POSTGRE_USER": "lsuser", "POSTGRE_PASSWORD": "p@ss/w:rd#%",
    "POSTGRE_HOST": "db.example", "POSTGRE_PORT": "5433",
}  # fmt: skip
URL = "postgresql://lsuser:p%40ss%2Fw%3Ard%23%25@db.example:5433/ls"


@pytest.mark.parametrize("prefix", ["", "LABEL_STUDIO_", "HEARTEX_"])
def test_label_studios_own_names_with_each_prefix(prefix):
    environment = {prefix + name: value for name, value in POSTGRES.items()}
    assert Settings.load(environment).database_url == URL


def test_the_first_prefix_wins_as_in_label_studio():
    environment = POSTGRES | {"LABEL_STUDIO_POSTGRE_HOST": "first.example", "HEARTEX_POSTGRE_HOST": "second.example"}
    assert "@first.example:" in Settings.load(environment).database_url


def test_defaults_are_label_studios():
    assert (
        Settings.load({"DJANGO_DB": "postgresql"}).database_url
        == "postgresql://postgres:postgres@localhost:5432/postgres"
    )
    assert Settings.load({}).database_url is None
    home = Path.home() / ".local" / "share" / "label-studio" / "label_studio.sqlite3"
    assert Settings.load({"DJANGO_DB": "sqlite"}).database_url == f"sqlite:///{home}"


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"LABEL_STUDIO_BASE_DATA_DIR": "/label-studio/data"}, "/label-studio/data/label_studio.sqlite3"),
        ({"BASE_DATA_DIR": "/data", "DJANGO_DB": "sqlite"}, "/data/label_studio.sqlite3"),
        ({"LABEL_STUDIO_DATABASE_NAME": "/elsewhere/ls.db"}, "/elsewhere/ls.db"),
    ],
)
def test_sqlite(environment, path):
    assert Settings.load(environment).database_url == f"sqlite:///{path}"


def test_a_file_may_hold_any_secret(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("from a file\n")
    environment = POSTGRES | {"POSTGRE_PASSWORD_FILE": str(secret)}
    del environment["POSTGRE_PASSWORD"]
    assert ":from%20a%20file@" in Settings.load(environment).database_url
    ours = {"LSCONSOLE_SECRET_KEY_FILE": str(secret), "LSCONSOLE_STATE_URL_FILE": str(secret)}
    settings = Settings.load(ours)
    assert settings.secret_key == settings.state_url == "from a file"
    with pytest.raises(BadSetting, match=r"LSCONSOLE_SECRET_KEY_FILE names /nowhere.*cannot be read"):
        Settings.load({"LSCONSOLE_SECRET_KEY_FILE": "/nowhere"})


def test_flag_before_environment_before_file_before_label_studio(tmp_path):
    file = tmp_path / "console.toml"
    file.write_text('database_url = "sqlite:///from-file"\njobs = "inline"\nadmins = ["a@x.org", "b@x.org"]\n')
    environment = POSTGRES | {"LSCONSOLE_CONFIG": str(file)}
    assert Settings.load(environment).database_url == "sqlite:///from-file"
    environment |= {"LSCONSOLE_DATABASE_URL": "sqlite:///from-environment"}
    assert Settings.load(environment).database_url == "sqlite:///from-environment"
    settings = Settings.load(environment, database_url="sqlite:///from-flag", redis_url=None)
    assert settings.database_url == "sqlite:///from-flag"
    assert settings.jobs == "inline" and settings.admins == ("a@x.org", "b@x.org")


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"REDIS_LOCATION": "redis://cache:6379/1"}, "redis://cache:6379/1"),
        ({"REDIS_LOCATION": "cache:6379", "REDIS_PASSWORD": "p@ss", "REDIS_DB": "3"}, "redis://:p%40ss@cache:6379/3"),
        ({"REDIS_LOCATION": "rediss://:own@cache:6379", "REDIS_PASSWORD": "other"}, "rediss://:own@cache:6379"),
        ({"LABEL_STUDIO_REDIS_HOST": "cache"}, "redis://cache:6379"),
        ({}, None),
    ],
)
def test_label_studios_redis(environment, url):
    assert Settings.load(environment).redis_url == url


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("LSCONSOLE_JOBS", "celery", "rq, threads, inline"),
        ("LSCONSOLE_CHECKS_AT_A_TIME", "0", "whole number of 1 or more"),
        ("LSCONSOLE_CHECKS_AT_A_TIME", "four", "whole number"),
        ("LSCONSOLE_CHECKS_AT_A_TIME", "-4", "whole number"),
        ("LSCONSOLE_CHECKS_AT_A_TIME", "٤", "whole number"),
        ("LSCONSOLE_CHECKS_AT_A_TIME", "9" * 30, "whole number"),
        ("LSCONSOLE_STATEMENT_TIMEOUT_SECONDS", "0", "whole number of 1 or more"),
        ("LSCONSOLE_CHECK_BUDGET_SECONDS", "1.5", "whole number"),
        ("LSCONSOLE_TRUSTED_PROXIES", "x", "whole number of 0 or more"),
        ("LSCONSOLE_COOKIE_SECURE", "maybe", "true or false"),
        ("LSCONSOLE_THRESHOLDS", "jobs.backlog=5", "area.check.name=number"),
        ("LSCONSOLE_THRESHOLDS", "jobs.backlog.older_than_minutes", "area.check.name=number"),
        ("LSCONSOLE_THRESHOLDS", "jobs.backlog.older_than_minutes=soon", "a number"),
        ("POSTGRE_PORT", "fivefourthreetwo", "port number"),
        ("DJANGO_DB", "oracle", "`postgresql`"),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_what_is_accepted(variable, value, accepted):
    environment = {"DJANGO_DB": "default"} | {variable: value}
    with pytest.raises(BadSetting) as caught:
        Settings.load(environment)
    assert variable in str(caught.value) and accepted in str(caught.value)
    assert value.split("=")[0] in str(caught.value)


def test_limits(tmp_path):
    settings = Settings.load({"LSCONSOLE_THRESHOLDS": "jobs.backlog.older_than_minutes=10, pg.dead_tuples.share=0.5"})
    assert settings.threshold("jobs.backlog") == {"older_than_minutes": 10}
    assert settings.threshold("pg.dead_tuples") == {"share": 0.5}
    assert settings.threshold("jobs") == {"backlog.older_than_minutes": 10}
    file = tmp_path / "c.toml"
    for text in (
        '[thresholds]\n"jobs.backlog.older_than_minutes" = 7',
        "[thresholds.jobs.backlog]\nolder_than_minutes = 7",
    ):
        file.write_text(text)
        assert Settings.load({}, config_file=file).threshold("jobs.backlog") == {"older_than_minutes": 7}


@pytest.mark.parametrize("text", ["not toml at all [", 'unheard = "x"', 'jobs = "celery"', "checks_at_a_time = 0"])
def test_a_bad_config_file_is_named(tmp_path, text):
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(BadSetting, match=str(file)):
        Settings.load({}, config_file=file)
    with pytest.raises(BadSetting, match="cannot be read"):
        Settings.load({}, config_file=tmp_path / "missing.toml")


def test_every_secret_is_masked_when_shown():
    secret = "hunter2secret"
    values = {
        item.name: f"postgresql://u:{secret}@h/d" if "url" in item.name else secret
        for item in fields(Settings)
        if item.metadata and item.metadata["secret"]
    }
    assert {"database_url", "redis_url", "state_url", "queue_url", "secret_key", "label_studio_token"} <= set(values)
    assert secret not in str(Settings(**values).shown())


def test_every_setting_has_a_variable_and_a_meaning():
    variables = [item.metadata["env"] for item in fields(Settings) if item.metadata]
    assert len(set(variables)) == len(variables)
    assert all(item.metadata["meaning"] for item in fields(Settings) if item.metadata)
    assert {"LSCONSOLE_DATABASE_URL", "LSCONSOLE_REDIS_URL", "LSCONSOLE_STATE_URL", "LSCONSOLE_QUEUE_URL", "LSCONSOLE_JOBS",
            "LSCONSOLE_SECRET_KEY", "LSCONSOLE_LABEL_STUDIO_URL", "LSCONSOLE_LABEL_STUDIO_TOKEN"} <= set(variables)  # fmt: skip


def test_jobs_go_where_they_can():
    assert Settings().jobs_mode == "threads"
    assert Settings(queue_url="redis://q").jobs_mode == "rq"
    assert Settings(queue_url="redis://q", jobs="inline").jobs_mode == "inline"


def test_the_signing_key_is_made_once_and_is_nobody_elses(tmp_path):
    settings = Settings(data_dir=tmp_path / "new")
    key = settings.signing_key()
    assert len(key) > 40 and settings.signing_key() == key and key != NOBODY
    assert (tmp_path / "new" / "secret_key").stat().st_mode & 0o077 == 0
    assert Settings(data_dir=tmp_path / "new", secret_key="given").signing_key() == "given"


def test_the_generated_secret_is_ours_alone_and_never_empty(tmp_path):
    settings = Settings.load({}, data_dir=tmp_path / "console")
    key = settings.signing_key()
    assert len(key) > 40 and settings.signing_key() == key
    assert (tmp_path / "console").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "console" / "secret_key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "console" / "secret_key").write_text("")
    with pytest.raises(BadSetting, match="is empty"):
        settings.signing_key()


def test_a_password_in_label_studios_address_is_not_shown():
    settings = Settings.load({"LSCONSOLE_LABEL_STUDIO_URL": "https://user:hunter2secret@ls.example:8080/x"})
    assert "hunter2secret" not in str(settings.shown())


@pytest.mark.parametrize("prefix", ["", "LABEL_STUDIO_", "HEARTEX_"])
def test_settings_that_change_label_studio_mean_the_same_here(prefix):
    told = {"SSRF_PROTECTION_ENABLED": "no", "USER_ADDITIONAL_BANNED_SUBNETS": "8.8.8.0/24, 2a00::/12",
            "DATA_UPLOAD_MAX_MEMORY_SIZE": "1073741824", "BASE_DATA_DIR": "/label-studio/data"}  # fmt: skip
    settings = Settings.load({prefix + name: value for name, value in told.items()} | {"DJANGO_DB": "sqlite"})
    assert settings.ssrf_protection is False
    assert settings.banned_subnets == ("8.8.8.0/24", "2a00::/12")
    assert settings.upload_limit_bytes == 2**30
    assert settings.base_data_dir == Path("/label-studio/data")


def test_a_network_that_is_none_is_named():
    with pytest.raises(BadSetting, match=r"USER_ADDITIONAL_BANNED_SUBNETS has '10\.0\.0\.1/8'"):
        Settings.load({"USER_ADDITIONAL_BANNED_SUBNETS": "10.0.0.1/8"})


def test_label_studios_secret_is_found_where_label_studio_finds_it(tmp_path):
    (tmp_path / ".env").write_text("\nOTHER=1\nSECRET_KEY=a#b=c$(d\nSECRET_KEY=second\n")
    beside = {"LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path)}
    assert Settings.load(beside).label_studio_secret_key == "a#b=c$(d"
    assert Settings.load(beside | {"SECRET_KEY": "bare"}).label_studio_secret_key == "bare"
    ours = beside | {"SECRET_KEY": "bare", "LSCONSOLE_LABEL_STUDIO_SECRET_KEY": "ours"}
    assert Settings.load(ours).label_studio_secret_key == "ours"
    assert "a#b" not in str(Settings.load(beside).shown())


def test_without_a_named_directory_nobodys_secret_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    (tmp_path / ".local" / "share" / "label-studio").mkdir(parents=True)
    (tmp_path / ".local" / "share" / "label-studio" / ".env").write_text("SECRET_KEY=somebody-elses")
    assert Settings.load({}).label_studio_secret_key is None
    assert Settings.load({"BASE_DATA_DIR": str(tmp_path)}).label_studio_secret_key is None


def test_a_postgresql_that_label_studio_is_told_to_pass_over():
    described = {"POSTGRE_HOST": "db", "POSTGRE_USER": "u", "POSTGRE_PASSWORD": "p w", "POSTGRE_NAME": "ls"}
    settings = Settings.load({"DJANGO_DB": "sqlite", "DATABASE_NAME": "/data/ls.sqlite3", **described})
    assert settings.database_url == "sqlite:////data/ls.sqlite3"
    assert settings.unused_postgresql_url == "postgresql://u:p%20w@db:5432/ls"
    assert "p%20w" not in repr(settings)
    assert Settings.load({"DJANGO_DB": "default", **described}).unused_postgresql_url is None
    assert Settings.load({"DJANGO_DB": "sqlite"}).unused_postgresql_url is None
    assert Settings.load({"DJANGO_DB": "sqlite", **described, "POSTGRE_PORT": "none"}).unused_postgresql_url is None
