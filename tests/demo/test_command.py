"""The demo as a command: where it keeps its files, and what it tells."""

from __future__ import annotations

import tomllib
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from console import server
from console.config import Settings


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What would have been served, with a deployment that starts nothing."""
    people = [SimpleNamespace(email="a@example.com", password="p", role="superuser", token="t")]
    faults = [SimpleNamespace(code="storage.cors_missing", subject="storage:s3:19")]
    told = {"database_url": "sqlite:////nowhere.sqlite3", "write_probes": True, "bucket_endpoints": ("127.0.0.1:9",),
            "base_data_dir": tmp_path / "lsconsole-demo-files"}  # fmt: skip
    deployment = SimpleNamespace(
        people=people, faults=faults, settings=lambda address: {**told, "label_studio_url": address}
    )
    served: list[Settings] = []
    report = SimpleNamespace(findings=[])
    console = SimpleNamespace(check=lambda **_: report, close=lambda: None)
    monkeypatch.setattr("console.demo.start", lambda *_, **__: nullcontext(deployment))
    monkeypatch.setattr(server, "_must_be_free", lambda _: None)
    monkeypatch.setattr(server, "answering", nullcontext)
    monkeypatch.setattr(server, "Console", lambda _: console)
    monkeypatch.setattr(server, "serve", lambda settings, **_: served.append(settings))
    return served


@pytest.mark.parametrize("keep", [False, True])
def test_the_demo_keeps_its_files_to_itself(tmp_path: Path, served: list[Settings], keep: bool) -> None:
    """A Label Studio of the same account has its files elsewhere; what was kept is wiped unless asked for."""
    (tmp_path / "lsconsole-demo-state").mkdir()
    (tmp_path / "lsconsole-demo-state" / "kept").write_text("")
    server.demo("127.0.0.1:1", tmp_path, keep=keep)
    [settings] = served
    assert (settings.data_dir, settings.base_data_dir) == (
        tmp_path / "lsconsole-demo-state",
        tmp_path / "lsconsole-demo-files",
    )
    assert len(settings.label_studio_secret_key or "") == 64
    assert (tmp_path / "lsconsole-demo-state" / "kept").exists() is keep


def test_a_terminal_is_told_what_the_console_was_told(
    tmp_path: Path, served: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    server.demo("127.0.0.1:1", tmp_path)
    config = tmp_path / "lsconsole-demo.toml"
    told = capsys.readouterr().err
    assert f"export LSCONSOLE_CONFIG={config}" in told and "storage look s3:19" in told
    assert "http://127.0.0.1:1/storages/s3:19" in told
    assert config.stat().st_mode & 0o077 == 0 and tomllib.loads(config.read_text())["write_probes"] is True
    [settings], again = served, Settings.load({}, config_file=config)
    for name in ("database_url", "bucket_endpoints", "data_dir", "label_studio_url", "label_studio_secret_key"):
        assert getattr(again, name) == getattr(settings, name)
