"""Secrets inside plans and the audit log: kept so that undo can bring them back, readable by this console alone.

A plan that changes a storage's keys has to remember the old ones. They are encrypted with a key made from the console's
secret key (LSCONSOLE_SECRET_KEY, or the one generated in the data directory); whoever reads the state store without it
reads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from ..config import Settings
from ..diagnostics.change import SEALED_MARK, Change, DeleteRow, InsertRow, Sealed, UpdateRow
from ..errors import Refused
from ..masking import is_secret_column


class Sealer:
    """Seals and opens the secret columns of changes."""

    def __init__(self, secret: str) -> None:
        derived = hashlib.blake2b(secret.encode(), digest_size=32, person=b"lsconsole seal").digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    @classmethod
    def of(cls, settings: Settings) -> Sealer:
        return cls(settings.signing_key())

    def seal(self, change: Change) -> Change:
        """The change with its secrets encrypted; empty ones stay as they are, and so does what is sealed already."""
        return _mapped(change, self._sealed)

    def open(self, change: Change) -> Change:
        """The change with its secrets in clear. Raises Refused when they were sealed with another secret key."""
        return _mapped(change, self._opened)

    def seal_document(self, document: Mapping[str, Any]) -> dict[str, str]:
        """A whole document encrypted: bytes of a job may hold anything."""
        return {SEALED_MARK: self._fernet.encrypt(json.dumps(dict(document)).encode()).decode()}

    def open_document(self, sealed: Mapping[str, str]) -> Any:
        """The inverse of `seal_document`. Raises Refused when it was sealed with another secret key."""
        return self._open(Sealed(sealed[SEALED_MARK]))

    def _sealed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: Sealed(self._fernet.encrypt(json.dumps(value).encode()).decode())
            if is_secret_column(name) and isinstance(value, str) and value
            else value
            for name, value in values.items()
        }

    def _opened(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._open(value) if isinstance(value, Sealed) else value for name, value in values.items()}

    def _open(self, value: Sealed) -> Any:
        try:
            return json.loads(self._fernet.decrypt(value.token.encode()))
        except InvalidToken:
            raise Refused(
                "The secrets of this plan were kept under another secret key, so they cannot be written or compared. "
                "Start the console with the LSCONSOLE_SECRET_KEY of that time, or enter the credentials anew."
            ) from None


def _mapped(change: Change, values: Any) -> Change:
    if isinstance(change, UpdateRow):
        return UpdateRow(change.table, change.key, values(change.before), values(change.after))
    if isinstance(change, InsertRow):
        return InsertRow(change.table, values(change.values), values(change.unless), change.key)
    return DeleteRow(change.table, change.key, values(change.before))
