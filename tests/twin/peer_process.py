"""Real Label Studio as a server for the twin tests; run by the Python of the peer's virtual environment.

One request at a time, so that one thread and one database connection serve everything, and a request to `SWITCH`
can put another database underneath without a restart. Nothing else is changed: Label Studio's own settings module,
middleware and feature flags are in force. Argument: the file that tells the port, written once it listens.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIServer

PACKAGE = Path(find_spec("label_studio").origin).parent
sys.path.insert(0, str(PACKAGE))
#: Names the database of all later requests: `?name=<SQLite file or PostgreSQL database>`.
SWITCH = "/-twin-/database"
#: Names the servers of Google and Azure storages: `?gcs=<address>&azure=<address with {account}>`.
CLOUDS = "/-twin-/clouds"

from django.core.cache import cache  # noqa: E402
from django.core.servers.basehttp import WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.db.models import signals  # noqa: E402

label_studio = get_wsgi_application()

from azure.storage.blob import BlobServiceClient  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.urls import get_resolver  # noqa: E402
from io_storages.azure_blob import models as azure_blob  # noqa: E402

assert get_resolver().url_patterns  # modules of views have receivers, too: they are there from here on

#: Who hears of changes, in the order of a fresh process. Bulk work in Label Studio takes receivers out and puts them back
#: at the end, so that later requests of the same process count differently.
RECEIVERS = {signal: list(signal.receivers) for signal in vars(signals).values() if hasattr(signal, "receivers")}


class QuietHandler(WSGIRequestHandler):
    """No line per request: the log is for tracebacks."""

    def log_message(self, format, *args):
        return None


def switch(name):
    """Puts another database under the application and forgets what it remembers of the last one."""
    connections.close_all()
    connections.settings["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name
    for signal, receivers in RECEIVERS.items():
        signal.receivers = list(receivers)
        signal.sender_receivers_cache.clear()
    ContentType.objects.clear_cache()
    cache.clear()


def reach(gcs, azure):
    """Storages of both providers lead to these servers. Label Studio knows Azure's public cloud alone."""
    os.environ["STORAGE_EMULATOR_HOST"] = gcs

    class Client:
        @staticmethod
        def from_connection_string(conn_str):
            told = dict(part.split("=", 1) for part in conn_str.split(";"))
            return BlobServiceClient(azure.format(account=told["AccountName"]), told["AccountKey"])

    azure_blob.BlobServiceClient = Client


def application(environ, start_response):
    """Label Studio, and the one request that is for this process."""
    if environ["PATH_INFO"] == SWITCH:
        switch(parse_qs(environ["QUERY_STRING"])["name"][0])
        start_response("204 No Content", [])
        return [b""]
    if environ["PATH_INFO"] == CLOUDS:
        told = parse_qs(environ["QUERY_STRING"])
        reach(told["gcs"][0], told["azure"][0])
        start_response("204 No Content", [])
        return [b""]
    return label_studio(environ, start_response)


server = WSGIServer(("127.0.0.1", 0), QuietHandler)
server.set_app(application)
unfinished = Path(sys.argv[1] + ".unfinished")
unfinished.write_text(str(server.server_port))
unfinished.rename(sys.argv[1])
server.serve_forever()
