"""Cells of the access matrix that are not tried, and why: they mean nothing for this storage, or need consent."""

from __future__ import annotations

from ..deployment.storages import Storage
from .cells import Cell

BROWSER = ("presign", "range", "preflight", "simple")
WRITES = {"put": "writes", "delete": "removes"}
#: Why an operation means nothing for a whole kind of storage.
_POINTLESS = {
    "localfiles": dict.fromkeys(BROWSER, "Label Studio hands local files on from its own address."),
    "redis": dict.fromkeys(BROWSER, "Redis holds tasks, no files: browsers never talk to it."),
}


def idle(storage: Storage, operation: str, *, consent: bool, origin: str | None, shows_files: bool) -> Cell | None:
    """None for an operation that is to be tried. `shows_files`: tasks of the project show files of this bucket."""
    pointless = _POINTLESS.get(storage.kind.provider, {}).get(operation)
    if pointless:
        return Cell(operation, "not_applicable", pointless)
    if operation in WRITES:
        return None if consent else _without_consent(storage, operation)
    if storage.kind.is_target:
        told = "Label Studio only writes to a target."
        return None if operation in {"resolve", "list"} else Cell(operation, "not_applicable", told)
    if operation in BROWSER and not shows_files:
        told = (
            "This source brings tasks out of JSON files, and no recent task of the project shows a file of this bucket."
        )
        return Cell(operation, "not_applicable", told)
    if operation in {"presign", "preflight", "simple"} and not storage.get("presign", True):
        told = "Pre-signed links are off: Label Studio hands the files on, and browsers never talk to the bucket."
        return Cell(operation, "not_applicable", told)
    if operation in {"preflight", "simple"} and origin is None:
        told = "The address of Label Studio's pages is not known here: set LSCONSOLE_LABEL_STUDIO_URL (or HOST)."
        return Cell(operation, "unknown", told)
    return None


def _without_consent(storage: Storage, operation: str) -> Cell:
    if not storage.kind.is_target:
        told = f"Label Studio never {WRITES[operation]} anything in a source; tried on request."
    elif operation == "delete" and not storage.get("can_delete_objects"):
        told = "Not needed: this target never removes annotations; tried on request."
    else:
        told = f"Tried on request: a marker object is {'written' if operation == 'put' else 'removed again'}."
    return Cell(operation, "not_tried", told)
