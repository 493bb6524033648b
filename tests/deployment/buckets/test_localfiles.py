"""Local files: the very files and order of pathlib, the rules of the document root, what may not be read or written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.deployment import local_paths
from console.deployment.buckets import (
    Bucket,
    BucketDenied,
    BucketMissing,
    BucketProblem,
    ObjectMissing,
    ObjectTooLarge,
    Reach,
    Unsupported,
    localfiles,
    open_bucket,
)

NOBODY = 65534
#: How Label Studio lists: `iter_objects` in other words.
PATHLIB = """
import os, pathlib, sys
top = pathlib.Path(sys.argv[1])
found = top.rglob("*") if sys.argv[2] == "True" else top.glob("*")
print("\\0".join(str(path) for path in sorted(found, key=os.path.basename) if path.is_file()), end="")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "data" / "inner" / "deep").mkdir(parents=True)
    (root / "data-private").mkdir()
    (root / "data" / "a.json").write_text('{"text": "a"}')
    return root


def reach(root: Path, *, serving: bool = True) -> Reach:
    return Reach(local_root=str(root), local_serving=serving)


def bucket_of(root: Path, path: Path | str | None = None) -> Bucket:
    return open_bucket("localfiles", {"path": str(path or root / "data")}, reach(root))


def as_pathlib(top: Path, recursive: bool) -> list[str]:
    told = subprocess.run(
        [sys.executable, "-c", PATHLIB, str(top), str(recursive)], check=True, capture_output=True
    ).stdout.decode()
    return told.split("\0") if told else []


def populate(top: Path) -> None:
    """Equal names in several folders, hidden files, links of every kind, odd names."""
    for folder in ("", "inner", "inner/deep", "other", ".hidden"):
        (top / folder).mkdir(exist_ok=True)
        for name in ("2.jpg", "1.jpg", ".dot", "z\nline", "ü – 日本.png", "a+b%20c&d='.txt", " "):
            (top / folder / name).write_text(folder)
    (top / "link.jpg").symlink_to("1.jpg")
    (top / "broken").symlink_to("nowhere")
    (top / "loop").symlink_to("loop")
    (top / "linked-folder").symlink_to("inner")
    os.mkfifo(top / "pipe")


@pytest.mark.parametrize("recursive", [True, False])
def test_the_files_and_the_order_of_pathlib(root: Path, recursive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    populate(root / "data")
    expected = as_pathlib(root / "data", recursive)
    assert len(expected) == (37 if recursive else 9)
    bucket = bucket_of(root)
    listing = bucket.list(str(root / "data"), recursive, 1000)
    assert [item.key for item in listing.keys] == expected and not listing.truncated
    assert listing.common_prefixes == (
        [] if recursive else [f"{root}/data/{name}/" for name in (".hidden", "inner", "other")]
    )
    monkeypatch.setattr(localfiles, "RUN_PATHS", 4)
    monkeypatch.setattr(local_paths, "RUN_PATHS", 4)  # sorted on disk
    assert [item.key for page in bucket.pages(None, recursive) for item in page.objects] == expected
    assert [item.key for item in bucket.list(None, recursive, 7).keys] == expected[:7]
    monkeypatch.setattr(localfiles, "PAGE_KEYS", 3)
    assert [item.key for page in bucket.pages(None, recursive) for item in page.objects] == expected


def test_a_listing_is_cut_where_it_was_asked_to_be(root: Path) -> None:
    (root / "data" / "b.json").write_text("[]")
    first = bucket_of(root).list(None, True, 1)
    assert [item.key for item in first.keys] == [f"{root}/data/a.json"] and first.truncated
    assert not bucket_of(root).list(None, True, 2).truncated
    assert bucket_of(root).starts_with(f"{root}/data/a.") and not bucket_of(root).starts_with(f"{root}/data/c")


def test_a_name_that_is_no_text_is_left_out_and_breaks_nothing(root: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.json")
    (root / "data" / odd).write_text("{}")
    (root / "data" / os.fsdecode(b"dir\xe9")).mkdir()
    (root / "data" / os.fsdecode(b"dir\xe9") / "plain.json").write_text("{}")
    bucket = bucket_of(root)
    listing = bucket.list(None, True, 10)
    assert [item.key for item in listing.keys] == [f"{root}/data/a.json"]
    assert len(bucket.list(None, False, 10).common_prefixes) == 1
    assert bucket.read(odd, 10) == b"{}"
    with pytest.raises(ObjectMissing) as missing:
        bucket.read(odd + "x", 10)
    str(missing.value).encode()
    with pytest.raises(BucketProblem) as refused:
        bucket.put(odd, b"x")
    str(refused.value).encode()
    assert len([path for path in local_paths.walk(str(root / "data"), True) if not local_paths.has_key(path)]) == 2


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("/a/b/", "/a/b"), (" /a//b ", "/a/b"), ("/a/./b/../c", "/a/c"), ("\\a\\b", "/a/b"), ("", ""), ("  ", "")],
)
def test_a_path_is_written_one_way(typed: str, stored: str) -> None:
    assert local_paths.normalized(typed) == stored


