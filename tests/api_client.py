"""A client of the API for tests: Label Studio's paths on the application of the `console` fixture, with a token."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from console.service import Console

#: People of the dumps in organization 1 (alice, bob, carol), in organization 2 (erin, frank).
EMAILS = {"alice": "alice@example.com", "bob": "bob@example.com", "carol": "carol@example.com",
          "erin": "erin@example.com", "frank": "frank@example.com", "grace": "grace@example.com"}  # fmt: skip


class ApiClient:
    """Requests with one person's legacy token; `client.get("/api/tasks/1/")` returns werkzeug's response."""

    def __init__(self, app: Flask, headers: dict[str, str]) -> None:
        self.flask = app.test_client()
        self.headers = headers

    def send(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = self.headers | options.pop("headers", {})
        return self.flask.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.send("POST", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self.send("PATCH", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.send("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.send("DELETE", path, **options)


def token_of(console: Console, person: str) -> str:
    """The legacy token of somebody in the dump."""
    with console.deployment.read() as session:
        return session.execute(
            text("select t.key from authtoken_token t join htx_user u on u.id = t.user_id where u.email = :email"),
            {"email": EMAILS.get(person, person)},
        ).scalar_one()


def accept_legacy_tokens(console: Console) -> None:
    """Organization 2 of the dumps refuses legacy tokens, where the release can; here it takes them."""
    if console.deployment.schema.has_table("jwt_auth_jwtsettings"):
        with console.deployment.write() as session:
            session.execute(text("update jwt_auth_jwtsettings set legacy_api_tokens_enabled = true"))


def client_of(app: Flask, console: Console, person: str) -> ApiClient:
    """A client with this person's token, which is accepted; `person` is a first name of the dumps or an e-mail."""
    if person in {"erin", "frank"}:
        accept_legacy_tokens(console)
    return ApiClient(app, {"Authorization": f"Token {token_of(console, person)}"})
