"""Sends what webhooks are told, after the change they are told of is committed.

Delivery never fails a request: a receiver that does not answer costs its own time limit and one line of the log.
Source: Label Studio's `webhooks/utils.py run_webhook_sync`, which does the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

import orjson
from sqlalchemy.exc import SQLAlchemyError

from . import egress
from .errors import ConsoleError
from .labeling.db import Caller, Db
from .labeling.webhooks import Announcement, bodies
from .service import Console

log = logging.getLogger(__name__)
#: Announcements that wait at most; beyond it the newest are not told, so that dead receivers hold up nobody's work.
WAITING = 1000
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="webhooks")
_room = BoundedSemaphore(WAITING)


def tell(console: Console, caller: Caller, announcements: Sequence[Announcement]) -> None:
    """Tell whoever wants to hear: inside the request where jobs run inline, else on threads beside it."""
    for told in announcements:
        if console.settings.jobs_mode == "inline":
            _send(console, caller, told)
            continue
        if not _room.acquire(blocking=False):
            log.warning("webhooks of %s were not told: %d announcements wait already", told.action, WAITING)
            continue
        _threads.submit(_send, console, caller, told).add_done_callback(_sent)


def _sent(done: Future[None]) -> None:
    _room.release()
    if (error := done.exception()) is not None:
        log.error("telling webhooks failed", exc_info=error)


def _send(console: Console, caller: Caller, told: Announcement) -> None:
    try:
        with console.deployment.read() as session:
            for body in bodies(Db(session, console.deployment.schema, caller), told):
                _post(console, told, orjson.dumps(body, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS))
    except (ConsoleError, SQLAlchemyError) as error:
        log.warning("webhooks of %s were not told: %s", told.action, error)


def _post(console: Console, told: Announcement, body: bytes) -> None:
    settings = console.settings
    bare = orjson.dumps({"action": told.action})
    for hook in told.hooks:
        headers = {"Content-Type": "application/json"} | hook.headers
        try:
            with egress.request("POST", hook.url, egress.Rules.of(settings), headers=headers, redirects=0,
                                body=body if hook.send_payload else bare, seconds=settings.webhook_timeout_seconds):  # fmt: skip
                pass
        except ConsoleError as error:
            log.warning("webhook %s was not told of %s: %s", hook.id, told.action, error)
