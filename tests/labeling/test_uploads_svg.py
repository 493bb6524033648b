"""SVG files with SVG_SECURITY_CLEANUP: shapes stay, whatever could run goes."""

from __future__ import annotations

import pytest

from console.errors import Invalid
from console.labeling.uploads_svg import cleaned

DRAWING = b"""<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)" width="10">
<script>alert(1)</script><rect width="5" style="fill:red" ONCLICK="x()"/><a xlink:href="javascript:1"><path d="M0 0"/></a>
<foreignObject><body/></foreignObject><circle r="1" xlink:href="x"/><!-- note --></svg>"""


def test_what_could_run_goes():
    clean = cleaned(DRAWING).decode()
    assert 'width="10"' in clean and '<rect width="5" />' in clean and '<circle r="1" />' in clean
    for part in ("script", "alert", "onload", "ONCLICK", "href", "style", "foreignObject", "note"):
        assert part not in clean


@pytest.mark.parametrize(
    "content", [b"", b"<svg", b"\xff", b"<html/>", b'<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>', b"<g>" * 200],
)  # fmt: skip
def test_what_is_no_drawing_is_refused(content: bytes):
    with pytest.raises(Invalid, match=r"Validation error"):
        cleaned(content)
