"""The proxy breaks links in each of its ways, and heals them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.proxy import Link, Proxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Proxy, list[bytes]]]:
    """A proxy before a server that answers what it got; what it got is listed."""
    got: list[bytes] = []
    ended = asyncio.Semaphore(0)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            while line := await reader.readline():
                got.append(line)
                writer.write(line)
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()
        ended.release()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy, got
    await ended.acquire()
    server.close()


async def close(ends: Ends) -> None:
    ends[1].close()
    with suppress(ConnectionResetError):
        await ends[1].wait_closed()


async def has_ended(ends: Ends) -> bool:
    try:
        return await ends[0].readline() == b""
    except ConnectionResetError:
        return True


async def answer(ends: Ends, line: bytes, patience: float = 0.3) -> bytes:
    ends[1].write(line)
    async with asyncio.timeout(patience):
        return await ends[0].readline()


async def test_well_and_delayed() -> None:
    async with echoing() as (proxy, _):
        ends = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await answer(ends, b"one\n") == b"one\n"
        proxy.delay = 0.2
        with pytest.raises(TimeoutError):
            await answer(ends, b"two\n")
        assert await ends[0].readline() == b"two\n"
        await close(ends)


async def test_refused() -> None:
    async with echoing() as (proxy, _):
        ends = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await answer(ends, b"one\n") == b"one\n"
        proxy.set(Link.REFUSED)
        for old_or_new in (ends, await asyncio.open_connection("127.0.0.1", proxy.port)):
            assert await has_ended(old_or_new)
            await close(old_or_new)
        proxy.heal()
        ends = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await answer(ends, b"two\n") == b"two\n"
        await close(ends)


async def test_a_black_hole_delivers_late() -> None:
    async with echoing() as (proxy, got):
        ends = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.set(Link.BLACK_HOLE)
        with pytest.raises(TimeoutError):
            await answer(ends, b"one\n")
        assert got == []
        proxy.heal()
        assert await ends[0].readline() == b"one\n"
        await close(ends)


async def test_half_open_executes_and_does_not_answer() -> None:
    async with echoing() as (proxy, got):
        ends = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.set(Link.HALF_OPEN)
        with pytest.raises(TimeoutError):
            await answer(ends, b"one\n")
        assert got == [b"one\n"]
        proxy.heal()
        assert await has_ended(ends)
        await close(ends)
