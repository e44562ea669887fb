"""Leases of simulated workers, in one table."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World


class SimulatedLeases:
    """All leases of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.held: dict[str, tuple[str, float]] = {}
        self._tokens = itertools.count(1)

    def of(self, owner: str) -> OneWorkersLeases:
        return OneWorkersLeases(owner, self)

    def acquire(self, key: str, seconds: float) -> str | None:
        if self.is_held(key):
            return None
        token = f"lease-{next(self._tokens)}"
        self.held[key] = (token, self.world.now + seconds)
        return token

    def is_held(self, key: str) -> bool:
        return key in self.held and self.held[key][1] > self.world.now

    def release(self, key: str, token: str) -> None:
        if key in self.held and self.held[key][0] == token:
            del self.held[key]


class OneWorkersLeases:
    """One worker's way to them."""

    def __init__(self, owner: str, leases: SimulatedLeases) -> None:
        self._owner = owner
        self._leases = leases
        self._gates = leases.world.gates

    async def acquire(self, key: str, seconds: float) -> str | None:
        token: str | None = await self._gates.call(
            self._owner, "leases", "asks for a lease", lambda: self._leases.acquire(key, seconds)
        )
        return token

    async def wait(self, key: str, timeout: float) -> bool:  # noqa: ASYNC109 - as its protocol
        def is_free() -> bool:
            return not self._leases.is_held(key)

        was_free: bool = await self._gates.call(
            self._owner,
            "leases",
            "waits for a lease",
            is_free,
            ready=is_free,
            due=self._leases.world.now + timeout,
        )
        return was_free

    async def release(self, key: str, token: str) -> None:
        await self._gates.call(
            self._owner, "leases", "gives a lease back", lambda: self._leases.release(key, token)
        )

    async def aclose(self) -> None:
        """Nothing is open."""
