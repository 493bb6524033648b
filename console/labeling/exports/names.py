"""Names of exported files: `project-3-at-2026-11-22-08-43-fa1d38e6.json`.

Label Studio takes the eight digits from the MD5 of all tasks. Here the first byte is sent before the last task is read, so
they come from the first batch of tasks, which for up to a few hundred tasks is all of them: the same tasks give the same
digits, whatever the format. The words for how long ago a draft was made change with the clock and are left out of it.

Source: `data_export/models.py DataExport.generate_export_file`, `data_export/mixins.py ExportMixin.save_file`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

_AGO = re.compile(rb'"created_ago":"[^"]*"')


def digest(first: bytes) -> str:
    """MD5 of the first batch of an export, as the name of a file needs it."""
    return hashlib.md5(_AGO.sub(b"", first), usedforsecurity=False).hexdigest()


def file_name(project_id: int, now: datetime, md5: str, extension: str) -> str:
    return f"project-{project_id}-at-{now:%Y-%m-%d-%H-%M}-{md5[:8]}.{extension}"
