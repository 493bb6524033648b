"""A labeling configuration as a tree of elements, read the way Label Studio reads it and without its risks.

Configurations are text that users send. Expat alone reads them: a document type declaration is refused (no entities, so
nothing expands), and size and depth are bounded. The messages are Expat's own, which are those that Label Studio shows.

Source: Label Studio's `core/label_config.py parse_config_to_xml` (defusedxml, `forbid_dtd`), and lxml's refusal of an
encoding declaration in text, which every later reading of the stored configuration would meet.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from console.errors import Invalid

LONGEST = 10_000_000
"""Characters. Label Studio has no bound; a taxonomy with a hundred thousand choices takes about 6 million."""
DEEPEST = 100
"""Elements inside elements. Label Studio answers 500 a little beyond (its schema check recurses)."""

_DECLARED = re.compile(r"\s*<\?xml[^>]*\bencoding\s*=")


class InvalidConfig(Invalid):
    """The labeling configuration breaks a rule; `message` is what Label Studio tells the client."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def read_tree(config: str) -> Element:
    """The root element, without comments. Raises InvalidConfig."""
    if len(config) > LONGEST:
        raise InvalidConfig(f"The labeling configuration has {len(config):,} characters; {LONGEST:,} are accepted.")
    if _DECLARED.match(config):
        raise InvalidConfig("Leave out the encoding declaration: the labeling configuration is text, not bytes.")
    reader = _Reader()
    try:
        reader.parser.Parse(config, True)
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise InvalidConfig(str(error)) from None
    return reader.builder.close()


class _Reader:
    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self.depth = 0
        self.parser = parser = expat.ParserCreate(None, "}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.builder.data
        parser.StartDoctypeDeclHandler = self._doctype

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise InvalidConfig(f"The labeling configuration nests more than {DEEPEST} elements.")
        self.builder.start(_named(tag), {_named(key): value for key, value in attributes.items()})

    def _end(self, tag: str) -> None:
        self.depth -= 1
        self.builder.end(_named(tag))

    def _doctype(self, name: str, system_id: str | None, public_id: str | None, _internal: bool) -> None:
        raise InvalidConfig(f"DTDForbidden(name='{name}', system_id={system_id!r}, public_id={public_id!r})")


def _named(name: str) -> str:
    return "{" + name if "}" in name else name
