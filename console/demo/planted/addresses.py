"""Addresses in task data that no browser follows, a project for each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from psycopg2.extensions import cursor as Cursor

from console.demo.planted.projects import add_project, add_tasks
from console.demo.story import Story

SIGNED = (
    "https://northlight-archive.s3.us-east-1.amazonaws.com/lanes/{:03d}.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIADEMO000000000000%2F20260301%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260301T080000Z"
    "&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=" + "0123456789abcdef" * 4
)
#: Check, project, address with a number in it, what is wrong.
PROJECTS = (
    ("storage.uri_unresolvable", "Lane markings", "s3://northlight-retired/lanes/{:03d}.jpg",
     "the bucket belongs to a storage that was removed"),
    ("storage.presigned_in_data", "Lane markings, old import", SIGNED, "links that were signed in March, and ended a week later"),
    ("storage.url_double_encoded", "Yard cameras", "https://images.example.com/yard%2520east/{:03d}.jpg",
     "blanks in the addresses were encoded twice"),
    ("storage.mixed_content", "Dock cameras", "http://cameras.example.com/dock/{:03d}.jpg",
     "pictures on http below a page on https"),
)  # fmt: skip
HEALTHY = "https://images.example.com/" + quote("yard west") + "/{:03d}.jpg"


def plant(cursor: Cursor, story: Story) -> None:
    """Twelve tasks in each project, and a project with plain addresses beside them."""
    created_at = datetime.now(UTC) - timedelta(days=40)
    healthy = add_project(cursor, "Yard cameras, west")
    add_tasks(cursor, healthy, [{"image": HEALTHY.format(number)} for number in range(12)], created_at)
    for code, title, address, explanation in PROJECTS:
        project_id = add_project(cursor, title)
        add_tasks(cursor, project_id, [{"image": address.format(number)} for number in range(12)], created_at)
        story.fault(code, f"project:{project_id}", f"{title}: {explanation}")
        story.twin(code, f"project:{healthy}", "plain addresses on https")
