"""Accounts of the active organization."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..app import the_console
from ..errors import Invalid
from ..labeling import users, users_avatar, users_delete
from ..labeling.db import Db
from .errors import ApiError
from .fields import Char, Document, Email, Flag, Id, Integer, Many, Mapped, Moment, Shape
from .request import FormData, data, query, read, reading, request, writing
from .routes import Resource, answer, nothing

api = Resource("Users", "Accounts of the active organization. Somebody who left it is shown as a deleted user.")

NAME: dict[str, Any] = {"most": 256, "blank": True}
USER = Shape(
    "User",
    id=Integer(read_only=True), first_name=Char(**NAME), last_name=Char(**NAME), username=Char(required=True, most=256),
    email=Char(about="`Deleted` for somebody who left"), last_activity=Moment(read_only=True), custom_hotkeys=Document(null=True),
    avatar=Char(read_only=True, null=True, about="address of the picture"), initials=Char(read_only=True),
    phone=Char(**NAME), active_organization=Id(null=True, most=2**31 - 1, about="id of an organization of this person's"),
    active_organization_meta=Mapped(read_only=True), allow_newsletters=Flag(null=True), date_joined=Moment(),
)  # fmt: skip
NEW = Shape("NewUser", "", **{**USER.fields, "email": Email(blank=True)})
#: What PATCH takes: the e-mail is refused by name, not ignored.
CHANGES = Shape("UserChanges", "", **{name: field for name, field in USER.fields.items() if name != "email"})
ORDER = Shape("UserListQuery", ordering=Char(about="accepted, and without effect, as in Label Studio"))


def user_json(user: Mapping[str, Any]) -> dict[str, Any]:
    """A user of `labeling.users`, with the picture's address in place of its path."""
    path = user.get("avatar")
    host = (the_console().settings.label_studio_url or "").rstrip("/")
    return {**user, "avatar": f"{host}/data/{path}" if path else None}


def checked(db: Db, shape: Shape, user_id: int | None = None) -> dict[str, Any]:
    """The body's values. Raises Invalid with everything that is wrong at once: with the values, and with the database."""
    body = data()
    wrong: dict[str, Any] = {}
    values: dict[str, Any] = {}
    try:
        values = read(shape, partial=user_id is not None)
    except Invalid as error:
        wrong = dict(error.fields)
    else:
        body = values
    if "non_field_errors" not in wrong:
        named = {name: body[name] for name in ("email", "active_organization") if name in body and name in shape.fields}
        fine = Shape("", "", **{name: shape.fields[name] for name in named if name not in wrong})
        wrong |= users.stored_problems(db, fine.read(named, form=isinstance(body, FormData)), user_id)
    if wrong:
        raise Invalid(wrong)
    return values


@api.get("/api/users/", query=ORDER, answers={200: Many(USER)})
def everybody() -> Any:
    """List users. Everybody who belongs, or belonged, to the active organization."""
    query(ORDER)
    with reading() as db:
        return answer([user_json(user) for user in users.of_organization(db)])


@api.post("/api/users/", body=NEW, answers={201: USER})
def create() -> Any:
    """Create new user. A member of the active organization without a password."""
    with reading() as db:
        values = checked(db, NEW)
    with writing() as db:
        return answer(user_json(users.create(db, values)), 201)


@api.get("/api/users/<ID:user_id>/", answers={200: USER})
def retrieve(user_id: int) -> Any:
    """Get user info."""
    with reading() as db:
        return answer(user_json(users.one(db, user_id)))


@api.patch("/api/users/<ID:user_id>/", body=CHANGES, answers={200: USER, 405: {}})
def change(user_id: int) -> Any:
    """Update user details. The e-mail address cannot be changed; a request that tries is refused as a whole."""
    with reading() as db:
        users.one(db, user_id)
        values = checked(db, CHANGES, user_id)
    if "email" in data():
        raise ApiError(405, "Cannot update read-only field: email", {"Allow": "DELETE, GET, HEAD, PATCH"})
    with writing() as db:
        return answer(user_json(users.change(db, user_id, values)))


@api.delete("/api/users/<ID:user_id>/", answers={204: None, 403: {}})
def delete(user_id: int) -> Any:
    """Delete user. For the founder of an organization alone; what this person annotated stays."""
    with writing() as db:
        users_delete.delete(db, user_id)
    return nothing()


@api.post("/api/users/<ID:user_id>/avatar/", answers={200: {"type": "object"}}, body_types=("multipart/form-data",))
def set_avatar(user_id: int) -> Any:
    """Set a picture. The caller's own, whatever the id says, as in Label Studio; JPEG, GIF or PNG up to 1 MiB."""
    upload = next(iter(request.files.values()), None)
    if upload is None:
        with writing() as db:
            users_avatar.forget(db)
        return answer({"detail": "avatar saved"})
    content = upload.read(users_avatar.MOST_BYTES + 1)
    name = users_avatar.checked_name(upload.filename or "", upload.mimetype, content)
    with writing() as db:
        users_avatar.store(db, _media(), name, content)
    return answer({"detail": "avatar saved"})


@api.delete("/api/users/<ID:user_id>/avatar/", answers={204: None})
def forget_avatar(user_id: int) -> Any:
    """Remove the picture. The caller's own."""
    with writing() as db:
        users_avatar.forget(db)
    return nothing()


def _media() -> Path:
    return the_console().settings.base_data_dir / "media"
