"""Imports: tasks, annotations and predictions by the thousand, from JSON bodies, uploaded files and addresses.

`json_items`, `tables` and `files` read, one item after the other; `checks` says what is wrong with an item; `storing`
writes in the one transaction of the request; `reimport`, `predicted` and `predictions` are the other ways in.
"""

from __future__ import annotations

from .files import Files
from .json_items import BadJson, JsonItems
from .predicted import preannotated
from .predictions import Predicted, store_predictions
from .project import Project, need_project, project
from .reimport import reimport
from .status import status
from .storing import Stored, TaskWriter, counted, store

__all__ = [
    "BadJson", "Files", "JsonItems", "Predicted", "Project", "Stored", "TaskWriter", "counted", "need_project",
    "preannotated", "project", "reimport", "status", "store", "store_predictions",
]  # fmt: skip
