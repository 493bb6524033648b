"""LS Console: the doctor for a Label Studio deployment that already runs. Importing the package connects to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

__version__ = "0.1.0"


def create_app(settings: Any = None) -> Flask:
    """The web application for one deployment; `settings` defaults to the environment's."""
    from .app import build

    return build(settings)
