"""What the console does by the clock: samples for the charts, scheduled maintenance.

`serve` and `worker` each run one thread of this; a lease in our store lets one of them do the work. A deployment that
does not answer is tried again at the next beat, and nobody's request waits for it.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from . import sampler
from .errors import ConsoleError
from .masking import mask_text
from .service import Console
from .state import leases
from .state.store import this_process

log = logging.getLogger(__name__)

BEAT_SECONDS = 15
#: Longer than a beat with its work: the holder keeps the lease, and a dead one loses it soon.
LEASE_SECONDS = 90


class Clock(threading.Thread):
    """A daemon thread that beats until stopped."""

    def __init__(self, console: Console, beat_seconds: float = BEAT_SECONDS) -> None:
        super().__init__(name="clock", daemon=True)
        self._console, self._beat_seconds = console, beat_seconds
        self._over, self._told = threading.Event(), ""

    def run(self) -> None:
        while not self._over.wait(self._beat_seconds):
            self.beat()

    def stop(self) -> None:
        self._over.set()

    def beat(self) -> None:
        """Do what is due, if it is ours to do. Never raises: what went wrong is logged once, until it changes."""
        try:
            deployment = self._console.deployment
            name = f"clock {deployment.identity}"
            if leases.take(self._console.store, name, this_process(), LEASE_SECONDS):
                tick(self._console)
            self._told = ""
        except (ConsoleError, SQLAlchemyError, OSError) as error:
            self._tell(str(error))
        except Exception as error:  # whatever a stranger's value brought about: the next beat comes all the same
            self._tell(f"{type(error).__name__}: {error}", exc_info=True)

    def _tell(self, why: str, *, exc_info: bool = False) -> None:
        if why != self._told:
            log.warning("by the clock: %s", mask_text(why), exc_info=exc_info)
        self._told = why


def tick(console: Console) -> None:
    """What is due now. Raises what looking at the deployment raises."""
    from . import scheduled

    scheduled.settle(console)
    scheduled.start_due(console)
    if console.settings.samples:
        sampler.sample(console.store, console.deployment)


def start(console: Console) -> Clock:
    clock = Clock(console)
    clock.start()
    return clock
