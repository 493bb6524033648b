"""pg.latency: how far away the database is."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from console.deployment import Deployment
from console.diagnostics.check import Context
from console.diagnostics.pg.latency import latency
from tests.diagnostics.postgresql import url_of
from tests.factories import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
SECONDS = 0.012


@pytest.fixture
def far_away(settings, ctx: Context):
    """The same database behind a line that holds each answer back."""
    address = urlsplit(url_of(ctx))
    listening = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, target: socket.socket, delay: float) -> None:
        with closing(target):
            while data := source.recv(65536):
                time.sleep(delay)
                target.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            server = socket.create_connection((address.hostname, address.port))
            threading.Thread(target=carry, args=(client, server, 0), daemon=True).start()
            threading.Thread(target=carry, args=(server, client, SECONDS), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    port = listening.getsockname()[1]
    url = address._replace(netloc=f"postgres@127.0.0.1:{port}").geturl()
    deployment = Deployment.attach(settings.with_(database_url=url))
    yield Context(deployment, None)  # type: ignore[arg-type]
    deployment.close()
    listening.close()


def test_a_database_of_the_same_machine_is_near(ctx: Context) -> None:
    assert latency.run(ctx) == []


def test_a_database_in_another_region(far_away: Context) -> None:
    [finding] = latency.run(far_away)
    far_away.close()
    assert finding.subject == "deployment:database"
    [row] = finding.evidence.rows
    assert row["asked"] == 21 and row["quickest_ms"] >= SECONDS * 1000
    assert finding.summary.startswith("An answer of the database takes 1")
