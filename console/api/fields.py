"""The fields of request and answer bodies: what is accepted, with Label Studio's messages, and their JSON schema.

Label Studio's messages are those of Django REST framework; a client that shows or parses them must see the same words.
One declaration serves both ends: `Shape.read` checks a request, `Shape.schema` documents it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from ..errors import Invalid

REQUIRED = "This field is required."
NULL = "This field may not be null."
TRUE = {"t", "y", "yes", "true", "on", "1", True}
FALSE = {"f", "n", "no", "false", "off", "0", False}


class Wrong(ValueError):
    """A value that a field does not accept; the messages are fit for the client."""

    def __init__(self, *messages: Any) -> None:
        super().__init__(*messages)
        self.messages = list(messages)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field. `parse` returns the value to use or raises Wrong; `kind` is its JSON schema."""

    required: bool = False
    null: bool = False
    #: stands in for a missing value where one is wanted; no default leaves the field out
    default: Any = ...
    about: str = ""
    read_only: bool = False

    def read(self, value: Any, *, form: bool = False) -> Any:
        if value is None:
            if self.null:
                return None
            raise Wrong(NULL)
        return self.parse(value, form=form)

    def parse(self, value: Any, *, form: bool = False) -> Any:
        return value

    def kind(self) -> dict[str, Any]:
        return {}

    def schema(self) -> dict[str, Any]:
        schema = self.kind()
        if self.null and "type" in schema:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        if self.about:
            schema["description"] = self.about
        if self.default is not ...:
            schema["default"] = self.default
        if self.read_only:
            schema["readOnly"] = True
        return schema


@dataclass(frozen=True, kw_only=True)
class Char(Field):
    """Text; blanks around it are cut off unless `trim` is off."""

    most: int | None = None
    least: int | None = None
    blank: bool = False
    trim: bool = True
    pattern: str | None = None
    pattern_message: str = "Enter a valid value."

    def parse(self, value: Any, *, form: bool = False) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Wrong("Not a valid string.")
        text = str(value)
        if self.trim:
            text = text.strip()
        if text == "":
            if self.blank:
                return ""
            raise Wrong("This field may not be blank.")
        messages = []
        if "\x00" in text:
            messages.append("Null characters are not allowed.")
        if any("\ud800" <= mark <= "\udfff" for mark in text):
            messages.append("Enter valid text.")
        if self.most is not None and len(text) > self.most:
            messages.append(f"Ensure this field has no more than {self.most} characters.")
        if self.least is not None and len(text) < self.least:
            messages.append(f"Ensure this field has at least {self.least} characters.")
        if self.pattern and not re.search(self.pattern, text):
            messages.append(self.pattern_message)
        if messages:
            raise Wrong(*messages)
        return text

    def kind(self) -> dict[str, Any]:
        kind: dict[str, Any] = {"type": "string"}
        if self.most is not None:
            kind["maxLength"] = self.most
        if self.least is not None and not self.blank:
            kind["minLength"] = self.least
        return kind


@dataclass(frozen=True, kw_only=True)
class Email(Char):
    """An e-mail address."""

    pattern: str | None = r"^[^@\s\"<>()\[\],;:\\]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}$"
    pattern_message: str = "Enter a valid email address."
    most: int | None = 254

    def kind(self) -> dict[str, Any]:
        return super().kind() | {"format": "email"}


@dataclass(frozen=True, kw_only=True)
class Integer(Field):
    """A whole number within PostgreSQL's `integer` unless other bounds are given."""

    least: int = -(2**31)
    most: int = 2**31 - 1

    def parse(self, value: Any, *, form: bool = False) -> int:
        if isinstance(value, str) and len(value) > 1000:
            raise Wrong("String value too large.")
        try:
            if isinstance(value, bool | list | dict):
                raise ValueError
            number = int(re.sub(r"\.0*\s*$", "", str(value)))
        except ValueError:
            raise Wrong("A valid integer is required.") from None
        if number > self.most:
            raise Wrong(f"Ensure this value is less than or equal to {self.most}.")
        if number < self.least:
            raise Wrong(f"Ensure this value is greater than or equal to {self.least}.")
        return number

    def kind(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, kw_only=True)
