"""The names a check file imports, nothing else."""

from ..errors import NotApplicable, Unknown
from .change import Change, DeleteRow, InsertRow, UpdateRow, row_update
from .check import Check, Context, Evidence, Finding, Severity, check

__all__ = [
    "Change",
    "Check",
    "Context",
    "DeleteRow",
    "Evidence",
    "Finding",
    "InsertRow",
    "NotApplicable",
    "Severity",
    "Unknown",
    "UpdateRow",
    "check",
    "row_update",
]
