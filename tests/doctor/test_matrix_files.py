"""The matrix of local files and of Redis: every cell that can be red there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from console.config import Settings
from console.deployment.storages import Storage
from tests import servers
from tests.doctor.conftest import Look, storage_of

BROWSER = ("presign", "range", "preflight", "simple")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The document root, with a storage's directory of one file."""
    (tmp_path / "root" / "images").mkdir(parents=True)
    (tmp_path / "root" / "images" / "a.png").write_bytes(b"png")
    return tmp_path / "root"


@pytest.fixture
def settings(settings: Settings, root: Path) -> Settings:
    return replace(settings, local_files_serving=True, local_files_root=root)


def files(root: Path, kind: str = "localfiles", name: str = "images", **columns: Any) -> Storage:
    return storage_of(kind, {"path": str(root / name)}, **columns)


def states(cells: dict[str, Any]) -> dict[str, str]:
    return {name: cell.state for name, cell in cells.items()}


def test_a_directory_that_is_right(look: Look, root: Path) -> None:
    cells = look(files(root))
    assert states(cells) == {
        "resolve": "ok", "list": "ok", "get": "ok", "head": "ok", **dict.fromkeys(BROWSER, "not_applicable"),
        "put": "not_tried", "delete": "not_tried",
    }  # fmt: skip
    assert "hands local files on" in cells["presign"].message


def test_writing_is_tried_with_consent_and_leaves_nothing(look: Look, root: Path) -> None:
    cells = look(files(root), consent=True)
    assert (cells["put"].state, cells["delete"].state) == ("ok", "ok")
    assert [path.name for path in (root / "images").iterdir()] == ["a.png"]


def test_a_directory_that_is_not_there(look: Look, root: Path) -> None:
    cells = look(files(root, name="gone"))
    assert cells["resolve"].state == "failed" and "does not exist" in cells["resolve"].message
    assert cells["list"].state == "unknown" and "out of reach" in cells["list"].message
    assert "LOCAL_FILES_DOCUMENT_ROOT" in cells["resolve"].statement


def test_a_directory_outside_of_the_root(look: Look, root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    cell = look(storage_of("localfiles", {"path": str(tmp_path / "elsewhere")}))["resolve"]
    assert cell.state == "failed" and "must be a subdirectory" in cell.message


def test_no_right_to_read_or_write(look: Look, root: Path) -> None:
    if os.geteuid() == 0:
        (root / "images" / "a.png").unlink()
        (root / "images" / "a.png").symlink_to("/proc/self/environ")  # root may read all else
        assert look(files(root))["get"].state in {"failed", "unknown"}
        return
    (root / "images" / "a.png").chmod(0)
    (root / "images").chmod(0o500)
    cells = look(files(root), consent=True)
    (root / "images").chmod(0o700)
    assert cells["get"].state == "failed" and "chmod" in cells["get"].statement
    assert cells["put"].state == "failed" and cells["delete"].state == "unknown"


def test_a_target_needs_no_reading(look: Look, root: Path) -> None:
    cells = look(files(root, "localfiles-export"))
    assert cells["resolve"].state == cells["list"].state == "ok" and cells["get"].state == "not_applicable"


class TestServingOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, local_files_serving=False)

    def test_it_says_which_setting(self, look: Look, root: Path) -> None:
        cell = look(files(root))["resolve"]
        assert cell.state == "failed" and "LOCAL_FILES_SERVING_ENABLED" in cell.message
        assert "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true" in cell.statement


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


def in_redis(url: str, kind: str = "redis", **columns: Any) -> Storage:
    parts = urlsplit(url)
    row = {"host": parts.hostname, "port": str(parts.port), "db": 1, "path": "tasks/", "password": ""}
    return storage_of(kind, {**row, "use_blob_urls": False, **columns})


def test_a_redis_that_is_right(look: Look, server: str) -> None:
    redis.Redis.from_url(server.removesuffix("/0") + "/1").set("tasks/1", '{"text": "x"}')
    cells = look(in_redis(server), consent=True)
    assert states(cells) == {
        "resolve": "ok", "list": "ok", "get": "ok", "head": "ok", **dict.fromkeys(BROWSER, "not_applicable"),
        "put": "ok", "delete": "ok",
    }  # fmt: skip
    assert redis.Redis.from_url(server.removesuffix("/0") + "/1").dbsize() == 1


def test_database_0_is_refused(look: Look, server: str) -> None:
    cells = look(in_redis(server, db=0))
    assert cells["resolve"].state == "failed" and "Database 0" in cells["resolve"].message


def test_nobody_listens(look: Look) -> None:
    from console.demo.processes import free_port

    cells = look(in_redis(f"redis://127.0.0.1:{free_port()}/1"), consent=True)
    assert cells["resolve"].state == "ok" and cells["list"].state == "failed"
    assert {cells[name].state for name in ("get", "head", "put", "delete")} == {"unknown"}


def test_an_access_list_that_is_too_narrow_names_the_line(look: Look, server: str) -> None:
    admin = redis.Redis.from_url(server.removesuffix("/0") + "/1", protocol=2)
    admin.set("tasks/1", "{}")
    admin.execute_command("ACL", "SETUSER", "boss", "on", "nopass", "~*", "+@all")
    boss = redis.Redis.from_url(server.removesuffix("/0") + "/1", username="boss", password="any")
    try:
        boss.execute_command(
            "ACL",
            "SETUSER",
            "default",
            "on",
            "resetkeys",
            "~tasks/*",
            "-@all",
            "+ping",
            "+select",
            "+scan",
            "+keys",
            "+multi",
            "+discard",
        )
        cells = look(in_redis(server), consent=True)
        assert cells["list"].state == "ok"
        for name in ("get", "put", "delete"):
            assert cells[name].state == "failed", cells[name]
            assert cells[name].code == "NOPERM" and cells[name].statement
        from console.doctor.policies import Surroundings, snippets

        [found] = snippets(in_redis(server), Surroundings())
        import shlex

        boss.execute_command(*shlex.split(found.commands[0])[3:])
        cells = look(in_redis(server), consent=True)
        assert [cells[name].state for name in ("list", "get", "head", "put")] == ["ok", "ok", "ok", "failed"]
    finally:
        boss.execute_command("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all")


def test_a_private_host_is_refused_by_the_network_rules(look: Look) -> None:
    cells = look(in_redis("redis://127.0.0.2:6379/1"))
    assert cells["resolve"].state == "failed" and "LSCONSOLE_BUCKET_ENDPOINTS" in cells["resolve"].message
    assert cells["list"].state == "unknown"
