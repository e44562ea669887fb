"""What all worlds share: gates, time, notes, and `do`, which alone makes anything happen."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from .gates import Gate, Gates, Stage
from .logs import LogWatch
from .loop import SteppedLoop
from .pace import Pace
from .process import Process
from .statistics import Statistics

Choice = tuple[Any, ...]
"""One step, as plain values: what a scheduler chose, and what repeats it."""


class Violation(AssertionError):  # noqa: N818 - what it names is what it is
    """A promise was broken; `steps` is what led there."""

    def __init__(self, what: str, steps: Sequence[str] = ()) -> None:
        super().__init__("\n".join([*steps, f"violated: {what}"]))
        self.what = what
        self.steps = steps


class Verdict:
    """Keeps the first violation."""

    def __init__(self) -> None:
        self.violation: str | None = None

    def violated(self, what: str) -> None:
        if self.violation is None:
            self.violation = what


class _Faults(Protocol):
    def strike(self, name: str, *arguments: Any) -> str | None: ...


class _Rest(Protocol):
    def settle(self) -> str: ...


class SteppedWorld(ABC):
    """Made of a scenario and a seed."""

    def __init__(self, pace: Pace, seed: int) -> None:
        self.pace = pace
        self.seed = seed
        self.now = 0.0
        self.chance = random.Random(seed)  # noqa: S311 - not for secrets
        self.choices: list[Choice] = []
        self._notes: list[tuple[int, str | Callable[[], str]]] = []
        self.loop = SteppedLoop(lambda: self.now)
        self.gates = Gates(self.loop, lags=pace.lags)
        self.statistics = Statistics()
        self._logs: LogWatch | None = None

    # ---- what a world brings ----

    @property
    @abstractmethod
    def processes(self) -> Mapping[str, Process]:
        """The workers, by their names of one letter."""

    @property
    @abstractmethod
    def verdict(self) -> Verdict:
        """What keeps the first violation."""

    @property
    @abstractmethod
    def striking(self) -> _Faults:
        """What may go wrong."""

    @property
    @abstractmethod
    def resting(self) -> _Rest:
        """What brings it to rest."""

    @abstractmethod
    def begin(self, client: str, worker: str, *operations: Any) -> str | None:
        """A request arrives; says what it asks for. None: it cannot now."""

    def time_passed(self) -> None:  # noqa: B027 - not every world minds
        """The time is another one."""

    # ---- what happens ----

    def watch(self, logs: LogWatch) -> None:
        """Take the engine's log until the world is closed."""
        self._logs = logs
        logs.open()

    def do(self, choice: Choice) -> bool:
        """Let one thing happen, if it can now. Raises `Violation`."""
        kind, *arguments = choice
        mark = len(self._notes)
        self._notes.append((len(self.choices) + 1, ""))
        action: Callable[..., str | None] = _ACTIONS[kind]
        said = action(self, *arguments)
        if said is None:
            del self._notes[mark:]
            return False
        self.choices.append(choice)
        self._notes[mark] = (len(self.choices), said)
        self.loop.settle()
        self.check()
        return True

    def check(self) -> None:
        """Raise the violation that was found, if one was."""
        if self.loop.errors:
            error = self.loop.errors[0]
            self.verdict.violated(
                f"nobody caught: {error['message']}: {error.get('exception')!r}, "
                f"{error.get('future')!r}"
            )
        if self.verdict.violation is not None:
            raise Violation(self.verdict.violation, self.steps())

    def steps(self) -> list[str]:
        """What happened, in words, with numbers."""
        return [f"{number:5}. {text() if callable(text) else text}" for number, text in self._notes]

    def note(self, text: str | Callable[[], str]) -> None:
        """Write down what came of a step."""
        self._notes.append((len(self.choices) + 1, text))

    def can_open(self, gate: Gate) -> bool:
        """Whether a step can happen now: what is sent to a paused process waits for it."""
        if gate.stage is not Stage.REQUEST:
            worker = self.living(gate)
            if worker is None or worker.is_paused:
                return False
        return self.gates.is_ready(gate)

    def living(self, gate: Gate) -> Process | None:
        """The worker that waits at a gate, if it still lives."""
        worker = self.processes[gate.owner[0]]
        return worker if worker.is_alive and worker.owner == gate.owner else None

    def openable(self) -> list[Gate]:
        """The gates that can be opened now, oldest first."""
        return [gate for gate in self.gates.pending if self.can_open(gate)]

    def _open(self, name: str, nth: int = 0) -> str | None:
        gate = self.gates.find(name, nth)
        if gate is None or not self.can_open(gate):
            return None
        self.open(gate)
        return name

    def open(self, gate: Gate) -> None:
        """Let what waits at a gate go on."""
        self.gates.open(gate, is_alive=self.living(gate) is not None)

    def _wait(self, seconds: float) -> str | None:
        self.now = round(self.now + seconds, 6)
        self.time_passed()
        return f"{seconds:g} s pass; it is {self.now:g}"

    def close(self) -> None:
        """End every task."""
        self.gates.closed = True
        while tasks := asyncio.all_tasks(self.loop.as_loop):
            for task in tasks:
                task.cancel()
            self.loop.settle()
        if self._logs is not None:
            self._logs.close()


_ACTIONS: Mapping[str, Callable[..., str | None]] = {
    "open": SteppedWorld._open,
    "wait": SteppedWorld._wait,
    "begin": lambda world, *arguments: world.begin(*arguments),
    "fault": lambda world, *arguments: world.striking.strike(*arguments),
    "settle": lambda world: world.resting.settle(),
}
