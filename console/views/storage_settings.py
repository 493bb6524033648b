"""Changing a storage's settings: a form that ends in a plan, never in a write."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user

from ..app import the_console
from ..auth import requires
from ..deployment.storages import Storage
from ..deployment.storages import storage as find_storage
from ..doctor import settings as storage_settings
from ..doctor.settings import MARK_FAILED, Setting
from ..errors import Invalid, Refused
from ..masking import mask_text

bp = Blueprint("storage_settings", __name__, url_prefix="/storages")


@bp.get("/<subject_id>/settings")
@requires("look")
def show(subject_id: str) -> str:
    return _page(_found(subject_id), {}, {})


@bp.post("/<subject_id>/settings")
@requires("run")
def plan(subject_id: str) -> Any:
    """Plan what was changed in the form; the plan's page asks for a reason and applies it."""
    found = _found(subject_id)
    given = _given(found)
    try:
        made = the_console().plan_settings(found.reference, given, by=current_user.email)
    except Invalid as invalid:
        problems = {name: " ".join(messages) for name, messages in invalid.fields.items()}
        return _page(found, given, problems), 422
    except Refused as refusal:
        return _page(found, given, {}, str(refusal)), 422
    return redirect(url_for("plans.show", plan_id=made.id), 303)


def _found(subject_id: str) -> Storage:
    console = the_console()
    with console.deployment.read() as session:
        return find_storage(session, console.deployment.schema, subject_id)


def _given(found: Storage) -> dict[str, str]:
    """The fields that differ from the row. A secret is given when it is typed, or when it is to be cleared."""
    if request.form.get(MARK_FAILED):
        return {MARK_FAILED: "true"}
    given: dict[str, str] = {}
    for item in storage_settings.editable(found):
        if item.kind == "switch":
            text = "true" if request.form.get(item.column) else "false"
        else:
            text = request.form.get(item.column, "")
        if item.kind == "secret":
            if text.strip() or request.form.get(f"clear_{item.column}"):
                given[item.column] = text
        elif text.strip() != _shown(item, found):
            given[item.column] = text
    return given


def _shown(item: Setting, found: Storage) -> str:
    value = found.row[item.column]
    if item.kind == "switch":
        return "true" if value else "false"
    return "" if value is None else str(value).strip()


def _page(found: Storage, given: dict[str, str], problems: dict[str, str], refusal: str = "") -> str:
    fields = [
        {
            "name": item.column, "label": item.title, "hint": item.hint, "kind": item.kind, "problem": problems.get(item.column),
            "value": "" if item.kind == "secret" else mask_text(given.get(item.column, _shown(item, found))),
            "is_set": bool(found.row[item.column]),
        }
        for item in storage_settings.editable(found)
    ]  # fmt: skip
    return render_template(
        "storages/settings.html",
        storage={"subject_id": found.reference, "title": mask_text(found.title), "status": str(found.get("status") or "")},
        plain=[item for item in fields if item["kind"] not in {"secret", "switch"}],
        switches=[item for item in fields if item["kind"] == "switch"],
        secrets=[item for item in fields if item["kind"] == "secret"],
        hangs=found.get("status") in storage_settings.UNFINISHED, refusal=refusal, may_plan=current_user.may("run"),
        unknown={name: told for name, told in problems.items() if name not in {item["name"] for item in fields}},
    )  # fmt: skip
