"""Which addresses in task data a project's storages resolve.

Source: `can_resolve_url` and `get_uri_via_regex` of Label Studio's io_storages app: the scheme and the bucket have to be
those of a source storage of the project, letter by letter; switched-off storages resolve as well.
"""

from __future__ import annotations

import re

from ..deployment.storages import storages
from .addresses import MISSPELT, SCHEMES
from .check import Context

_ALL = "|".join(sorted({*SCHEMES.values(), *MISSPELT}, key=len, reverse=True))
#: An address at the start of a text or behind a quote, as Label Studio finds it; for JSON documents as text.
IN_TEXT = rf"""["'][ ]*({_ALL})://([^/"'\\ ]*)"""
#: The same within one value.
AT = re.compile(rf"""(?P<before>^\s*|["'])(?P<scheme>{_ALL})://(?P<bucket>[^/"'\\\s]*)""", re.IGNORECASE)


def configured(ctx: Context) -> dict[int, set[tuple[str, str]]]:
    """(scheme, bucket) of the source storages of each project."""
    found: dict[int, set[tuple[str, str]]] = {}
    with ctx.transaction() as session:
        for item in storages(session, ctx.schema, prefixes=["s3", "gcs", "azure"], project_id=ctx.scope.project_id):
            bucket = str(item.get("bucket") or item.get("container") or "")
            if bucket:
                found.setdefault(item.row["project_id"], set()).add((SCHEMES[item.kind.provider], bucket))
    return found


def meant(scheme: str, bucket: str, known: set[tuple[str, str]]) -> tuple[str, str] | None:
    """The storage's scheme and bucket that a wrong spelling means; None when none fits, or several do."""
    lowered = scheme.lower()
    real = MISSPELT.get(lowered, lowered)
    near = {pair for pair in known if pair[0] == real and pair[1].lower() == bucket.lower()}
    exact = (real, bucket)
    if exact in near:
        return exact
    return near.pop() if len(near) == 1 else None
