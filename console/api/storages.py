"""Storages: where tasks come from and annotations go. The same routes for each type, for sources and for targets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import request

from .. import jobs
from ..app import the_console
from ..deployment.buckets import Reach
from ..deployment.storages import Storage, StorageKind
from ..errors import Forbidden, Invalid, NotFound
from ..labeling.db import LARGEST_ID, Db
from ..labeling.storages import changes, validation
from ..labeling.storages import fields as stored
from ..labeling.storages.preview import first_objects
from .fields import Id, Many, Shape
from .request import FormData, caller, close_read_session, data, reading, writing
from .routes import Resource, answer, nothing
from .storages_fields import BODIES, PREVIEW, SHAPES, TYPES
from .storages_forms import form

api = Resource("Storages", "Where tasks come from and annotations go. Secrets are accepted and never answered.")

OF_PROJECT = Shape("StoragesOfProject", project=Id(required=True, about="Only those of this project."))
ANY = {"type": "array", "items": {"type": "object"}}
REFUSED = {"type": "object", "properties": {"message": {"type": "string"}}}
#: Titles of the types as Label Studio lists them.
TITLES = {"s3": "AWS S3", "gcs": "Google Cloud Storage", "azure": "Microsoft Azure", "redis": "Redis",
          "localfiles": "Local files"}  # fmt: skip
#: A sync that is quicker is answered with its end.
WAIT_SECONDS = 10.0
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@api.get("/api/storages/", query=OF_PROJECT, answers={200: ANY})
def sources() -> Any:
    """The source storages of a project, of every type."""
    return _every(targets=False)


@api.get("/api/storages/export", query=OF_PROJECT, answers={200: ANY})
def targets() -> Any:
    """The target storages of a project, of every type."""
    return _every(targets=True)


@api.get("/api/storages/types", answers={200: TYPES})
def source_types() -> Any:
    """Types of source storages."""
    return _types()


@api.get("/api/storages/export/types", answers={200: TYPES})
def target_types() -> Any:
    """Types of target storages."""
    return _types()


@api.route("/api/storages/<ID:storage_id>/", "/api/storages/<ID:storage_id>/<path:rest>/", methods=METHODS,
           answers={404: {}}, deprecated=True)  # fmt: skip
def gone(storage_id: int, rest: str = "") -> Any:
    """Gone. Each type of storage has its own path."""
    tail = rest.rstrip("/") if re.fullmatch(r"(sync|validate)/?", rest) else ""
    raise NotFound(
        "This endpoint was removed: each kind of storage has its own. Use /api/storages/<type>?project=<id> for a list and "
        f"/api/storages/<type>/{storage_id}{f'/{tail}' if tail else ''} for one; types are s3, gcs, azure, redis and "
        "localfiles, and targets are below /api/storages/export/."
    )


def _every(*, targets: bool) -> Any:
    """A project that is not named, or out of reach, has no storages, as Label Studio has it."""
    console, number = the_console(), request.args.get("project", "")
    if not (number.isascii() and number.isdigit()) or int(number[:20]) > LARGEST_ID:
        return answer([])
    with reading() as db:
        kinds = changes.kinds(targets=targets, local_files=console.settings.local_files_storages)
        try:
            return answer(_listed(changes.of_project(db, int(number), kinds)))
        except (NotFound, Forbidden):
            return answer([])


def _types() -> Any:
    local = the_console().settings.local_files_storages
    return answer([{"name": name, "title": title} for name, title in TITLES.items() if local or name != "localfiles"])


def _listed(found: list[Storage]) -> list[dict[str, Any]]:
    seconds = the_console().settings.storage_ping_seconds
    return [stored.as_listed(one, datetime.now(UTC), seconds) for one in found]


# --- the routes of one type and direction


def _declare(kind: StorageKind) -> None:
    base = f"/api/storages/{'export/' if kind.is_target else ''}{kind.provider}"
    every = base if kind.is_target else f"{base}/"  # spelled as Label Studio has it; both spellings match
    shape, body, word = SHAPES[kind.prefix], BODIES[kind.prefix], "target" if kind.is_target else "source"
    one, options = f"{base}/<ID:storage_id>", {"body": body}

    def declare(add: Callable[..., Any], rule: str, work: Callable[..., Any], about: str, **more: Any) -> None:
        def view(**values: int) -> Any:
            if kind.provider == "localfiles" and not the_console().settings.local_files_storages:
                raise NotFound("Not found.")
            return work(kind, **values)

        view.__name__, view.__doc__ = f"{work.__name__.lstrip('_')}_{kind.prefix}", about
        add(rule, **more)(view)

    declare(api.get, every, _list, f"{TITLES[kind.provider]}: {word} storages of a project", query=OF_PROJECT,
            answers={200: Many(shape)})  # fmt: skip
    declare(api.post, every, _create, f"{TITLES[kind.provider]}: new {word} storage", answers={201: shape}, **options)
    declare(api.get, one, _retrieve, f"{TITLES[kind.provider]}: one {word} storage", answers={200: shape})
    declare(api.patch, one, _update, f"{TITLES[kind.provider]}: change a {word} storage\nSecrets that are not given stay.",
            answers={200: shape}, **options)  # fmt: skip
    declare(api.put, one, _replace, f"{TITLES[kind.provider]}: change a {word} storage, project required",
            answers={200: shape}, **options)  # fmt: skip
    declare(api.delete, one, _destroy, f"{TITLES[kind.provider]}: delete a {word} storage\nTasks and objects stay.",
            answers={204: None})  # fmt: skip
    declare(api.post, f"{one}/sync", _sync, f"{TITLES[kind.provider]}: sync a {word} storage",
            answers={200: shape, 400: REFUSED})  # fmt: skip
    declare(api.post, f"{base}/validate", _validate, f"{TITLES[kind.provider]}: try the settings of a {word} storage\n"
            "With an `id`, what is not given is taken from that storage. Nothing is stored.", answers={200: None}, **options)  # fmt: skip
    declare(api.get, f"{base}/form", _form, f"{TITLES[kind.provider]}: form of a {word} storage", answers={200: ANY})
    if not kind.is_target:
        declare(api.post, f"{base}/files", _files, f"{TITLES[kind.provider]}: first objects of a source storage",
                answers={200: PREVIEW}, **options)  # fmt: skip


def _list(kind: StorageKind) -> Any:
    number = request.args.get("project")
    if not number:
        raise Invalid('query parameter "project" is required')
    if not (number.isascii() and number.isdigit()):
        raise NotFound("Not found.")
    if int(number[:20]) > LARGEST_ID:
        raise NotFound("No Project matches the given query.")
    with reading() as db:
        return answer(_listed(changes.of_project(db, int(number), [kind])))


def _retrieve(kind: StorageKind, storage_id: int) -> Any:
    with reading() as db:
        return answer(stored.shown(changes.reach(db, kind, storage_id)))


def _create(kind: StorageKind) -> Any:
    given, body = _given(kind, partial=False)
    with reading() as db:
        changes.own_project(db, given)
        given |= _secrets_of(db, kind, body, given)
    _check(kind, given, stored.defaults(kind) | given, new=True)
    with writing() as db:
        made = changes.create(db, kind, given)
    shown = stored.shown(made)
    if kind.is_target and the_console().settings.sync_new_targets and given.get("synchronizable"):
        _start(made)
        queued = {"status": "queued", "meta": {"attempts": 1, "time_queued": str(datetime.now(UTC))}}
        shown |= {name: value for name, value in queued.items() if name in shown}
    return answer(shown, 201)


def _update(kind: StorageKind, storage_id: int) -> Any:
    return answer(stored.shown(_changed(kind, storage_id, partial=True), partial=True))


def _replace(kind: StorageKind, storage_id: int) -> Any:
    return answer(stored.shown(_changed(kind, storage_id, partial=False)))


def _changed(kind: StorageKind, storage_id: int, *, partial: bool) -> Storage:
    with reading() as db:
        changes.reach(db, kind, storage_id)
    given, _ = _given(kind, partial=partial)
    with reading() as db:
        before = changes.reach(db, kind, storage_id)
        changes.own_project(db, given)
    _check(kind, given, before.row | given, new=False)
    with writing() as db:
        return changes.change(db, kind, storage_id, given)


def _destroy(kind: StorageKind, storage_id: int) -> Any:
    with writing() as db:
        changes.delete(db, kind, storage_id)
    return nothing()


def _sync(kind: StorageKind, storage_id: int) -> Any:
    console = the_console()
    with reading() as db:
        found = changes.reach(db, kind, storage_id)
    close_read_session()
    if not found.get("synchronizable", True):
        return answer({"message": f"Storage {storage_id} is not synchronizable"}, 400)
    validation.check_connection(kind, found.row, console.settings)
    if not any(job.arguments.get("storage") == found.reference for job in jobs.running(console.store, "sync")):
        jobs.wait(console.store, _start(found), WAIT_SECONDS)
    with reading() as db:
        return answer(stored.shown(changes.reach(db, kind, storage_id)))


def _validate(kind: StorageKind) -> Any:
    _tried(kind)
    return nothing(200)


def _files(kind: StorageKind) -> Any:
    console = the_console()
    found, body = _tried(kind)
    limit = _whole(body, "limit", console.settings.storage_preview_objects)
    files = first_objects(found, console.deployment.schema, Reach.of(console.settings), limit=limit)
    return answer({"files": files})


def _form(kind: StorageKind) -> Any:
    return answer(form(kind))


# --- what a body brings


def _given(kind: StorageKind, *, partial: bool) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The checked fields of the body, and the body itself. Raises Invalid."""
    body = data()
    if isinstance(body, Mapping):
        validation.check_names(kind, body)
    return BODIES[kind.prefix].read(body, partial=partial, form=isinstance(body, FormData)), body