@pytest.mark.parametrize("path", ["", "   ", None, "data", "C:\\data", "/a\0b"])
def test_a_storage_needs_an_absolute_path(root: Path, path: str | None) -> None:
    bucket = open_bucket("localfiles", {"path": path}, reach(root))
    with pytest.raises(BucketProblem, match=r"names no directory|no absolute path"):
        bucket.list(None, True, 10)
    with pytest.raises(BucketProblem, match=r"names no directory|no absolute path"):
        bucket.read("a.json", 10)
    with pytest.raises(
        (BucketProblem, BucketMissing), match=r"^(Path must be set|Absolute local path .* does not exist)"
    ):
        bucket.validate(path, False)


def test_the_connection_test_asks_in_label_studios_order(root: Path, tmp_path: Path) -> None:
    bucket_of(root).validate(f"{root}/data/", False)
    bucket_of(root, root / "data" / "a.json").validate(None, False)  # Label Studio takes a file, too
    with pytest.raises(BucketMissing, match=re.escape(f'Absolute local path "{root}/gone" does not exist')):
        bucket_of(root, root / "gone").validate(None, False)
    with pytest.raises(BucketProblem, match="cannot be the same as LOCAL_FILES_DOCUMENT_ROOT"):
        bucket_of(root, root).validate(None, False)
    for outside in (tmp_path, "/etc", root / "data" / ".." / ".."):
        with pytest.raises(BucketProblem, match="must be a subdirectory of LOCAL_FILES_DOCUMENT_ROOT"):
            bucket_of(root, outside).validate(None, False)
    sibling = open_bucket("localfiles", {"path": f"{root}/data-private"}, reach(root / "data"))
    with pytest.raises(BucketProblem, match="must be a subdirectory"):
        sibling.validate(None, False)
    with pytest.raises(BucketProblem, match="LOCAL_FILES_SERVING_ENABLED is disabled by default"):
        open_bucket("localfiles", {"path": f"{root}/data"}, reach(root, serving=False)).validate(None, True)


def test_nothing_outside_of_the_root_is_listed_or_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for path in (tmp_path, root):
        with pytest.raises(BucketProblem, match="does not lie below"):
            bucket_of(root, path).list(None, True, 10)
    bucket = bucket_of(root)
    for key in (f"{tmp_path}/secret", "../../secret", f"{root}/data/../../secret", f"{root}/data-private/x", "a\0b"):
        for ask in (lambda key=key: bucket.read(key, 10), lambda key=key: bucket.stream(key),
                    lambda key=key: bucket.put(key, b""), lambda key=key: bucket.delete(key)):  # fmt: skip
            with pytest.raises(BucketProblem):
                ask()
    assert (tmp_path / "secret").read_text() == "x"
    untold = open_bucket("localfiles", {"path": f"{root}/data"}, Reach())
    assert len(untold.list(None, True, 10).keys) == 1
    with pytest.raises(BucketProblem, match="set LOCAL_FILES_SERVING_ENABLED and LOCAL_FILES_DOCUMENT_ROOT"):
        untold.read("a.json", 10)


