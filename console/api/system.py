"""What runs here: versions and health, as Label Studio tells them."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flask import Response

from .. import __version__
from ..app import the_console
from .fields import Char, Document, Shape
from .routes import Resource, answer

api = Resource("System", "Versions and health; no account is asked for.")

VERSIONS = Shape(
    "Versions", release=Char(about="the release of Label Studio that the database belongs to"), edition=Char(),
    backend=Document(), lsf=Document(),
)  # fmt: skip


def versions() -> dict[str, Any]:
    """The parts Label Studio names. The release is the database's; commits and news of PyPI are not known here."""
    release = the_console().deployment.schema.label_studio_version
    short = ".".join(release.split(".")[:2])
    nothing_known = {"message": "", "commit": "", "date": "", "branch": ""}
    return {
        "release": release,
        "label-studio-os-package": {
            "version": release, "short_version": short, "latest_version_from_pypi": release,
            "latest_version_upload_time": "", "current_version_is_outdated": False,
        },
        "label-studio-os-backend": {**nothing_known, "version": release},
        "label-studio-frontend": nothing_known,
        "dm2": nothing_known,
        "label-studio-converter": {"version": _package("label-studio-sdk")},
        "edition": "Community",
        "lsf": nothing_known,
        "backend": {"commit": ""},
        "ls-console": {"version": __version__},
    }  # fmt: skip


@api.get("/api/version", public=True, answers={200: VERSIONS})
def version_json() -> Any:
    """Get version information."""
    return answer(versions())


@api.get("/version", public=True, answers={200: {"type": "string"}})
def version_page() -> Any:
    """The same as text for people."""
    return Response(f"<pre>{json.dumps(versions(), indent=2)}</pre>", mimetype="text/html")


@api.get("/health", public=True, answers={200: {"type": "string"}})
def health() -> Any:
    """The process answers. `/readyz` tells whether the database does."""
    return Response('{"status": "UP"}', mimetype="text/html")


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
