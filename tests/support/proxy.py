"""A TCP proxy that breaks in every way that a network does, between one client and one server.

The address that clients know stays, whatever becomes of the way behind it.
"""

import asyncio
from enum import Enum
from types import TracebackType
from typing import Self


class Link(Enum):
    """What becomes of what is sent."""

    WELL = "well"
    REFUSED = "refused"
    """Connections end, and new ones end at once."""
    BLACK_HOLE = "black hole"
    """Nothing arrives, in either direction, and nobody is told; what was sent arrives late."""
    HALF_OPEN = "half open"
    """Requests arrive and are executed; answers are lost."""


class Proxy:
    """Forwards connections to `target` (a port of loopback), until it is told another.

    `delay` is added to each piece in each direction, in seconds.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.link = Link.WELL
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.heal()
        self.cut()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def point_to(self, target: int) -> None:
        """Send new connections to `target`, and end the old ones: what a failover looks like."""
        self.target = target
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    def set(self, link: Link) -> None:
        """Break the link in this way."""
        self.link = link
        if link is Link.BLACK_HOLE:
            self._flows.clear()
        if link is Link.REFUSED:
            self.cut()

    def heal(self) -> None:
        """Let everything through again. Connections that lost something end: nobody could go on."""
        lossy = self.link is Link.HALF_OPEN
        self.link, self.delay = Link.WELL, 0.0
        self._flows.set()
        if lossy:
            self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._forward(reader, writer)
        finally:
            self._serving.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.link is Link.REFUSED:
            writer.transport.abort()
            return
        self._open.add(writer)
        writers = [writer]
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(there[1])
            writers.append(there[1])
            await asyncio.gather(
                self._pump(reader, there[1], is_answer=False),
                self._pump(there[0], writer, is_answer=True),
            )
        except OSError:
            writer.transport.abort()
        finally:
            self._open.difference_update(writers)
            await asyncio.gather(*(it.wait_closed() for it in writers), return_exceptions=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flows.wait()
                if is_answer and self.link is Link.HALF_OPEN:
                    continue
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            writer.transport.abort()
        else:
            writer.close()