def test_links_lead_where_label_studio_follows_them_but_never_into_the_kernel(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text("{}")
    (root / "data" / "out.json").symlink_to(tmp_path / "elsewhere.json")
    (root / "data" / "env.json").symlink_to("/proc/self/environ")
    bucket = bucket_of(root)
    assert [Path(item.key).name for item in bucket.list(None, False, 10).keys] == ["a.json", "env.json", "out.json"]
    assert bucket.read("out.json", 10) == b"{}"
    with pytest.raises(BucketProblem, match="kernel"):
        bucket.read("env.json", 10**6)
    with pytest.raises(BucketProblem, match="kernel"):
        open_bucket("localfiles", {"path": "/proc/self"}, Reach(local_serving=True)).read("environ", 10**6)


def test_the_consoles_own_files_are_never_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "console").mkdir()
    (tmp_path / "console" / "secret_key").write_text("{}")
    (root / "data" / "key.json").symlink_to(tmp_path / "console" / "secret_key")
    reach = Reach(local_root=str(tmp_path), local_serving=True, own_dir=str(tmp_path / "console"))
    for path, key in ((root / "data", "key.json"), (tmp_path / "console", "secret_key")):
        with pytest.raises(BucketProblem, match="a file of the console"):
            open_bucket("localfiles", {"path": str(path)}, reach).read(key, 100)


def test_a_pipe_is_no_file(root: Path) -> None:
    os.mkfifo(root / "data" / "pipe")
    with pytest.raises(ObjectMissing, match="is no file"):
        bucket_of(root).read("pipe", 10)


def test_what_is_not_there(root: Path) -> None:
    with pytest.raises(BucketMissing, match="is the volume mounted here"):
        bucket_of(root, root / "gone").list(None, True, 10)
    with pytest.raises(BucketProblem, match="is a file"):
        bucket_of(root, root / "data" / "a.json").list(None, True, 10)
    for ask in (bucket_of(root).head, lambda key: bucket_of(root).read(key, 10)):
        with pytest.raises(ObjectMissing, match="There is no file"):
            ask("gone.json")
    for ask in (lambda: bucket_of(root).presign("a.json", 60), bucket_of(root).cors):
        with pytest.raises(Unsupported):
            ask()


def test_reading(root: Path) -> None:
    body = bytes(range(256)) * 4
    (root / "data" / "photo.JPG").write_bytes(body)
    os.utime(root / "data" / "photo.JPG", (1_700_000_000, 1_700_000_000))
    bucket = bucket_of(root)
    told = bucket.head(f"{root}/data/photo.JPG")
    assert (told.key, told.size, told.content_type) == (f"{root}/data/photo.JPG", 1024, "image/jpeg")
    assert told.modified == datetime.fromtimestamp(1_700_000_000, UTC) and told.etag == "17979cfe362a0000-400"
    assert bucket.read("photo.JPG", 1024) == body
    assert bucket.get_range("photo.JPG", 2, 4) == body[2:5] and bucket.get_range("photo.JPG", 2000, 2001) == b""
    with pytest.raises(ObjectTooLarge, match="larger than 1,023 bytes"):
        bucket.read("photo.JPG", 1023)


