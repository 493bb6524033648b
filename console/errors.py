"""The exceptions raised on purpose. Each message says what happened, to which object, and what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class ConsoleError(Exception):
    """Base of everything we raise on purpose; `str()` is fit for a person and holds no secret."""

    status = 500


class NotFound(ConsoleError):
    """A named thing does not exist here."""

    status = 404


class Refused(ConsoleError):
    """The request is understood and not allowed: a rule of the product or of the deployment forbids it."""

    status = 400


class Busy(Refused):
    """Somebody else holds what this would change, or the database does not answer; nothing was written. Try again."""

    status = 503
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class Forbidden(ConsoleError):
    """The signed-in person may not do this."""

    status = 403


class Conflict(ConsoleError):
    """A row moved on since the plan was made; nothing was written."""

    status = 409


class CannotAttach(ConsoleError):
    """The deployment cannot be looked at: wrong address, refused password, not Label Studio's database."""

    status = 503


class BadSetting(ConsoleError):
    """A setting has a value we cannot accept; names the variable, the value and what is accepted."""


class Unknown(ConsoleError):
    """A check cannot decide; the message names what is missing and how to give it.

    A check raises it when it can tell nothing at all, and yields it beside its findings when one of several
    subjects stays undecided.
    """

    status = 503


class NotApplicable(ConsoleError):
    """There is nothing for a check to look at; the message says why."""


class Invalid(ConsoleError):
    """A request's values break rules. `fields` maps a field's name to its messages; the API answers with both."""

    status = 400

    def __init__(self, fields: Mapping[str, Any] | Sequence[Any] | str) -> None:
        """`fields` may be a bare message or list of messages: they are about the request as a whole."""
        if isinstance(fields, str):
            fields = [fields]
        self.fields = dict(fields) if isinstance(fields, Mapping) else {"non_field_errors": list(fields)}
        super().__init__("Validation error")


class TooLarge(ConsoleError):
    """A request brings more than is accepted; names the limit."""

    status = 413
