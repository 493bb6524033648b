"""What is told about the bloat of one relation; `bloat.py` finds it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bloat:
    """How much of one relation a rewrite would give back; None and `how` says why where nobody can tell."""

    #: what VACUUM FULL or REINDEX would free
    bytes: int | None
    #: of the relation's size
    percent: float | None
    #: in words: how the number came about, or why there is none
    how: str
    #: measured by pgstattuple instead of estimated from statistics
    exact: bool = False
    #: the statement that would make it known, or ""
    needs: str = ""