@pytest.mark.parametrize(
    ("header", "status", "content_range", "part"),
    [
        (None, 200, None, b"0123456789"),
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"),
        ("bytes=-30", 206, "bytes 0-9/10", b"0123456789"),
        ("bytes=5-500", 206, "bytes 5-9/10", b"56789"),
        ("bytes=0-0,3-4", 200, None, b"0123456789"),
        ("bytes=4-2", 200, None, b"0123456789"),
        ("lines=1-2", 200, None, b"0123456789"),
    ],
)
def test_streaming(root: Path, header: str | None, status: int, content_range: str | None, part: bytes) -> None:
    (root / "data" / "ten.bin").write_bytes(b"0123456789")
    stream = bucket_of(root).stream("ten.bin", header)
    assert (stream.status, stream.content_range, stream.length) == (status, content_range, len(part))
    assert b"".join(stream.chunks) == part
    stream.close()


def test_a_range_behind_the_end(root: Path) -> None:
    (root / "data" / "empty").touch()
    for header in ("bytes=0-", "bytes=5-9", "bytes=-0"):
        with pytest.raises(BucketProblem) as refused:
            bucket_of(root).stream("empty", header)
        assert refused.value.provider_code == "InvalidRange"


def test_writing_is_whole_or_not_at_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = bucket_of(root)
    bucket.put("17", b'{"id": 17}')
    assert (root / "data" / "17").read_bytes() == b'{"id": 17}'
    (root / "data" / "17").chmod(0o640)
    bucket.put(f"{root}/data/17", b"new")
    assert (root / "data" / "17").stat().st_mode & 0o777 == 0o640
    before = sorted((root / "data").iterdir())
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BucketProblem, match="No space left"):
        bucket.put("17", b"newer")
    assert (root / "data" / "17").read_bytes() == b"new" and sorted((root / "data").iterdir()) == before
    bucket.delete("17")
    bucket.delete("17")
    assert not (root / "data" / "17").exists()
    with pytest.raises(BucketMissing):
        bucket.put("no/such/folder", b"")


def test_a_linked_folder_does_not_lead_a_write_away(root: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (root / "data" / "link").symlink_to(tmp_path / "away")
    (root / "data" / "18").symlink_to(tmp_path / "away" / "18")
    with pytest.raises(BucketProblem, match="cannot be written"):
        bucket_of(root).put("link/18", b"x")
    bucket_of(root).put("18", b"x")  # the link itself is replaced
    assert list((tmp_path / "away").iterdir()) == [] and (root / "data" / "18").read_bytes() == b"x"


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody without rights needs root")
def test_a_missing_permission_names_the_command(root: Path) -> None:
    """In a process of its own, which gives its rights away."""
    (root / "data" / "shut.json").write_text("{}")
    (root / "data" / "shut.json").chmod(0o600)
    (root / "data" / "shut").mkdir(mode=0o700)
    (root / "data" / "shut" / "in.json").write_text("{}")
    (root / "closed").mkdir(mode=0o700)
    for folder in [root, *root.parents]:
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    program = f"""
import os
from console.deployment.buckets import BucketDenied, Reach, open_bucket
data, closed = (open_bucket("localfiles", {{"path": p}}, Reach(local_root={str(root)!r}, local_serving=True))
                for p in ({str(root / "data")!r}, {str(root / "closed")!r}))
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
print([os.path.basename(item.key) for item in data.list(None, True, 9).keys])
for ask in (lambda: closed.list(None, True, 9), lambda: data.read("shut.json", 9), lambda: data.put("19", b"x")):
    try:
        print("went through", ask())
    except BucketDenied as refused:
        print(refused.operation, refused.provider_code, refused.statement)
"""
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "['a.json', 'shut.json']",  # a folder that is shut is passed over, as by Label Studio
        f"list EACCES chmod -R a+rX {root}/closed",
        f"get EACCES chmod -R a+rX {root}/data/shut.json",
        f"put EACCES chown :{NOBODY} {root}/data && chmod g+rwx {root}/data",
    ]


def test_denied_is_told_apart(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(BucketDenied, match="read-only mount") as refused:
        bucket_of(root).put("20", b"x")
    assert (refused.value.operation, refused.value.provider_code, refused.value.statement) == ("put", "EROFS", "")
