"""What is deleted in Label Studio stays in the target, although it is meant to go.

With "Can delete objects from storage" on (`can_delete_objects`), deleting an annotation deletes its object too. Label
Studio does that for Amazon S3 and local files; for Google, Azure and Redis the switch is stored and nothing is ever
deleted. On S3 it takes `s3:DeleteObject`; without that right the deletion of the annotation itself fails.

Removing a marker object is tried only where the operator allows writing (LSCONSOLE_WRITE_PROBES).

Source: `delete_annotation` of the export storages in Label Studio's io_storages app, which two of five providers have.
"""

from collections.abc import Iterator

from .. import Change, Context, Finding, NotApplicable, Severity, Unknown, check
from ..sources import address, in_use, storage_update
from ..targets import TARGETS, WITHOUT_LEAVE, tried

_DELETES = {"s3-export", "localfiles-export"}


@check(
    title="Targets that are to delete objects can",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Deleted annotations stay in the bucket",
    cause="Label Studio deletes objects of Amazon S3 and local files alone.",
)
def target_no_delete(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per target. Row: the switch, and what the provider answered."""
    wanting = [item for item in in_use(ctx, prefixes=TARGETS, targets=True) if item.get("can_delete_objects")]
    if not wanting:
        raise NotApplicable("No target in scope is meant to delete objects")
    for storage in wanting:
        if storage.kind.prefix not in _DELETES:
            yield Finding(
                subject=storage.subject, name=storage.title,
                summary="The target is meant to delete objects, and Label Studio never deletes any of this kind",
                evidence=ctx.evidence(f"{storage.kind.table_name}.can_delete_objects", [{"can_delete_objects": True}]),
            )  # fmt: skip
    if not ctx.settings.write_probes:
        if all(storage.kind.prefix in _DELETES for storage in wanting):
            raise NotApplicable(WITHOUT_LEAVE)
        return
    wanted = {storage.subject for storage in wanting if storage.kind.prefix in _DELETES}
    for storage, delete in tried(ctx, "delete", tuple(_DELETES)) if wanted else ():
        if storage.subject not in wanted:
            continue
        if isinstance(delete, Unknown):
            yield delete
        elif delete.state == "failed":
            row = {"tried": "DELETE", "code": delete.code, "message": delete.message}
            yield Finding(
                subject=storage.subject, name=storage.title, severity=Severity.ERROR,
                summary=f"Removing a marker object is refused{f' with {delete.code}' if delete.code else ''}",
                impact="Deleting an annotation in Label Studio fails",
                cause=f"What is missing: {delete.statement}" if delete.statement else delete.message,
                evidence=ctx.evidence(f"DELETE below {address(storage)}, with the storage's own credentials", [row]),
            )  # fmt: skip


@target_no_delete.fix(title="Say that this target keeps its objects")
def switch_off(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch `can_delete_objects` off, so that deleting an annotation asks nothing of the target."""
    yield storage_update(ctx, finding, "can_delete_objects", True, False)
