"""The SQLite file lies where locks do not hold, or where it does not last.

SQLite relies on file locks. Network file systems and buckets mounted as a directory keep them badly or not at all: two
processes write at once, and the file is damaged, or rows vanish. A memory disk, or the writable layer of a container,
loses the file with the next restart or update: all projects are gone.

Keep the file on a local disk or a block volume (a Kubernetes volume of type ReadWriteOnce, not a shared one), or use
PostgreSQL, which is the answer for anything in a cloud:

    docker run -v label-studio-data:/label-studio/data …

Told from the mounts of this machine. Inside a container of its own the console sees how the file is mounted there; the
kind of the file system is the same for both.

Source: SQLite's "How to corrupt a SQLite database file" and the FAQ on network file systems; Linux' proc(5), mountinfo.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...deployment.sqlite_files import mount_of, mountinfo
from .. import Context, Finding, Severity, Unknown, check
from ..sqlite_place import file_of

NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "beegfs",
    "ocfs2",
    "gfs2",
    "efs",
}
#: Folders of the host inside a desktop's virtual machine: locks mostly hold, other failures are common.
SHARED_BY_HOST = {"9p", "virtiofs", "fuse.grpcfuse", "fuse.osxfs", "fakeowner", "vboxsf", "drvfs"}
#: Local disks that are read through FUSE.
LOCAL_FUSE = {"fuseblk", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.lxcfs", "fuse.fuse-overlayfs", "fuse.zfs"}
FLEETING = {"overlay", "overlayfs", "aufs", "tmpfs", "ramfs", "fuse.fuse-overlayfs"}


@check(
    title="The SQLite file lies on a disk of its own machine",
    severity=Severity.ERROR,
    impact="The database gets damaged, or is lost with the next restart",
    cause="SQLite needs file locks that hold and a disk that stays.",
)
def on_network_or_fuse(ctx: Context) -> Iterator[Finding]:
    """One finding for the database. Row: the mount point, the kind of file system and what is mounted."""
    path = file_of(ctx)
    mount = mount_of(path, mountinfo())
    if mount is None:
        raise Unknown(f"On what kind of disk {path} lies cannot be told: this system lists no mounts.")
    told = verdict(mount.kind)
    if told is None:
        return
    severity, why = told
    row = {"file": str(path), "mount_point": mount.point, "kind": mount.kind, "mounted": mount.source}
    yield Finding(
        subject="deployment:database", name="Database", severity=severity,
        summary=f"The SQLite file lies on {mount.kind} (mounted at {mount.point}): {why}",
        evidence=ctx.evidence("/proc/self/mountinfo", [row]),
    )  # fmt: skip


def verdict(kind: str) -> tuple[Severity, str] | None:
    """How bad this kind of file system is for the file, and why; None for a disk of its own."""
    if kind in NETWORK:
        return Severity.ERROR, "a network file system, where locks do not hold"
    if kind in SHARED_BY_HOST:
        return Severity.WARNING, "a folder shared by the host, where locks may not hold"
    if kind in FLEETING:
        return Severity.INFO, "if this is a container, or memory, the file goes with it"
    if kind.startswith("fuse") and kind not in LOCAL_FUSE:
        return Severity.ERROR, "a bucket or remote folder mounted as a directory, where locks do not hold"
    return None
