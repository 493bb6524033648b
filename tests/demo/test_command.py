"""The demo as a command: where it keeps its files."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from console import server
from console.config import Settings


@pytest.mark.parametrize("keep", [False, True])
def test_the_demo_keeps_its_files_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    """A Label Studio of the same account has its files elsewhere; what was kept is wiped unless asked for."""
    people = [SimpleNamespace(email="a@example.com", password="p", role="superuser", token="t")]
    deployment = SimpleNamespace(database_url="sqlite:////nowhere.sqlite3", redis_url=None, people=people,
                                 s3_endpoint="http://127.0.0.1:1")  # fmt: skip
    served: list[Settings] = []
    report = SimpleNamespace(findings=[])
    console = SimpleNamespace(check=lambda **_: report, close=lambda: None)
    monkeypatch.setattr("console.demo.start", lambda *_, **__: nullcontext(deployment))
    monkeypatch.setattr(server, "_must_be_free", lambda _: None)
    monkeypatch.setattr(server, "Console", lambda _: console)
    monkeypatch.setattr(server, "serve", lambda settings, **_: served.append(settings))
    for name in ("lsconsole-demo-state", "lsconsole-demo-files"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").write_text("")
    server.demo("127.0.0.1:1", tmp_path, keep=keep)
    [settings] = served
    assert (settings.data_dir, settings.base_data_dir) == (
        tmp_path / "lsconsole-demo-state",
        tmp_path / "lsconsole-demo-files",
    )
    assert len(settings.label_studio_secret_key or "") == 64
    assert (
        (tmp_path / "lsconsole-demo-state" / "kept").exists()
        is (tmp_path / "lsconsole-demo-files" / "kept").exists()
        is keep
    )
