"""The API on a copy of a real database, asked as people of the dump. Jobs run inside the request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from console.app import build
from console.config import Settings
from console.service import Console
from tests.api_client import ApiClient, client_of


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, jobs="inline")


@pytest.fixture
def app(console: Console) -> Flask:
    """The whole application; errors arrive as answers, as they do for clients."""
    app = build(console=console)
    app.config["TESTING"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


@pytest.fixture
def alice(app: Flask, console: Console) -> ApiClient:
    """Made organization 1 and projects 1 and 2."""
    return client_of(app, console, "alice")


@pytest.fixture
def bob(app: Flask, console: Console) -> ApiClient:
    """Another member of organization 1."""
    return client_of(app, console, "bob")


@pytest.fixture
def erin(app: Flask, console: Console) -> ApiClient:
    """Made organization 2 and project 4."""
    return client_of(app, console, "erin")


@pytest.fixture
def anonymous(app: Flask) -> ApiClient:
    """Nobody."""
    return ApiClient(app, {})
