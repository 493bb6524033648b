"""The converter of the SDK in its own process: what it may fetch, and that it sees nothing of ours."""

from __future__ import annotations

import base64
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from console.config import Settings
from console.labeling.exports import converter
from console.labeling.label_config import parse_stored

CONTROLS = parse_stored(
    '<View><Image name="i" value="$image"/><RectangleLabels name="l" toName="i"><Label value="Car"/></RectangleLabels></View>'
).controls
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Pictures(BaseHTTPRequestHandler):
    """One PNG under every path."""

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def pictures() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Pictures)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def converted(order: converter.Order, images: list[str], directory: Path, settings: Settings) -> list[str]:
    box = {"x": 1, "y": 1, "width": 9, "height": 9, "rotation": 0, "rectanglelabels": ["Car"]}
    result = [
        {
            "from_name": "l",
            "to_name": "i",
            "type": "rectanglelabels",
            "original_width": 1,
            "original_height": 1,
            "value": box,
        }
    ]
    tasks = [
        {"id": number, "data": {"image": image}, "annotations": [{"id": number, "completed_by": 1, "result": result}]}
        for number, image in enumerate(images, 1)
    ]
    source = directory / "tasks.json"
    source.write_text(json.dumps(tasks))
    made = converter.convert(order, source, directory, settings)
    assert made is not None
    with zipfile.ZipFile(made) as archive:
        return [name for name in archive.namelist() if name.startswith("images/") and not name.endswith("/")]


def test_images_of_allowed_addresses_and_own_uploads(pictures: HTTPServer, tmp_path: Path):
    data = tmp_path / "label-studio"
    for project in (1, 2):
        place = data / "media" / "upload" / str(project)
        place.mkdir(parents=True)
        (place / f"of-{project}.png").write_bytes(PNG)
    settings = Settings.load({"SSRF_PROTECTION_ENABLED": "false", "LABEL_STUDIO_BASE_DATA_DIR": str(data)})
    images = [f"http://127.0.0.1:{pictures.server_port}/a.png", "/data/upload/1/of-1.png", "/data/upload/2/of-2.png",
              "/data/upload/1/../2/of-2.png", str(data / "media/upload/2/of-2.png")]  # fmt: skip
    work = tmp_path / "work"
    work.mkdir()
    found = converted(converter.Order("COCO_WITH_IMAGES", CONTROLS, 1), images, work, settings)
    assert sorted(name.rpartition("_")[2].rpartition("/")[2] for name in found) == ["a.png", "of-1.png"]
    [headers] = pictures.asked  # type: ignore[attr-defined]
    assert not {name.lower() for name in headers} & {"authorization", "cookie"}


def test_nothing_is_fetched_unless_it_is_asked_for(pictures: HTTPServer, tmp_path: Path):
    settings = Settings.load({"SSRF_PROTECTION_ENABLED": "false"})
    assert (
        converted(
            converter.Order("COCO", CONTROLS, 1), [f"http://127.0.0.1:{pictures.server_port}/a.png"], tmp_path, settings
        )
        == []
    )
    assert pictures.asked == []  # type: ignore[attr-defined]


def test_the_process_sees_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LSCONSOLE_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "secret")
    monkeypatch.setattr(
        converter, "_RUN", "import json, os; print(json.dumps({'entries': 0, 'environment': dict(os.environ)}))"
    )
    answer = converter._run("{}", tmp_path, converter.Order("COCO", {}), lambda: False)
    assert "secret" not in str(answer) and set(answer["environment"]) <= {
        "PATH", "LANG", "HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8", "LC_CTYPE",
    }  # fmt: skip


def test_what_goes_wrong_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    slow = converter.Order("YOLO", {}, interrupted_after_seconds=0.2)
    monkeypatch.setattr(converter, "_RUN", "import time; time.sleep(60)")
    with pytest.raises(converter.ConversionFailed, match=r"longer than 0\.2 s"):
        converter._run("{}", tmp_path, slow, lambda: False)
    with pytest.raises(converter.ConversionFailed, match="was stopped"):
        converter._run("{}", tmp_path, converter.Order("YOLO", {}), lambda: True)
    for program, told in (
        ("import os; os.abort()", "ended with code -6"),
        ("print(1)", "no answer"),
        ("print('{\"error\": \"no wheels\"}')", "no wheels"),
    ):  # fmt: skip
        monkeypatch.setattr(converter, "_RUN", program)
        with pytest.raises(converter.ConversionFailed, match=f"YOLO cannot be made of these tasks: .*{told}"):
            converter._run("{}", tmp_path, converter.Order("YOLO", {}), lambda: False)
