"""Behind a pooler maintenance is refused. The stand-in does what PgBouncer does at the start of a connection."""

import contextlib
import socket
import struct
import threading
from urllib.parse import urlsplit

import pytest

from console.deployment import Deployment
from console.errors import CannotAttach, Refused
from console.maintenance.preview import preview
from console.maintenance.run import run


@pytest.fixture
def pooler(settings):
    """A port that passes everything on, but announces a process number of its own making."""
    server = urlsplit(settings.database_url)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                behind = socket.create_connection((server.hostname, server.port))
                threading.Thread(target=pass_on, args=(client, behind, False), daemon=True).start()
                threading.Thread(target=pass_on, args=(behind, client, True), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server._replace(netloc=f"postgres@127.0.0.1:{listener.getsockname()[1]}").geturl() + "?sslmode=disable"
    over.set()
    listener.close()


def pass_on(source: socket.socket, target: socket.socket, rewrite: bool) -> None:
    with contextlib.suppress(OSError), source, target:
        while data := source.recv(65536):
            if rewrite and (at := data.find(b"K\x00\x00\x00\x0c")) >= 0:
                data = data[: at + 5] + struct.pack("!ii", 4_242_424, 1) + data[at + 13 :]
                rewrite = False
            target.sendall(data)


def test_a_pooler_is_noticed_and_the_way_round_it_told(settings, pooler):
    deployment = Deployment.attach(settings.with_(database_url=pooler))
    assert "LSCONSOLE_FIX_DATABASE_URL" in preview(deployment, "analyze", "task").refusals[0]
    with pytest.raises(Refused, match="PgBouncer"):
        run(deployment, "analyze", "task")
    deployment.close()


def test_the_servers_own_address_for_fixing_is_enough(settings, pooler):
    deployment = Deployment.attach(settings.with_(database_url=pooler, fix_database_url=settings.database_url))
    assert run(deployment, "analyze", "task").done
    deployment.close()


def test_no_server_is_one_clear_sentence(deployment, settings):
    deployment.settings = settings.with_(fix_database_url="postgresql://postgres:secret-word@127.0.0.1:1/x")
    with pytest.raises(CannotAttach, match="Nothing listens") as raised:
        run(deployment, "analyze", "task")
    assert "secret-word" not in str(raised.value)
