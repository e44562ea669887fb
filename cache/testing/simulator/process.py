"""A simulated process: it can be paused, killed and started again."""

from __future__ import annotations

from typing import Any


class Process:
    """What every worker of a world is. `running` are the requests that it serves now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_paused = False
        self.is_alive = False
        self.running: set[Any] = set()
        self.starts = 0

    def begin(self) -> None:
        """A new process, which knows nothing."""
        self.starts += 1
        self.is_alive, self.is_paused = True, False
        self.running = set()

    @property
    def owner(self) -> str:
        """The name that its calls have; each start has another."""
        return self.name if self.starts == 1 else f"{self.name}{self.starts}"

    def end(self) -> None:
        """The process is killed: whoever it served gets no answer."""
        self.is_alive = self.is_paused = False
        self.running = set()

    @property
    def is_quiet(self) -> bool:
        """Whether it serves nobody and does nothing for anybody."""
        return not self.running
