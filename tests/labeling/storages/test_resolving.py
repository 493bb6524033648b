"""Which storage serves a link, and which files on the disk may be served."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.errors import Forbidden, NotFound
from console.labeling.storages import resolving
from console.labeling.tasks_data import Source
from tests.factories import BOTH_ENGINES
from tests.labeling.conftest import Writing

SOURCES = [Source("s3", 1, "s3", "photos"), Source("s3", 2, "s3", "photos"), Source("gcs", 1, "gs", "photos"),
           Source("azure", 1, "azure-blob", "box")]  # fmt: skip


@pytest.mark.parametrize(
    ("fileuri", "link"),
    [
        (base64.urlsafe_b64encode("s3://photos/ü b.png".encode()).decode(), "s3://photos/ü b.png"),
        ("s3://photos/a.png", "s3://photos/a.png"),
        ("s3%3A%2F%2Fphotos%2Fa%2520b.png", "s3://photos/a%20b.png"),
        ("", ""), ("%%%", ""), ("é", ""), ("s3://é", "s3://é"),
    ],
)  # fmt: skip
def test_links_come_in_base64_or_escaped(fileuri: str, link: str):
    assert resolving.decoded(fileuri) == link


@pytest.mark.parametrize(
    ("uri", "claimed"),
    [
        ("s3://photos/a", ("s3", 1)), ("gs://photos/a", ("gcs", 1)), ("azure-blob://box/a/b", ("azure", 1)),
        ("s3://Photos/a", None), ("S3://photos/a", None), ("s3://photos", None), ("s3:/photos/a", None), ("gs://box/a", None),
        ("https://photos/a", None), ("", None), ("s3://photos\x00/a", None),
    ],
)  # fmt: skip
def test_scheme_and_bucket_have_to_be_equal(uri: str, claimed: tuple[str, int] | None):
    found = resolving.claiming(SOURCES, uri)
    assert (found and (found.provider, found.id)) == claimed


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("s3://b/a/b.png", "a/b.png"),
        ("s3://b//a", "a"),
        ("s3://b/a?x=1#y;z", "a?x=1#y;z"),
        ("s3://b/", ""),
        ("gs://b/ü%20", "ü%20"),
    ],
)
def test_the_key_is_what_stands_after_the_bucket(uri: str, key: str):
    assert resolving.key_of(uri) == key


@BOTH_ENGINES
def test_the_place_of_a_link(writing: Writing):
    with writing() as db:
        place = resolving.of_task(db, 60, "s3://ls-demo-tasks/a.jpg")
        assert (place.storage.reference, place.key, place.presign, place.seconds) == ("s3:1", "a.jpg", True, 3600)
        assert resolving.of_project(db, 3, "s3://ls-demo-images/x/y").key == "x/y"
        for wrong in ("s3://ls-demo-images/a.jpg", "s3://elsewhere/a", "nonsense"):
            with pytest.raises(NotFound):
                resolving.of_task(db, 60, wrong)
        with pytest.raises(NotFound):
            resolving.of_task(db, 99_999, "s3://ls-demo-tasks/a.jpg")


def test_projects_of_others_are_not_there(writing: Writing):
    with writing(user_id=5, organization_id=2) as db, pytest.raises(NotFound):
        resolving.of_project(db, 1, "s3://ls-demo-tasks/a.jpg")
    with writing(user_id=7) as db, pytest.raises(Forbidden):  # grace was removed
        resolving.of_project(db, 1, "s3://ls-demo-tasks/a.jpg")


@pytest.mark.parametrize("version", ["1.8.2.post1"])
def test_the_oldest_release(writing: Writing, version: str):
    with writing() as db:
        link = f"s3://{db.value(text('select bucket from io_storages_s3importstorage order by id limit 1'))}/a b"
        project = db.value(text("select project_id from io_storages_s3importstorage order by id limit 1"))
        assert resolving.of_project(db, project, link).key == "a b"
        assert resolving._local_roots(db, "/tmp/ls-files/ner") == ["/tmp/ls-files/ner"]


@pytest.fixture
def disk(tmp_path: Path, session: Session) -> Path:
    """A document root with a folder that a storage of project 2 has, one beside it that none has, and a link out."""
    root = tmp_path / "files"
    for name in ("data/a.txt", "data/sub/ü b.txt", "data-private/secret.txt", "top.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "outside.txt").write_text("outside")
    (root / "data/link.txt").symlink_to(tmp_path / "outside.txt")
    session.execute(text("update io_storages_localfilesmixin set path = :path where id = 1"), {"path": f"{root}/data"})
    session.commit()
    return root


@BOTH_ENGINES
def test_local_files_that_a_storage_covers(writing: Writing, disk: Path):
    with writing() as db:
        for asked in ("data/a.txt", "/data/a.txt", "data//./a.txt", "data/sub/ü b.txt", "data/sub/../a.txt"):
            assert resolving.local_file(db, disk, asked).name == asked.rpartition("/")[2]
        assert resolving.local_file(db, disk, "data/link.txt").read_text() == "outside", "as in Label Studio"
        for asked in (
            "data-private/secret.txt",
            "top.txt",
            "data",
            "data/sub",
            "data/none",
            "data/a\x00.txt",
            "x" * 5000,
            ".",
        ):
            with pytest.raises(NotFound):
                resolving.local_file(db, disk, asked)
        for asked in ("../outside.txt", "data/../../outside.txt", "../../../../etc/passwd"):
            with pytest.raises(Forbidden):
                resolving.local_file(db, disk, asked)


def test_local_files_of_other_peoples_projects(writing: Writing, disk: Path):
    with writing(user_id=5, organization_id=2) as db, pytest.raises(NotFound):
        resolving.local_file(db, disk, "data/a.txt")
    with writing(user_id=7) as db, pytest.raises(NotFound):
        resolving.local_file(db, disk, "data/a.txt")


@pytest.mark.parametrize(
    ("directory", "covered"),
    [("/data", True), ("/data/", True), ("/data/sub", True), ("/data-private", False), ("/", False), ("", False)],
)
def test_a_folder_that_begins_alike_is_another(directory: str, covered: bool):
    assert resolving.within(directory, "/data") is covered


@BOTH_ENGINES
def test_uploads(writing: Writing, tmp_path: Path):
    with writing() as db:
        names = dict(db.rows(text("select id, file from data_import_fileupload order by id")))
        name, foreign = names[1], names[2]
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("a")
        assert resolving.uploaded(db, tmp_path, name) == tmp_path / name
        for wrong in ("upload/1/none.csv", f"{name}\x00", foreign, "../x"):
            with pytest.raises(NotFound):
                resolving.uploaded(db, tmp_path, wrong)
        table = db.table("data_import_fileupload")
        db.update("data_import_fileupload", table.c.id == 1, {"file": "upload/../../etc/passwd"})
        with pytest.raises(NotFound):
            resolving.uploaded(db, tmp_path, "upload/../../etc/passwd")
    with writing(user_id=7) as db, pytest.raises(Forbidden):
        resolving.uploaded(db, tmp_path, "upload/../../etc/passwd")


def test_pictures_of_members(writing: Writing, tmp_path: Path):
    (tmp_path / "avatars").mkdir()
    (tmp_path / "avatars/a.png").write_bytes(b"png")
    with writing() as db:
        users = db.table("htx_user")
        db.update("htx_user", users.c.id == 2, {"avatar": "avatars/a.png"})
        assert resolving.avatar(db, tmp_path, "avatars/a.png").read_bytes() == b"png"
        with pytest.raises(NotFound):
            resolving.avatar(db, tmp_path, "avatars/b.png")
    with writing(user_id=5, organization_id=2) as db, pytest.raises(NotFound):
        resolving.avatar(db, tmp_path, "avatars/a.png")
