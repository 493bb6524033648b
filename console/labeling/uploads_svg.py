"""An uploaded SVG with nothing left in it that could run: known shapes alone, no handlers, no links, no styles.

Source: Label Studio's `data_import/uploader.py allowlist_svg`, behind `SVG_SECURITY_CLEANUP`.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, register_namespace, tostring

from ..errors import Invalid
from .label_config import InvalidConfig
from .label_config.tree import read_tree

_NAMESPACE = "http://www.w3.org/2000/svg"
_KEPT = frozenset({"circle", "ellipse", "line", "path", "polygon", "vector", "rect", "svg"})
_LINKS = frozenset({"href", "src", "style"})
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
register_namespace("", _NAMESPACE)


def cleaned(content: bytes) -> bytes:
    """The drawing without what could run. Raises Invalid for what is no SVG."""
    try:
        root = read_tree(_DECLARATION.sub("", content.decode("utf-8-sig"), count=1))
    except (UnicodeDecodeError, InvalidConfig) as error:
        raise Invalid(f"The SVG file cannot be read: {error}") from None
    if _local(root.tag) != "svg":
        raise Invalid("The SVG file cannot be read: it is no svg document")
    _clean(root)
    return tostring(root)


def _clean(element: Element) -> None:
    for name in list(element.attrib):
        if _local(name).startswith("on") or _local(name) in _LINKS:
            del element.attrib[name]
    for child in list(element):
        if _local(child.tag) in _KEPT:
            _clean(child)
        else:
            element.remove(child)


def _local(name: str) -> str:
    return name.rpartition("}")[2].lower()
