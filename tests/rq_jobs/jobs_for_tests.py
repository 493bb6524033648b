"""What the jobs of the tests do; importable by every release of rq, so no newer syntax and no imports of ours."""

import os
import time


def ok():
    return "done"


def fail(reason="it broke"):
    raise ValueError(reason)


def slow(seconds):
    time.sleep(seconds)
    return seconds


def echo(*args, **kwargs):
    return [list(args), kwargs]


def die():
    """As the kernel ends a process for memory."""
    os.kill(os.getpid(), 9)
