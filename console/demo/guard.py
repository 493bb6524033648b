"""Stands between the demo and one of its servers, so that the server never outlives the demo.

Run by path with a bare interpreter, it starts the command after `--` and waits. It stops the command when the demo
asks (one byte on standard input), when the demo closes the pipe, and when the demo is simply gone (`kill -9`).
A forked copy of the demo may hold the pipe open, therefore the parent's process id is watched as well.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

POLL_SECONDS = 0.2
GRACE_SECONDS = 6.0
PR_SET_PDEATHSIG = 1


def _die_with_guard(how: int) -> Callable[[], None] | None:
    """On Linux, a hook that ties the command's life to the guard's; elsewhere the guard alone does the work."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, how)


def _stop(child: subprocess.Popen[bytes], how: int) -> None:
    child.send_signal(how)
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _watch(child: subprocess.Popen[bytes], parent: int, polite: int, at_once: int) -> None:
    """Returns when the command has ended, by itself or by us."""
    while child.poll() is None:
        if os.getppid() != parent:
            return _stop(child, at_once)
        readable, _, _ = select.select([0], [], [], POLL_SECONDS)
        if readable:
            return _stop(child, polite if os.read(0, 1) else at_once)


def main() -> int:
    """Arguments: parent pid, polite signal, signal when the parent is gone, user id or `-`, then the command."""
    parent, polite, at_once = (int(argument) for argument in sys.argv[1:4])
    user = None if sys.argv[4] == "-" else int(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(
        sys.argv[5:],
        stdin=subprocess.DEVNULL,
        process_group=0,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        preexec_fn=_die_with_guard(at_once),
    )
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(polite))
    _watch(child, parent, polite, at_once)
    return child.returncode or 0


if __name__ == "__main__":
    sys.exit(main())
