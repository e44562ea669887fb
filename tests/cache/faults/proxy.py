"""A TCP proxy whose target can be changed: the address that clients know stays."""

import asyncio
from types import TracebackType
from typing import Self

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Forwards connections to `target` (a port of loopback), until it is told another."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

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
        self.cut()

    def point_to(self, target: int) -> None:
        """Send new connections to `target`, and end the old ones: what a failover looks like."""
        self.target = target
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(there[1])
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
            self._open.discard(there[1])
        except OSError:
            writer.transport.abort()
        finally:
            self._open.discard(writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()
    else:
        writer.close()
