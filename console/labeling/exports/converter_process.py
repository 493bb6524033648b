"""The child process of `converter`: reads one order from standard input, converts, answers with one line of JSON.

Run as `python -m console.labeling.exports.converter_process`. Nothing of the server is loaded here, and nothing of the
converter there.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ... import egress
from .converter import zip_or_only

LONGEST_REASON = 300


class Told:
    """Settings of outgoing requests, as `egress.Rules` wants them."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.ssrf_protection = bool(order["ssrf_protection"])
        self.default_banned_subnets = bool(order["default_banned_subnets"])
        self.banned_subnets = tuple(order["banned_subnets"])


class Fetched:
    """One answer, as far as the converter looks at it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def raise_for_status(self) -> None:
        """Nothing to raise: what is no success never becomes an answer here."""

    def iter_content(self, chunk_size: int = 8192) -> Iterator[bytes]:
        stream = io.BytesIO(self.content)
        while chunk := stream.read(chunk_size):
            yield chunk

    def __enter__(self) -> Fetched:
        return self

    def __exit__(self, *_: object) -> None:
        self.content = b""


class Session:
    """Stands in for `requests.Session`: every address goes through our own client, without any login."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._rules, self._most_bytes = egress.Rules.of(Told(order)), int(order["most_bytes"])

    def get(self, url: str, **_ignored: Any) -> Fetched:
        body = io.BytesIO()
        egress.download(url, body, self._rules, most_bytes=self._most_bytes)
        return Fetched(body.getvalue())


def convert(order: dict[str, Any]) -> dict[str, Any]:
    """Run the converter; `{"file": name}` beside the output directory, or no file when nothing came out."""
    from label_studio_sdk.converter import Converter

    output = Path(order["output"])
    converter = Converter(
        config=order["controls"], project_dir=None, upload_dir=order["uploads"],
        download_resources=bool(order["resources"]), local_files_resolver=lambda path: None, http_session=Session(order),
    )  # fmt: skip
    converter.convert(order["tasks"], str(output), order["format"], is_dir=False)
    entries = list(output.iterdir())
    if not entries:
        return {"entries": 0}
    only = zip_or_only(entries)
    if only is not None:
        return {"file": f"{output.name}/{only.name}", "entries": 1}
    shutil.make_archive(str(output), "zip", str(output))
    return {"file": f"{output.name}.zip", "entries": len(entries)}


def main() -> int:
    order = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    with open(os.dup(1), "w", encoding="utf-8") as answers:  # noqa: PTH123
        os.dup2(2, 1)  # whatever the converter prints is no answer
        try:
            answer = convert(order)
        except ModuleNotFoundError as error:
            answer = {
                "error": f"the converter is not installed ({error.name} is missing): pip install 'label-studio-console[converters]'"
            }
        except Exception as error:
            traceback.print_exc()
            answer = {"error": _reason(error)}
        answers.write(json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:LONGEST_REASON]
    return f"the converter stopped with {type(error).__name__}" + (f" ({text})" if text else "")


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
