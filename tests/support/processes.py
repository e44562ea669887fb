"""Waiting for conditions and looking at processes."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
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


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    return [found for found, parent in _processes() if parent == pid]


def _processes() -> Iterator[tuple[int, int]]:
    """Every process and its parent."""
    if not Path("/proc/self").exists():  # macOS
        command = ["ps", "-A", "-o", "pid=,ppid="]
        listed = subprocess.run(command, check=True, capture_output=True, text=True)
        for line in listed.stdout.splitlines():
            found, parent = line.split()
            yield int(found), int(parent)
        return
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parent = path.read_text().rpartition(")")[2].split()[1]
            yield int(path.parent.name), int(parent)


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to each; one that has ended meanwhile needs none."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