class Id(Integer):
    """The id of another object; whether it exists is the view's to say."""

    least: int = 1
    most: int = 2**63 - 1

    def parse(self, value: Any, *, form: bool = False) -> int:
        if isinstance(value, bool | list | dict | float) or (isinstance(value, str) and not value.strip().isdigit()):
            raise Wrong(f"Incorrect type. Expected pk value, received {type(value).__name__}.")
        try:
            return super().parse(value, form=form)
        except Wrong:
            raise Wrong(f'Invalid pk "{value}" - object does not exist.') from None


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A finite number."""

    def parse(self, value: Any, *, form: bool = False) -> float:
        if isinstance(value, str) and len(value) > 1000:
            raise Wrong("String value too large.")
        try:
            if isinstance(value, bool | list | dict):
                raise ValueError
            number = float(value)
        except (ValueError, TypeError, OverflowError):
            raise Wrong("A valid number is required.") from None
        if not math.isfinite(number):
            raise Wrong("A valid number is required.")
        return number

    def kind(self) -> dict[str, Any]:
        return {"type": "number"}


@dataclass(frozen=True, kw_only=True)
class Flag(Field):
    """True or false, also in the words forms use."""

    def parse(self, value: Any, *, form: bool = False) -> bool:
        if isinstance(value, str | bool | int):
            word = value.strip().lower() if isinstance(value, str) else value
            if word in TRUE:
                return True
            if word in FALSE:
                return False
        raise Wrong("Must be a valid boolean.")

    def kind(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True)
class Choice(Field):
    """One of a few words."""

    of: tuple[str, ...] = ()
    blank: bool = False

    def parse(self, value: Any, *, form: bool = False) -> str:
        if value == "" and self.blank:
            return ""
        if not isinstance(value, str | int | float) or str(value) not in self.of:
            raise Wrong(f'"{value}" is not a valid choice.')
        return str(value)

    def kind(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.of)}


@dataclass(frozen=True, kw_only=True)
class Moment(Field):
    """A point in time; without a zone it is UTC."""

    def parse(self, value: Any, *, form: bool = False) -> datetime:
        try:
            moment = datetime.fromisoformat(value.strip())
            if len(value.strip()) <= 10:
                raise ValueError
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, AttributeError, OverflowError):
            raise Wrong(
                "Datetime has wrong format. Use one of these formats instead: "
                "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
            ) from None

    def kind(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True, kw_only=True)
class Document(Field):
    """Any JSON value. A form sends it as JSON text."""

    def parse(self, value: Any, *, form: bool = False) -> Any:
        if form and isinstance(value, str):
            try:
                return orjson.loads(value)
            except orjson.JSONDecodeError:
                raise Wrong("Value must be valid JSON.") from None
        return value


@dataclass(frozen=True, kw_only=True)
class Shallow(Document):
    """A JSON value that every later answer shows: no deeper, and no other text, than `orjson` writes."""

    def parse(self, value: Any, *, form: bool = False) -> Any:
        value = super().parse(value, form=form)
        try:
            orjson.dumps([[[[value]]]])
        except orjson.JSONEncodeError:
            raise Wrong("The value is nested too deeply, or holds what is no text.") from None
        return value


@dataclass(frozen=True, kw_only=True)
class Mapped(Document):
    """A JSON object."""

    of: Shape | None = None

    def parse(self, value: Any, *, form: bool = False) -> dict[str, Any]:
        value = super().parse(value, form=form)
        if not isinstance(value, dict):
            raise Wrong(f'Expected a dictionary of items but got type "{type(value).__name__}".')
        return self.of.read(value) if self.of else value

    def kind(self) -> dict[str, Any]:
        return self.of.reference() if self.of else {"type": "object"}


@dataclass(frozen=True, kw_only=True)
class Several(Field):
    """A list of one kind of field."""

    of: Field | Shape | None = None

    def parse(self, value: Any, *, form: bool = False) -> list[Any]:
        if form and isinstance(value, str):
            value = Document().parse(value, form=True)
        if not isinstance(value, list):
            raise Wrong(f'Expected a list of items but got type "{type(value).__name__}".')
        return value if self.of is None else [self.of.read(item) for item in value]

    def kind(self) -> dict[str, Any]:
        if self.of is None:
            return {"type": "array", "items": {}}
        return {"type": "array", "items": self.of.reference() if isinstance(self.of, Shape) else self.of.schema()}


class Shape:
    """A named object of fields: a request body, a set of query parameters, or an answer."""

    def __init__(self, name: str, about: str = "", **fields: Field) -> None:
        self.name, self.about, self.fields = name, about, fields

    def read(self, data: Any, *, partial: bool = False, form: bool = False) -> dict[str, Any]:
        """The values given, checked, with defaults for missing ones unless `partial`. Raises Invalid with every message.

        Read-only and unknown fields are ignored, as Label Studio ignores them.
        """
        if data is None:
            raise Invalid("No data provided")
        if not isinstance(data, Mapping):
            raise Invalid(f"Invalid data. Expected a dictionary, but got {type(data).__name__}.")
        values: dict[str, Any] = {}
        wrong: dict[str, Any] = {}
        for name, field in self.fields.items():
            if field.read_only:
                continue
            if name not in data:
                if field.required and not partial:
                    wrong[name] = [REQUIRED]
                elif field.default is not ... and not partial:
                    values[name] = field.default
                continue
            try:
                values[name] = field.read(data[name], form=form)
            except Wrong as error:
                wrong[name] = error.messages
            except Invalid as error:
                wrong[name] = error.fields
        if wrong:
            raise Invalid(wrong)
        return values

    def schema(self) -> dict[str, Any]:
        """JSON schema of the whole object (OpenAPI 3.1 dialect)."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: field.schema() for name, field in self.fields.items()},
        }
        required = [name for name, field in self.fields.items() if field.required]
        if required:
            schema["required"] = required
        if self.about:
            schema["description"] = self.about
        return schema

    def reference(self) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{self.name}"}

    def shapes(self) -> Iterable[Shape]:
        """This shape and every shape it is made of."""
        yield self
        for field in self.fields.values():
            inner = getattr(field, "of", None)
            if isinstance(inner, Shape):
                yield from inner.shapes()


@dataclass(frozen=True)
class Many:
    """An answer that is a bare list of a shape."""

    of: Shape


@dataclass(frozen=True)
class Paged:
    """An answer with `count`, `next`, `previous` and `results`."""

    of: Shape
