"""Where everything waits: each step of a world is a gate that the scheduler opens."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .loop import SteppedLoop


class Stage(enum.Enum):
    """What opening a gate does."""

    REQUEST = "is served"
    """The other side does its step: one statement, one script."""
    REPLY = "gets its answer"
    """The answer arrives."""
    SLEEP = "wakes"
    """Its time has passed."""


@dataclass(slots=True, eq=False)
class Gate:
    """One call on its way. `owner` is a worker's name, `at` what it asks: `state`, `entries`,
    `database` or `clock`. It can be opened when `ready` says so, or from the time `due` on."""

    owner: str
    at: str
    label: str
    action: Callable[[], Any]
    future: asyncio.Future[Any]
    since: float
    ready: Callable[[], bool] | None
    due: float | None
    stage: Stage
    outcome: Any = None
    error: Exception | None = None

    @property
    def name(self) -> str:
        """What it waits for, in words: not unique."""
        return f"{self.label} {self.stage.value}"

    def perform(self, now: float) -> None:
        """The other side's step."""
        self.since = now
        try:
            self.outcome = self.action()
        except Exception as error:  # noqa: BLE001 - it is the caller's, when it gets there
            self.error = error
        self.stage = Stage.REPLY
        self.ready = self.due = None

    def arrive(self) -> None:
        """The caller's step."""
        if self.future.done():  # it was cancelled, or had given up
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.outcome)

    def give_up(self, error: Exception) -> None:
        """The caller waits no more; what it asked for may be done all the same."""
        if not self.future.done():
            self.future.set_exception(error)


class Gates:
    """All gates of a world, oldest first. `lags`: whether answers are a step of their own."""

    def __init__(self, loop: SteppedLoop, *, lags: bool = True) -> None:
        self.pending: list[Gate] = []
        self.lost: list[Gate] = []
        """Those of processes that are gone: kept, so that no task of theirs is torn down."""
        self.closed = False
        self._gone: set[str] = set()
        self._loop = loop
        self._lags = lags

    async def call(  # noqa: PLR0913 - who asks whom for what, and when it can be done
        self,
        owner: str,
        at: str,
        what: str,
        action: Callable[[], Any],
        *,
        ready: Callable[[], bool] | None = None,
        due: float | None = None,
    ) -> Any:
        """What `action` returns, when the scheduler has let it happen and its answer arrive."""
        future, now = self._loop.create_future(), self._loop.time()
        label, stage = f"{owner} {what}", Stage.REQUEST
        return await self._wait(Gate(owner, at, label, action, future, now, ready, due, stage))

    async def sleep(self, owner: str, seconds: float) -> None:
        """Wait until so much time has passed."""
        future, now = self._loop.create_future(), self._loop.time()
        label, due = f"{owner}'s timer of {seconds:g} s", now + seconds
        gate = Gate(owner, "clock", label, _nothing, future, now, None, due, Stage.SLEEP)
        await self._wait(gate)

    async def _wait(self, gate: Gate) -> Any:
        if self.closed:
            raise asyncio.CancelledError
        # A timer of asyncio's may go off in a process that is gone: it gets no further than here.
        (self.lost if gate.owner in self._gone else self.pending).append(gate)
        try:
            return await gate.future
        except asyncio.CancelledError:
            # Nobody waits for its answer; a statement that has not run is cancelled with it.
            is_over = gate.stage is not Stage.REQUEST or gate.at == "database"
            if is_over and gate in self.pending:
                self.pending.remove(gate)
            raise

    def is_ready(self, gate: Gate) -> bool:
        """Whether it may be opened now, as far as the other side is concerned."""
        if gate.due is not None and self._loop.time() < gate.due:
            return gate.ready is not None and gate.ready()
        return gate.ready is None or gate.due is not None or gate.ready()

    def open(self, gate: Gate, *, is_alive: bool = True) -> None:
        """Let one step happen. `is_alive`: whether its owner is there to get an answer."""
        if gate.stage is Stage.REQUEST:
            gate.perform(self._loop.time())
            if self._lags and is_alive and not gate.future.done():
                return
        self.pending.remove(gate)
        if is_alive:
            gate.arrive()
        else:
            self.lost.append(gate)

    def refuse(self, gate: Gate, error: Exception) -> None:
        """It fails: before its step, or after it, when only the answer is lost."""
        self.pending.remove(gate)
        gate.give_up(error)

    def find(self, name: str, nth: int = 0) -> Gate | None:
        """The `nth` oldest gate of this name."""
        for gate in self.pending:
            if gate.name == name:
                if nth == 0:
                    return gate
                nth -= 1
        return None

    def number_of(self, gate: Gate) -> int:
        """Which of those of its name a gate is: `find` finds it by that."""
        same = [other for other in self.pending if other.name == gate.name]
        return same.index(gate)

    def forget(self, owner: str, *, sent: Callable[[Gate], bool]) -> None:
        """A worker is gone: nothing reaches it any more. Of what it asked, `sent` says what may be
        served yet."""
        self._gone.add(owner)
        left: list[Gate] = []
        for gate in self.pending:
            is_alive = gate.owner != owner or (gate.stage is Stage.REQUEST and sent(gate))
            (left if is_alive else self.lost).append(gate)
        self.pending = left


def _nothing() -> None:
    pass
