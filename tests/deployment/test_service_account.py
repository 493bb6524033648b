"""Keys of service accounts as people paste them: what is told of each, what is put right, and that nothing shows the key."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.oauth2.service_account import Credentials

from console.deployment.service_account import parsed, repaired
from tests.gcs_server import Google

GOOD = json.loads(Google(url="https://oauth2.googleapis.com").key_file())
KEY = GOOD["private_key"]
CURVE = (
    ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)


def text(**members: Any) -> str:
    return json.dumps({**GOOD, **members})


def test_a_good_key_stays_as_it_is() -> None:
    assert parsed(text())["client_email"] == GOOD["client_email"]
    assert repaired(json.dumps(GOOD, indent=2)) is None


@pytest.mark.parametrize("between", [" ", ""])
def test_a_key_in_one_line_loads_all_the_same(between: str) -> None:
    assert parsed(text(private_key=KEY.replace("\n", between)))


MENDABLE = {
    "escaped twice": (text(private_key=KEY.replace("\n", "\\n")), r"escaped twice"),
    "windows": (text(private_key=KEY.replace("\n", "\\r\\n")), r"escaped twice"),
    "real line ends": (text().replace("\\n", "\n"), "real line ends"),
    "base64": (base64.b64encode(text().encode()).decode(), "in base64"),
    "base64 in lines": (base64.encodebytes(text().encode()).decode(), "in base64"),
    "base64 of escaped twice": (
        base64.b64encode(text(private_key=KEY.replace("\n", "\\n")).encode()).decode(),
        "base64",
    ),
}


@pytest.mark.parametrize("name", list(MENDABLE))
def test_a_broken_form_is_told_and_put_right(name: str) -> None:
    broken, words = MENDABLE[name]
    with pytest.raises(ValueError, match=words) as told:
        parsed(broken)
    assert KEY.splitlines()[1] not in str(told.value)
    fixed = repaired(broken)
    assert fixed is not None and {**parsed(fixed), "private_key": ""} == {**GOOD, "private_key": ""}
    assert Credentials.from_service_account_info(json.loads(fixed)).service_account_email == GOOD["client_email"]
    assert repaired(fixed) is None


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("   ", "blank"),
        ("/opt/keys/label-studio.json", "path of a file"),
        ("C:\\keys\\ls.json", "path of a file"),
        (KEY, "private key alone"),
        ("{", "must be valid JSON, and it is not .line 1, column 2."),
        (text().replace('"type"', "'type'"), "must be valid JSON"),
        ("[1]", "no object"),
        ("x" * 30_000, "30,000 characters"),
        ("[" * 20_000, "20,000|valid JSON"),
        (text(type="authorized_user"), "of the type 'authorized_user'"),
        (text(private_key=None), "lacks private_key"),
        (text(client_email=" ", token_uri=5), "lacks client_email and token_uri"),
        (text(private_key=KEY[:300] + KEY[340:]), "cannot be read"),
        (text(private_key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "cannot be read"),
        (text(private_key=CURVE), "no RSA key"),
        (text(universe_domain="evil.example"), "universe_domain"),
    ],
)
def test_what_has_to_be_entered_again(broken: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        parsed(broken)
    assert KEY.splitlines()[1] not in str(told.value) and len(str(told.value)) < 300
    assert repaired(broken) is None
