"""Hashes that Django made are checked as Django would; broken ones are merely wrong."""

from __future__ import annotations

import hashlib

import pytest

from console.passwords import NOBODY, check_password, make_password, spend_the_rest

PASSWORD = "Fixture-Pass-ü 1"
HASHES = {
    "pbkdf2_sha256": "pbkdf2_sha256$1000$saltSALTsalt12$Vn5H1blEGm+wRpqZQB4v/XRhtoGlF2pXMTgylgm+6QY=",
    "pbkdf2_sha1": "pbkdf2_sha1$1000$saltSALTsalt12$h8752Ii+0hG9p1QD7sM6jPmIWz4=",
    "scrypt": "scrypt$1024$saltSALTsalt12$8$5$dOOmdfSjt0GqGpMJx07XrAbBWoER2hlZsEUOzT1onHfpMa8td4zKbBXuJ9AJVVzQbV2ebcD7DuRGFPU5nPq/9Q==",
    "argon2": "argon2$argon2id$v=19$m=1024,t=2,p=2$c2FsdFNBTFRzYWx0MTIzNA$sp9NJxM8qlPtowLWYa9IIbjPz1qHxlY1XAVf5MGxJls",
    "bcrypt_sha256": "bcrypt_sha256$$2b$04$OaBgsuDFxCQFgSoZ7C/gBuK8q0BAJLqHSROOs..fvgA/H8wL0Vt9S",
    "bcrypt": "bcrypt$$2b$04$OaBgsuDFxCQFgSoZ7C/gBuiOY7Sv5rYbvqgtSW6Mw3l7zTPyxSED6",
}


@pytest.mark.parametrize("encoded", HASHES.values(), ids=HASHES.keys())
def test_a_hash_fits_its_password_alone(encoded):
    assert check_password(PASSWORD, encoded)
    for wrong in ("", "Fixture-Pass-ü 2", PASSWORD.lower(), PASSWORD + " ", "\x00", PASSWORD + "\x00", "x" * 5000):
        assert not check_password(wrong, encoded)


@pytest.mark.parametrize("encoded", HASHES.values(), ids=HASHES.keys())
def test_a_hash_cut_anywhere_is_wrong_and_never_raises(encoded):
    for end in range(len(encoded)):
        assert not check_password(PASSWORD, encoded[:end])


@pytest.mark.parametrize(
    "encoded",
    [
        None, "", "!", "!unusable", "plain", "md5$salt$hash", "sha1$salt$hash", "unheard$1$a$b", "$$$", "pbkdf2_sha256$$$",
        "pbkdf2_sha256$-1$salt$x", "pbkdf2_sha256$x$salt$x", "pbkdf2_sha256$99999999999$salt$x", "argon2$nonsense",
        "scrypt$99999999999$salt$8$1$x", "scrypt$16384$salt$0$0$x", "scrypt$3$salt$8$1$x", "bcrypt$$2b$99$x",
        "pbkdf2_sha256$1000$salt$ünïcode", NOBODY,
    ],
)  # fmt: skip
def test_unusable_unknown_and_hostile_hashes_fit_nobody(encoded):
    assert check_password(PASSWORD, encoded) is False


def test_a_lone_surrogate_is_merely_wrong():
    for encoded in HASHES.values():
        assert check_password("\ud800", encoded) is False


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_people_of_the_dumps(deployment, engine):
    from sqlalchemy import select

    from console.deployment.models import User

    with deployment.read() as session:
        stored = session.scalar(select(User.password).where(User.id == 1))
    assert check_password("Fixture-Pass-1", stored)
    assert not check_password("Fixture-Pass-2", stored)


@pytest.mark.parametrize(
    "encoded",
    [None, "", "!unusable", "nonsense", "pbkdf2_sha256$260000$saltSALTsalt12$x", "pbkdf2_sha256$x$salt$x", "pbkdf2_sha256$²$s$x", NOBODY],
)  # fmt: skip
def test_a_refusal_costs_the_same_rounds_whatever_is_stored(monkeypatch, encoded):
    """Otherwise its time tells who has an account, and whose password is old or unusable."""
    spent = []
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda name, password, salt, rounds: spent.append(rounds) or b"")
    assert not check_password(PASSWORD, encoded)
    spend_the_rest(PASSWORD, encoded)
    assert sum(spent) == 1_000_000
    spent.clear()
    for hopeless in ("x" * 5000, "\x00"):
        check_password(hopeless, encoded)
        spend_the_rest(hopeless, encoded)
    assert spent == []


def test_a_hash_of_ours_is_one_of_djangos():
    made = make_password(PASSWORD)
    algorithm, rounds, salt, _ = made.split("$")
    assert (algorithm, rounds, len(salt)) == ("pbkdf2_sha256", "1000000", 22) and salt.isalnum()
    assert check_password(PASSWORD, made) and not check_password(PASSWORD + " ", made)
