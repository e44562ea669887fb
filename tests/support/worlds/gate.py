"""Where a test holds somebody."""

import asyncio


class Gate:
    """Holds whoever comes to it, until it is opened; tells when somebody came."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self._open.wait()

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def open(self) -> None:
        self._open.set()
