"""J5: what a reader's token asks for, before anything is read for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

from .errors import StoreUnavailable
from .facts import Bypassed, Fact, TokenIgnored
from .following import Follower
from .protocol import Barrier, Log, Look, Position, Rules, Token
from .relay import Relay

_ATTEMPTS = 3
"""Epochs that may begin one after the other before a reader is served without caches."""


class Resolver:
    """Makes the barrier of a request one that verdicts can meet.

    - An outbox id becomes the position of its purge: published by then, by whomever.
    - Positions of another epoch, and "all", become a head that is asked for when nothing is left
      to publish: the outbox is drained first.
    - A position ahead of what is applied here is awaited for a moment.
    - What cannot be resolved, because the store is away, makes the barrier `alone`. The database's
      errors are raised: without it there is nothing to read.

    `look` asks for the head; it raises `StoreUnavailable` for one that cannot be (F3). `relay` is
    None where there is no outbox: then nothing waits to be published but by this worker.
    """

    def __init__(  # noqa: PLR0913 - the composition root of a worker names each once
        self,
        look: Callable[[], Awaitable[Look]],
        view: Log,
        *,
        relay: Relay | None,
        follower: Follower,
        latest: Callable[[], Position | None],
        patience: float,
        rules: Rules,
        tell: Callable[[Fact], None],
    ) -> None:
        self._look = look
        self._view = view
        self._relay = relay
        self._follower = follower
        self._latest = latest
        self._running: dict[Barrier, asyncio.Task[None]] = {}
        self._patience = patience
        self._rules = rules
        self._tell = tell

    def is_due(self, barrier: Barrier) -> bool:
        """Whether `resolve` has something to do before this reader's next look-up."""
        if barrier.alone or barrier.token.is_empty:
            return False
        if barrier.must_publish(self._epoch()):
            return True
        return not barrier.waited and barrier.is_ahead_of(self._view.position)

    async def resolve(self, barrier: Barrier, *, again: bool = False) -> None:
        """Resolve `barrier` in place, or make it `alone`; the fields of a request do it together.

        `again`: a verdict was in another epoch than the barrier, so drain under that one (J5).
        Cancelling one of them cancels nobody else.
        """
        running = self._running.get(barrier)
        if running is None:
            context = Context()  # no transaction, no caller's deadline
            task = self._resolve(barrier, again)
            running = asyncio.get_running_loop().create_task(task, context=context)
            self._running[barrier] = running
            running.add_done_callback(lambda task: self._end(barrier, task))
        await asyncio.shield(running)

    def _end(self, barrier: Barrier, task: asyncio.Task[None]) -> None:
        self._running.pop(barrier, None)
        if not task.cancelled():
            task.exception()  # where everyone who waited is gone, it is nobody's error

    async def _resolve(self, barrier: Barrier, again: bool) -> None:
        try:
            asks = await self._publish(barrier)
            if again or barrier.must_publish(self._epoch()):
                await self._drain(barrier)
            elif asks:
                barrier.add((await self._look()).head)
        except StoreUnavailable as error:
            barrier.alone = self._rules.j5_bypass
            self._tell(Bypassed("token", f"a token cannot be resolved: {error}"))
            return
        await self._wait(barrier)

    async def _publish(self, barrier: Barrier) -> bool:
        """Replace outbox ids by positions. Returns whether one is gone: then a head is due (J6)."""
        identifiers = barrier.token.outbox if self._rules.j5_outbox_id else frozenset()
        if not identifiers:
            return False
        gone = False
        if self._relay is not None:
            for position in (await self._relay.publish(identifiers)).values():
                if position is None:
                    gone = True
                else:
                    barrier.add(position)
        barrier.token = barrier.token.without(identifiers)
        return gone or self._relay is None

    async def _drain(self, barrier: Barrier) -> None:
        rules, asked = self._rules, barrier.token
        for _ in range(_ATTEMPTS):
            drained = await self._drained()
            if not rules.j5_head and drained is not None:
                # As if there were nothing to hear of where nothing was left to publish.
                barrier.resolve_to(Position(drained.epoch, 0), asked)
                return
            head = (await self._look()).head
            if drained is None or head.epoch == drained.epoch or not rules.j5_answer:
                barrier.resolve_to(head, asked)
                return
        raise StoreUnavailable(f"{_ATTEMPTS} epochs began one after the other")

    async def _drained(self) -> Position | None:
        if self._relay is None or not self._rules.j5_drain:
            return None
        return await self._relay.drain()

    async def _wait(self, barrier: Barrier) -> None:
        barrier.waited = True
        applied = self._view.position
        if applied is None or not barrier.is_ahead_of(applied):
            return
        target = Position(applied.epoch, barrier.token.positions[applied.epoch])
        await self._follower.reach(target, self._patience)

    def _epoch(self) -> str | None:
        latest = self._latest()
        return self._view.epoch or (latest.epoch if latest else None)

    def clip(self, barrier: Barrier, head: Position, asked: Token) -> None:
        """Ignore a position beyond `head`, which was asked for when the token was `asked`."""
        if barrier.clip(head, asked):
            self._tell(TokenIgnored("a position beyond the head"))
