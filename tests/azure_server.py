"""Azurite, the blob service that checks keys and SAS for real; see `tests/azurite`."""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.demo.processes import HOST, Child, free_port
from tests.servers import ROOT

AZURITE = ROOT / "tests" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "labelstore"


@dataclass(frozen=True)
class AzureServer:
    """A running blob service with one account; `endpoint` is what LSCONSOLE_AZURE_ENDPOINT would say."""

    endpoint: str
    account: str
    key: str

    @property
    def login(self) -> dict[str, str]:
        """The columns of a storage row."""
        return {"account_name": self.account, "account_key": self.key}


@contextmanager
def azure_server() -> Iterator[AzureServer]:
    """An empty Azurite. Without one the test fails: Azure storages are not half tested in silence."""
    node = shutil.which("node")
    if node is None or not AZURITE.exists():
        pytest.fail("AZURITE IS NOT INSTALLED: run tools/azurite (it needs Node and npm)", pytrace=False)
    port, key = free_port(), base64.b64encode(secrets.token_bytes(64)).decode()
    with tempfile.TemporaryDirectory(prefix="lsconsole-azure-") as directory:
        command = [node, str(AZURITE), "--blobHost", HOST, "--blobPort", str(port)]
        # links are signed with a newer version than Azurite knows
        command += ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        environment = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
        child = Child("Azurite", command, Path(directory, "azurite.log"), environment=environment)
        try:
            child.wait_for_port(port)
            yield AzureServer(f"http://{HOST}:{port}/{{account}}", ACCOUNT, key)
        finally:
            child.stop()
