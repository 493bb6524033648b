"""The demo's S3 source storages, each in a project of its own: one per fault, and a healthy one beside each."""

from __future__ import annotations

from dataclasses import dataclass

from console.demo.buckets import Folder
from console.demo.planted.projects import IMAGES, REVIEWS, SOUND

WAITING_SYNC_JOB = "5f0c6a52-6d0e-4a7e-9f5b-6a1d6f1f2c11"  # the healthy twin's sync, really waiting in Redis
ACCESS_DENIED = "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied"


def numbered(pattern: str, count: int) -> tuple[str, ...]:
    """Object names from a pattern with one number in it."""
    return tuple(pattern.format(number) for number in range(1, count + 1))


@dataclass(frozen=True)
class Source:
    """An import storage to insert. `fault` and `twin_of` are check codes.

    `gone` are names that were synced and are no object any more; `listed` is what a sync takes of the folder, when
    that is not everything.
    """

    title: str
    project: str
    folder: Folder
    regex: str | None
    explanation: str
    fault: str = ""
    twin_of: tuple[str, ...] = ()
    blobs: bool = True
    like: int = IMAGES
    status: str = "completed"
    traceback: str | None = None
    loaded: bool = True
    queued_minutes: int = 0
    job: str | None = None
    recursive: bool = False
    link_minutes: int = 60
    gone: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()


STREET, SHELVES, CLIPS, TEXT = "northlight-street", "northlight-shelves", "northlight-dashcam", "northlight-texts"
YARDS, CALLS = "northlight-yards", "harbor-calls"

