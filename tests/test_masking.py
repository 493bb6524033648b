"""Secrets disappear, everything a diagnosis needs stays, and no text takes long."""

from __future__ import annotations

import json
import logging
import sys
import time

import pytest

from console.masking import MASK, MaskedFormatter, is_secret_column, mask, mask_row, mask_text, mask_url

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\nDEK-Info: x\nabcDEF==\n-----END PRIVATE KEY-----\n"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

LEAKS = [
    (f"aws_secret_access_key={SECRET_KEY}", SECRET_KEY),
    (f"SecretAccessKey: {SECRET_KEY}", SECRET_KEY),
    (f"the key {SECRET_KEY} was refused", SECRET_KEY),
    (f"'aws_secret_access_key': '{SECRET_KEY}', 'x': 1", SECRET_KEY),
    ("AWS_SESSION_TOKEN=FwoGZXIvYXdzEBYaDKb/short//", "FwoGZXIvYXdzEBYaDKb"),
    ("password=hunter2", "hunter2"),
    ("PASSWORD = 'hunter 2 with blanks'", "hunter 2"),
    ('{"password": "a\\"b,c", "ok": 1}', "b,c"),
    ('{\\"password\\": \\"hunter2\\"}', "hunter2"),
    ("POSTGRE_PASSWORD: hunter2", "hunter2"),
    ("SMTP_PASS=hunter2", "hunter2"),
    ("new_password2=hunter2&next=/", "hunter2"),
    ("postgresql://ls:hunter2@db:5432/ls", "hunter2"),
    ("redis://:hunter2@cache:6379/1", "hunter2"),
    ("postgresql://ls:p@ss:w0rd@db/ls", "ss:w0rd"),
    ("postgresql://ls:p/w0rd@db/ls", "w0rd"),
    ("cannot reach redis://:one1@a:1/0,redis://:two2@b:1/0", "two2"),
    ("Authorization: Token 0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
    ("{'Authorization': 'Basic dXNlcjpwYXNzd29yZA=='}", "dXNlcjpwYXNzd29yZA"),
    ("Authorization: hunter2", "hunter2"),
    ("curl -H 'authorization: Bearer abc.def-ghi123'", "ghi123"),
    ("sent Bearer abcdefgh12345678", "abcdefgh12345678"),
    ("Cookie: sessionid=abc; csrftoken=def", "abc"),
    ("Set-Cookie: sessionid=abc123; Path=/", "abc123"),
    (f"got {JWT} from the header", "eyJzdWIiOiIxMjM0"),
    (PEM, "MIIEvQIBADANBgkqhkiG"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEcut off", "MIIEcut"),
    (json.dumps({"private_key": PEM, "private_key_id": "0123abcd" * 5}), "MIIEvQIBADANBgkqhkiG"),
    (json.dumps({"google_application_credentials": json.dumps({"private_key": PEM})}), "MIIEvQIBADANBgkqhkiG"),
    (repr({"google_application_credentials": json.dumps({"private_key": PEM})}), "MIIEvQIBADANBgkqhkiG"),
    (json.dumps({"private_key_id": "0123abcd" * 5}), "0123abcd"),
    (f"AccountName=acme;AccountKey={AZURE_KEY};EndpointSuffix=core.windows.net", AZURE_KEY[:20]),
    (f"azure said no to {AZURE_KEY}", AZURE_KEY[:20]),
    ("https://a.blob.core.windows.net/c/b?sv=2024&sp=r&sig=abc%2Bdef%3D&se=2026", "abc%2Bdef"),
    ("https://b.s3.amazonaws.com/k?X-Amz-Signature=0a1b2c3d&X-Amz-Expires=60", "0a1b2c3d"),
    ("https://b.s3.amazonaws.com/k?X-Amz-Security-Token=IQoJb3JpZ2luX2Vj&x=1", "IQoJb3JpZ2luX2Vj"),
    ("http://minio:9000/k?X-Amz-Credential=minioadmin%2F20260101%2Fus-east-1", "minioadmin"),
    ("pbkdf2_sha256$870000$salt$hashhashhash=", "hashhash"),
    ("argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA", "aGFzaA"),
    ("bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuv", "abcdefghij"),
    ("$2b$12$abcdefghijklmnopqrstuv", "abcdefghij"),
    ("openai key sk-proj-abcdefghijklmnop1234", "abcdefghijklmnop"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnop"),
    ("?token=0123456789abcdef", "0123456789abcdef"),
    ("SharedAccessSignature=sv=2020&sig=abcd%3D", "abcd%3D"),
    ("import_sync(password='hunter2', project=12)", "hunter2"),
    ("DSN: host=db password=hunter2 user=ls", "hunter2"),
    ("password:\thunter2", "hunter2"),
]


@pytest.mark.parametrize(("text", "leak"), LEAKS)
def test_no_secret_survives(text: str, leak: str) -> None:
    masked = mask_text(text)
    assert leak not in masked
    assert MASK in masked
    assert mask_text(masked) == masked


KEPT = [
    "http://host:8080/users/ann@example.com",
    "http://minio:9000",
    "s3://bucket/images/2024/IMG_0001.jpg",
    "images/da39a3ee5e6b4b0d3255bfef95601890afd80709.jpg",
    "digest da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "job 3f0c1f0e-8f57-4b5e-9d65-0cf4d7c2a111 failed after 180 s",
    "Photos/Holiday/Summer2024/Beach/Frame001",
    "Token authentication failed",
    "12 tokens, 4 passwords, no secrets",
    "password: null",
    "io_storages.s3.models.import_sync_background(S3ImportStorage, 4)",
    "SELECT count(*) FROM htx_user WHERE email <> lower(email)",
    "passes: 4, bypass = 3, pass: 12",
    '{"pass": 12, "findings": 3}',
    "/findings?code=auth.inactive&state=open",
    "2026-01-01T10:00:00+00:00",
    "key=images/1.jpg",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_text(text) == text


def test_an_access_key_id_keeps_its_ends() -> None:
    assert mask_text("AKIAIOSFODNN7EXA0001 is inactive") == "AKIA…0001 is inactive"
    assert mask_text("key AKIAEXAMPLE0001.") == "key AKIA…0001."


def test_the_scope_of_a_signed_link_stays() -> None:
    link = "https://b.s3.eu-west-1.amazonaws.com/k?X-Amz-Credential=AKIAIOSFODNN7EXA0001%2F20260101%2Feu-west-1%2Fs3"
    assert "X-Amz-Credential=AKIA…0001%2F20260101%2Feu-west-1%2Fs3" in mask_text(link)


def test_urls() -> None:
    assert mask_url("redis://:secret@cache:6379/1") == f"redis://:{MASK}@cache:6379/1"
    assert mask_url("https://ghs4token@github.com/x") == f"https://{MASK}@github.com/x"
    assert mask_url("postgresql://ls@db/ls") == "postgresql://ls@db/ls"
    assert mask_url("unix:///run/redis.sock?db=0&password=hunter2") == f"unix:///run/redis.sock?db=0&password={MASK}"


SECRET_COLUMNS = [
    "password",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_access_key_id",
    "google_application_credentials",
    "account_key",
    "token",
    "api_key",
    "basic_auth_pass",
    "task_data_password",
    "client_secret",
    "session_key",
    "session_data",
    "auth_token",
    "user_delegation_key",
    "bind_password",
    "secretAccessKey",
    "X-Api-Key",
    "Authorization",
]


@pytest.mark.parametrize("name", SECRET_COLUMNS)
def test_secret_columns(name: str) -> None:
    assert is_secret_column(name)


OTHER_COLUMNS = [
    "id",
    "email",
    "account_name",
    "bucket",
    "prefix",
    "key",
    "inner_id",
    "tokens_count",
    "api_token_ttl_days",
    "legacy_api_tokens_enabled",
    "token_id",
    "aws_sse_kms_key_id",
    "password_changed_at",
    "bypass",
    "region_name",
    "title",
]


@pytest.mark.parametrize("name", OTHER_COLUMNS)
def test_other_columns(name: str) -> None:
    assert not is_secret_column(name)


def test_rows() -> None:
    assert mask_row("authtoken_token", {"key": "a" * 40, "user_id": 3}) == {"key": MASK, "user_id": 3}
    assert mask_row("io_storages_s3importstoragelink", {"key": "images/1.jpg"}) == {"key": "images/1.jpg"}
    storage = {
        "id": 4,
        "aws_access_key_id": "AKIAIOSFODNN7EXA0001",
        "aws_secret_access_key": "x",
        "aws_session_token": "",
    }
    assert mask_row("io_storages_s3importstorage", storage) == {
        "id": 4,
        "aws_access_key_id": "AKIA…0001",
        "aws_secret_access_key": MASK,
        "aws_session_token": "",
    }
    webhook = {"headers": {"X-Team": "blue", "Authorization": "x"}, "url": "http://u:p1@h/"}
    assert mask_row("webhook", webhook) == {
        "headers": {"X-Team": MASK, "Authorization": MASK},
        "url": f"http://u:{MASK}@h/",
    }
    assert mask_row("htx_user", {"password": "md5$salt$0123456789"})["password"] == f"md5${MASK}"
    assert mask_row("htx_user", {"password": None, "email": "a@b.c"}) == {"password": None, "email": "a@b.c"}


def test_nested_values() -> None:
    value = {"a": [{"password": "x", "n": 1}, ("redis://:pw1@h",), b"password=hunter2"], "token": ["x"], "ok": True}
    assert mask(value) == {
        "a": [{"password": MASK, "n": 1}, [f"redis://:{MASK}@h"], f"password={MASK}"],
        "token": MASK,
        "ok": True,
    }


def test_the_outcomes_of_a_run_stay() -> None:
    assert mask({"pass": 12, "unknown": 1}) == {"pass": 12, "unknown": 1}


def test_a_bottomless_value_ends() -> None:
    value: list[object] = ["password=hunter2"]
    for _ in range(5000):
        value = [value]
    assert "hunter2" not in json.dumps(mask(value))


@pytest.mark.parametrize(
    "unit",
    [
        "a", "eyJ", "eyJ.", "://", "://a:", "://a:b@", "-----BEGIN PRIVATE KEY-----", "-", "password", 'password="',
        "password='\\", "token:", "AKIA", "$2b$", "sk-", "A/", "Authorization: ", "Bearer ", "aB3/", "=", "\\\"", " ",
        "pass\n", "?sig=", "bearer a",
    ],
)  # fmt: skip
def test_a_megabyte_takes_no_longer_than_its_length(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    mask_text(text)
    assert time.process_time() - started < 6


def test_a_log_line_is_masked_with_its_traceback():
    try:
        raise ValueError("cannot reach postgresql://u:hunter2secret@h/d")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "token=%s", ("hunter2secret",), sys.exc_info())
    told = MaskedFormatter("%(message)s").format(record)
    assert "Traceback" in told and "cannot reach postgresql://u:" in told and "hunter2secret" not in told
