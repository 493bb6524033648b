"""A served API that the official SDK talks to: where it answers, and who may ask."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Any

import httpx
import requests
from label_studio_sdk import LabelStudio
from label_studio_sdk._legacy import Client
from sqlalchemy import text

from tests.twin.rows import engine_of

SENTIMENT = """<View>
  <Text name="text" value="$text"/>
  <Choices name="sentiment" toName="text">
    <Choice value="Positive"/><Choice value="Negative"/><Choice value="Neutral"/>
  </Choices>
</View>"""
#: The only organization of the people below; erin and frank are in another one.
ORGANIZATION = 1
PASSWORD = "Fixture-Pass-1"
TIMEOUT_SECONDS = 30
#: One context for all clients: each would load all certificates of the machine, for addresses of http.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Site:
    """One server. People are called by the first part of their e-mail: alice, bob, carol; erin is a stranger."""

    url: str
    tokens: dict[str, str]

    def client(self, person: str = "alice") -> LabelStudio:
        """The SDK with this person's legacy token."""
        return self.client_with(self.tokens[person])

    def client_with(self, api_key: str) -> LabelStudio:
        """The SDK with a legacy token or a personal access token; it asks once, so that no error hides in a retry."""
        web = httpx.Client(verify=NO_TLS, follow_redirects=True, timeout=TIMEOUT_SECONDS)
        client = LabelStudio(base_url=self.url, api_key=api_key, httpx_client=web)
        client._client_wrapper.httpx_client.base_max_retries = 0
        return client

    def legacy(self, person: str = "alice") -> Client:
        """The client of the SDK before 1.0, which many scripts still use."""
        return Client(url=self.url, api_key=self.tokens[person])

    def send(self, method: str, path: str, person: str = "alice", **options: Any) -> requests.Response:
        """A request without the SDK, as scripts with `requests` make it; fails on any status of 400 and over."""
        headers = {"Authorization": f"Token {self.tokens[person]}", **options.pop("headers", {})}
        answer = requests.request(method, f"{self.url}{path}", headers=headers, timeout=TIMEOUT_SECONDS, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer


def tokens_of(database_url: str) -> dict[str, str]:
    """Everybody's legacy token, by the first part of the e-mail."""
    engine = engine_of(database_url)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT u.email, t.key FROM htx_user u JOIN authtoken_token t ON t.user_id = u.id")
        ).all()
    engine.dispose()
    return {re.split("[@.]", email.lower())[0]: key for email, key in rows}