def _check(kind: StorageKind, given: Mapping[str, Any], row: Mapping[str, Any], *, new: bool) -> None:
    """Refuse what cannot be right, and a bucket that does not answer. No transaction waits for it."""
    close_read_session()
    settings = the_console().settings
    validation.check_address(kind, given, Reach.of(settings))
    if validation.needs_connection(kind, given, new=new):
        # Label Studio looks at the given path alone, so each change of a local storage has to repeat it
        validation.check_connection(kind, given if kind.provider == "localfiles" else row, settings)


def _tried(kind: StorageKind) -> tuple[Storage, Mapping[str, Any]]:
    """The storage that a body describes, once its bucket has answered; nothing is stored."""
    given, body = _given(kind, partial=False)
    with reading() as db:
        changes.own_project(db, given)
        before = _named(db, kind, body)
        row = (before.row if before else stored.defaults(kind)) | given | _secrets_of(db, kind, body, given)
    close_read_session()
    settings = the_console().settings
    validation.check_address(kind, given, Reach.of(settings))
    validation.check_connection(kind, given if kind.provider == "localfiles" else row, settings)
    return Storage(kind, before.id if before else 0, row), body


def _named(db: Db, kind: StorageKind, body: Mapping[str, Any]) -> Storage | None:
    """The stored storage whose `id` the body names, of a project that the caller may see."""
    number = _whole(body, "id", 0)
    if not number:
        return None
    if not 0 < number <= LARGEST_ID:
        raise NotFound(changes.missing_text(kind))
    return changes.reach(db, kind, number)


def _secrets_of(db: Db, kind: StorageKind, body: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Secrets that the body leaves out and the storage that it names has."""
    before = _named(db, kind, body)
    if before is None:
        return {}
    return {name: given.get(name) or before.get(name) for name in stored.SECRETS[kind.provider]}


def _whole(body: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number beside the fields of the storage. Raises Invalid."""
    value = body.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,18}", str(value)):
        raise Invalid({name: ["A valid integer is required."]})
    return int(value)


def _start(found: Storage) -> str:
    """Start the sync of a storage; the id of the job."""
    title, arguments = f"Sync {found.reference}", {"storage": found.reference, "user_id": caller().id}
    return jobs.start(the_console(), "sync", title, arguments, by=caller().email).id


for _kind in (*changes.kinds(targets=False), *changes.kinds(targets=True)):
    _declare(_kind)
