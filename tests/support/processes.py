"""Waiting for conditions and looking at processes."""

import os
import time
from collections.abc import Callable


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for a condition; fails after a deadline."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"the condition did not come true within {seconds:g} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
