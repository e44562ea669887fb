"""The follower: what keeps a worker's view of the log current."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from .clock import Clock
from .errors import StoreUnavailable
from .facts import EpochBegun, Fact, LogReset, StoreFailed
from .protocol import Log, Position
from .stores.base import State

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5


class Follower:
    """Tails the log into `view`; one for each worker, on a connection of its own.

    `step` asks once; `run` asks for ever. `drain` publishes what the outbox still holds: a worker
    that had lost the state server calls it before it trusts the server again (F2). `note` is told
    each head and the server's time, `tell` the facts.
    """

    def __init__(  # noqa: PLR0913 - the composition root of a worker names each once
        self,
        state: State,
        view: Log,
        clock: Clock,
        *,
        poll: float,
        drain: Callable[[], Awaitable[object]],
        note: Callable[[Position, float, float], None] = lambda head, now, sent: None,
        tell: Callable[[Fact], None] = lambda fact: None,
    ) -> None:
        self._state = state
        self._view = view
        self._clock = clock
        self._poll = poll
        self._drain = drain
        self._note = note
        self._tell = tell
        self._moved = asyncio.Event()

    async def step(self) -> None:
        """Ask once and apply the answer. Raises `StoreUnavailable` and the outbox's errors."""
        view = self._view
        sent = self._clock.now()
        try:
            answer = await self._state.follow(view.position, 0 if view.must_drain else self._poll)
            if view.is_behind(answer.head):
                # The log lost what is applied here, and says so by its head (F3).
                head = await self._state.renew(view.epoch)
                self._tell(EpochBegun(head, "the head was behind what is applied"))
                return
        except StoreUnavailable:
            view.lose()
            raise
        if view.hear(answer, sent, self._clock.now()):
            self._tell(LogReset(answer.head, "another epoch, or a gap"))
        self._note(answer.head, answer.now, sent)
        self._moved.set()
        if view.must_drain:
            await self._drain()
            view.drained()

    async def run(self) -> None:
        """Follow until cancelled; away servers are asked again, ever more rarely."""
        pause = 0.0
        while True:
            try:
                await self.step()
            except StoreUnavailable as error:
                self._tell(StoreFailed("follow", str(error)))
            except Exception:
                # The outbox's database may be away, with any error of its driver. Nothing local is
                # used until it was drained, so going on is safe, and giving up would not be.
                if not pause:
                    log.exception("the outbox could not be drained; trying again")
            else:
                pause = 0.0
                continue
            pause = min(max(_FIRST_PAUSE, 2 * pause), _LONGEST_PAUSE)
            await self._clock.sleep(pause)

    async def reach(self, target: Position, patience: float) -> bool:
        """Wait up to `patience` seconds until the log is applied up to `target`."""

        def is_there() -> bool:
            position = self._view.position
            return position is not None and position.reaches(target)

        return await self._until(is_there, patience)

    async def catch_up(self, patience: float) -> bool:
        """Wait up to `patience` seconds until this worker's view is current."""
        return await self._until(lambda: self._view.is_current(self._clock.now()), patience)

    async def _until(self, is_there: Callable[[], bool], patience: float) -> bool:
        limit = asyncio.ensure_future(self._clock.sleep(patience))
        try:
            while not is_there() and not limit.done():
                self._moved.clear()
                moved = asyncio.ensure_future(self._moved.wait())
                try:
                    await asyncio.wait({moved, limit}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    moved.cancel()
        finally:
            limit.cancel()
        return is_there()
