"""Pictures of accounts: files below Label Studio's media directory. Source: `users/functions/common.py check_avatar`."""

from __future__ import annotations

import re
import struct
import uuid
from pathlib import Path

from ..errors import Invalid
from .db import Db

MOST_BYTES, MOST_PIXELS = 1024 * 1024, 1200
EXTENSIONS = {"jpeg", "jpg", "gif", "png"}


def kind_of(head: bytes) -> str | None:
    """The media type that the first bytes of a file show."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    return "image/jpeg" if head.startswith(b"\xff\xd8\xff") else None


def size_of(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, read from the header; None for what is no picture."""
    try:
        match kind_of(content[:16]):
            case "image/png":
                return struct.unpack(">II", content[16:24])
            case "image/gif":
                return struct.unpack("<HH", content[6:10])
            case "image/jpeg":
                return _jpeg_size(content)
    except (struct.error, IndexError):
        pass
    return None


def checked_name(filename: str, media_type: str, content: bytes) -> str:
    """A file name to store the picture under. Raises Invalid in the words of Label Studio."""
    size = size_of(content)
    if size is None or not all(size):
        raise Invalid("Can't read image, try another one")
    if max(size) > MOST_PIXELS:
        raise Invalid(f"Please use an image that is {MOST_PIXELS} x {MOST_PIXELS} pixels or smaller.")
    if filename.rpartition(".")[2].lower() not in EXTENSIONS:
        raise Invalid("Please upload a valid image file with extensions: JPEG, JPG, GIF, or PNG.")
    if media_type.removeprefix("image/") not in EXTENSIONS or not media_type.startswith("image/"):
        raise Invalid("Please use a JPEG, GIF or PNG image.")
    if len(content) > MOST_BYTES:
        raise Invalid("Avatar file size may not exceed 1024.0 kb")
    plain = re.sub(r"[^\w.-]", "", Path(filename).name.replace(" ", "_"), flags=re.ASCII).lstrip(".")[-60:]
    return f"{uuid.uuid4().hex[:8]}-{plain}"


def store(db: Db, media: Path, name: str, content: bytes) -> None:
    """Write the file, then the caller's row. Raises Invalid when the directory cannot be written."""
    try:
        (media / "avatars").mkdir(parents=True, exist_ok=True)
        (media / "avatars" / name).write_bytes(content)
    except OSError as error:
        raise Invalid(f"The picture cannot be stored below BASE_DATA_DIR: {error.strerror}.") from None
    _set(db, f"avatars/{name}")


def forget(db: Db) -> None:
    """The caller has no picture any more; the file stays, as in Label Studio."""
    _set(db, "")


def _set(db: Db, path: str) -> None:
    table = db.table("htx_user")
    db.update("htx_user", table.c.id == db.caller.id, {"avatar": path, "activity_at": db.now})
    db.record("changed a picture", f"user:{db.caller.id}")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 < len(content):
        marker, length = content[place + 1], struct.unpack(">H", content[place + 2 : place + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return width, height
        place += 2 + length
    return None