SOURCES = (
    Source(
        "Street photos, north", "Street objects, north", Folder(STREET, "north/", numbered("cam-a_{:04d}.jpg", 42)),
        "*.jpg", "a shell wildcard where a regular expression belongs", fault="storage.regex_invalid",
        status="failed", traceback="re.error: nothing to repeat at position 0", loaded=False,
    ),
    Source(
        "Street photos, south", "Street objects, south", Folder(STREET, "south/", numbered("cam-b_{:04d}.jpg", 36)),
        r".*\.jpg$", "the same kind of folder with a regular expression",
        twin_of=("storage.regex_invalid", "storage.object_gone", "storage.sts_expired"),
    ),
    Source(
        "Shelf photos", "Warehouse shelves", Folder(
            SHELVES, "aisle-01/", (*numbered("shelf-{:03d}.jpg", 24), ".DS_Store", "Thumbs.db", "camera.log")
        ),
        None, "no filter: log files and thumbnails became tasks", fault="storage.regex_empty",
    ),
    Source(
        "Shelf photos, aisle 2", "Warehouse shelves, aisle 2", Folder(
            SHELVES, "aisle-02/", (*numbered("shelf-{:03d}.png", 24), ".DS_Store", "camera.log")
        ),
        r".*\.(png|jpe?g)$", "the same junk lies here, the filter keeps it out", twin_of=("storage.regex_empty",),
        listed=numbered("shelf-{:03d}.png", 24),
    ),
    Source(
        "Delivery scans", "Delivery notes, 2025", Folder(STREET, "scans/2025/", numbered("IMG_{:04d}.jpg", 32)),
        r"IMG_\d+\.jpg$", "the filter meets the whole key, which starts with scans/2025/",
        fault="storage.regex_no_match", loaded=False,
    ),
    Source(
        "Delivery scans", "Delivery notes, 2026", Folder(STREET, "scans/2026/", numbered("IMG_{:04d}.jpg", 28)),
        r".*IMG_\d+\.jpg$", "the same filter with room for the folder", twin_of=("storage.regex_no_match",),
    ),
    Source(
        "Forklift photos", "Forklifts in the yard", Folder(SHELVES, "forklifts/", numbered("yard-{:03d}.jpg", 30)),
        ".*", "photos, while the storage is set to read JSON tasks", fault="storage.blob_toggle_off", blobs=False,
        status="failed", loaded=False,
        traceback="Unsupported file format: northlight-shelves/forklifts/yard-001.jpg is not JSON",
    ),
    Source(
        "Spring reviews", "Customer reviews, spring", Folder(TEXT, "reviews-spring/", numbered("text-{:03d}.json", 40)),
        r".*\.json$", "JSON tasks, read as JSON tasks",
        twin_of=("storage.blob_toggle_off",), blobs=False, like=REVIEWS,
    ),
    Source(
        "Autumn reviews", "Customer reviews, autumn", Folder(TEXT, "reviews-autumn/", numbered("text-{:03d}.json", 38)),
        r".*\.json$", "every JSON file became one task that shows a link", fault="storage.blob_toggle_on_json",
        like=REVIEWS,
    ),
    Source(
        "Dashcam archive", "Dashcam archive", Folder(CLIPS, "2026/", numbered("frame_{:05d}.jpg", 1240)),
        r".*\.jpg$", "1,240 photos, read as photos", twin_of=("storage.blob_toggle_on_json",),
    ),
    Source(
        "Ticket texts", "Support tickets", Folder(TEXT, "tickets/", numbered("ticket-{:04d}.json", 25), may_read=False),
        r".*\.json$", "the key may list the folder and read nothing in it", fault="storage.list_not_get", blobs=False,
        like=REVIEWS, status="failed", traceback=ACCESS_DENIED, loaded=False,
    ),
    Source(
        "Chat messages", "Chat messages", Folder(TEXT, "chats/", numbered("chat-{:04d}.json", 25)),
        r".*\.json$", "a key of the same bucket that lists and reads", twin_of=("storage.list_not_get",), blobs=False,
        like=REVIEWS,
    ),
    Source(
        "Crossing photos", "Level crossings", Folder(STREET, "crossings/", numbered("crossing_{:03d}.jpg", 34)),
        r".*\.jpg$", "queued for 3 hours, and its job is gone", fault="storage.queued_forever",
        status="queued", loaded=False, queued_minutes=190,
    ),
    Source(
        "Tram stop photos", "Tram stops", Folder(STREET, "tram-stops/", numbered("stop_{:03d}.jpg", 34)),
        r".*\.jpg$", "queued for a while, and its job waits in Redis", twin_of=("storage.queued_forever",),
        status="queued", loaded=False, queued_minutes=38, job=WAITING_SYNC_JOB,
    ),
    Source(
        "Crosswalk photos", "Crosswalks", Folder(
            STREET, "crosswalks/", (*numbered("north/view_{:03d}.jpg", 14), *numbered("ring/view_{:03d}.jpg", 12))
        ),
        r".*\.jpg$", "every photo lies in a folder below, and the sync enters none", fault="storage.recursive_off",
        loaded=False,
    ),
    Source(
        "Quay photos", "Quays", Folder(
            STREET, "quays/", (*numbered("east/view_{:03d}.jpg", 12), *numbered("west/view_{:03d}.jpg", 10))
        ),
        r".*\.jpg$", "the same kind of folder, and the sync enters it", twin_of=("storage.recursive_off",),
        recursive=True,
    ),
    Source(
        "Yard photos", "Container yard", Folder(
            YARDS, "gate-2/", numbered("gate_{:03d}.jpg", 26), for_browsers=False
        ),
        r".*\.jpg$", "its bucket has no CORS rule: thumbnails appear, the editor shows an error",
        fault="storage.cors_missing",
    ),
    Source(
        "Hotline calls, day", "Hotline, day shift", Folder(CALLS, "day/", numbered("call-{:03d}.wav", 18)),
        r".*\.wav$", "links end after a minute, and calls last longer", fault="storage.presign_403", like=SOUND,
        link_minutes=1,
    ),
    Source(
        "Hotline calls, night", "Hotline, night shift", Folder(CALLS, "night/", numbered("call-{:03d}.wav", 16)),
        r".*\.wav$", "links last an hour, and the bucket lets players read",
        twin_of=("storage.presign_403", "storage.cors_missing"), like=SOUND,
    ),
    Source(
        "Loading dock photos", "Loading docks", Folder(SHELVES, "docks/", numbered("dock-{:03d}.jpg", 20)),
        r".*\.jpg$", "10 of 30 photos were deleted after the sync; their tasks stay", fault="storage.object_gone",
        gone=tuple(f"dock-{number:03d}.jpg" for number in range(21, 31)),
    ),
    Source(
        "Lock photos", "Canal locks", Folder(STREET, "locks/", numbered("lock_{:03d}.jpg", 24), temporary=True),
        r".*\.jpg$", "the keys are those of a session: they work today and end with it", fault="storage.sts_expired",
    ),
)  # fmt: skip

# what the restored dump's own storages point at, by table and id
RESTORED = {
    ("io_storages_s3importstorage", 1): Folder(
        "ls-demo-tasks", "tasks/", (*(f"review-{number:03d}.json" for number in range(20)), "readme.txt")
    ),
    ("io_storages_s3importstorage", 2): Folder(
        "ls-demo-images", "img/", (*(f"street-{number:03d}.png" for number in range(20)), "manifest.json")
    ),
    ("io_storages_s3exportstorage", 1): Folder("ls-demo-export", "1.23.2-pg/out/", numbered("{}", 96), may_write=True),
}
