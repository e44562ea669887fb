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
Refind = Callable[[], Awaitable[Outcome | None]]


class Leasing:
    """Runs loads under leases."""

    def __init__(self, leases: Leases, worker: Worker) -> None:
        self._leases = leases
        self._worker = worker

    async def run(self, call: Call, seconds: float, load: Load, refind: Refind) -> Outcome:
        """The outcome of this process's load, or of another's within `seconds`.

        `refind` looks for what another process has stored.
        """
        clock = self._worker.clock
        began = clock.now()
        token, found = None, None
        try:
            try:
                while not (token or found) and (left := began + seconds - clock.now()) > 0:
                    token = await self._leases.acquire(call.key, seconds)
                    if token is None:
                        await self._leases.wait(call.key, left)
                    # Whoever has the lease looks too: another may have had it, and given it back,
                    # between this load's look-up and now.
                    found = await refind()
            except StoreUnavailable as error:
                self._worker.tell(StoreFailed("lease", str(error)))
            if found is None:
                # Without a token: no lease is to be had, or whoever has it takes too long.
                return await load()
            self._worker.tell(Leased(call.key, call.name, clock.now() - began))
            return found
        finally:
            if token is not None:
                # Shielded: a lease that is not given back makes everybody wait for its end.
                await asyncio.shield(asyncio.ensure_future(self._release(call.key, token)))

    async def _release(self, key: str, token: str) -> None:
        try:
            await self._leases.release(key, token)
        except StoreUnavailable as error:
            self._worker.tell(StoreFailed("lease", str(error)))
