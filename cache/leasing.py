"""One load for several processes: whoever has the lease loads, the others wait for what it stores.

A lease only saves work: a waiter takes what it finds if that is valid for it, like any reader, and
loads by itself when the lease's time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .call import Call
from .errors import StoreUnavailable
from .facts import Leased, StoreFailed
from .flight import Outcome
from .leases import Leases
from .worker import Worker

Load = Callable[[], Awaitable[Outcome]]
Refind = Callable[[Call], Awaitable[Outcome | None]]


class Leasing:
    """Runs loads under leases. `refind` looks for a value that another process has stored."""

    def __init__(self, leases: Leases, worker: Worker, refind: Refind) -> None:
        self._leases = leases
        self._worker = worker
        self._refind = refind

    async def run(self, call: Call, seconds: float, load: Load) -> Outcome:
        """The outcome of this process's load, or of another's within `seconds`."""
        clock = self._worker.clock
        began = clock.now()
        token = None
        try:
            while token is None and (left := began + seconds - clock.now()) > 0:
                token = await self._leases.acquire(call.key, seconds)
                if token is None:
                    await self._leases.wait(call.key, left)
                    found = await self._refind(call)
                    if found is not None:
                        self._worker.tell(Leased(call.key, call.name, clock.now() - began))
                        return found
        except StoreUnavailable as error:
            self._worker.tell(StoreFailed("lease", str(error)))
        if token is None:
            return await load()  # no lease to be had, or whoever has it takes too long
        return await self._load(call, token, load)

    async def _load(self, call: Call, token: str, load: Load) -> Outcome:
        try:
            return await load()
        finally:
            # Shielded: a lease that is not given back makes everybody wait for its end.
            await asyncio.shield(asyncio.ensure_future(self._release(call.key, token)))

    async def _release(self, key: str, token: str) -> None:
        try:
            await self._leases.release(key, token)
        except StoreUnavailable as error:
            self._worker.tell(StoreFailed("lease", str(error)))
