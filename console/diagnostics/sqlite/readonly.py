"""The SQLite file, or the directory it lies in, cannot be written by Label Studio.

Saving fails with "attempt to write a readonly database" or "unable to open database file". SQLite makes its journal in
the directory of the file, so the directory has to be writable as well. It happens when a backup was copied back as
another user, when the image's user changed (newer images run as 1001, group 0), or when the disk turned read-only after an error.

Give both back to the user that Label Studio runs as:

    chown -R 1001:0 DATA_DIRECTORY && chmod -R g+rwX DATA_DIRECTORY

Judged are the modes of file and directory for the owner of the file, and the state of the file system. As whom Label Studio
runs cannot be seen from here, and a volume that is mounted read-only into the console alone is no fault.

Source: SQLite's page on temporary files, and the user in Label Studio's image.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.sqlite_files import mount_of, mountinfo, unwritable
from .. import Context, Finding, Severity, check
from ..sqlite_place import file_of


@check(
    title="The SQLite file and its directory can be written",
    severity=Severity.ERROR,
    impact="Nothing can be saved: every change ends in an error",
    cause="The rights of the file or of its directory, or a disk that turned read-only.",
)
def readonly(ctx: Context) -> Iterator[Finding]:
    """One finding for the database. Rows: each reason."""
    path = file_of(ctx)
    reasons = unwritable(path)
    mount = mount_of(path, mountinfo())
    if mount is not None and mount.read_only:
        reasons.append(f"the file system at {mount.point} ({mount.kind}) is read-only")
    if not reasons:
        return
    yield Finding(
        subject="deployment:database", name="Database",
        summary=f"The SQLite file cannot be written: {'; '.join(reasons)}",
        evidence=ctx.evidence(f"stat {path}", [{"file": str(path), "reason": reason} for reason in reasons]),
    )  # fmt: skip
