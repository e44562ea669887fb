"""How a scheduler chooses, in whatever world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each kind of thing happens.

    `start`, `fault` and `wait` are how often in a hundred steps a client begins a request, a fault
    strikes, and time passes (one of `waits`, in seconds), `settling` how often everything comes to
    rest; else something that waits goes on. `slow` is the share of steps that are rarely chosen,
    and so are those of the followers of the workers in `lagging`. `requests` run at once, at most.
    `lags`: answers arrive in a step of their own.
    """

    workers: int = 2
    requests: int = 4
    faults: Mapping[str, float] = field(default_factory=dict)
    start: float = 12
    fault: float = 1
    wait: float = 6
    waits: tuple[float, ...] = (0.001, 0.02, 0.06, 0.13, 0.3)
    slow: float = 0.15
    lagging: str = ""
    settling: float = 0.1
    lags: bool = True
