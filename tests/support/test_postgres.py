"""The test server can be paused and crashed, and loses nothing that it acknowledged."""

import asyncio

import asyncpg
import pytest

from tests.support.postgres import PostgresServer


async def test_paused_and_crashed() -> None:
    server = PostgresServer(is_durable=True)
    await asyncio.to_thread(server.start)
    try:
        await _play(server)
    finally:
        await asyncio.to_thread(server.stop)


async def _play(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute("CREATE TABLE kept (number int)")
    server.pause()
    with pytest.raises(TimeoutError):
        await connection.execute("INSERT INTO kept VALUES (1)", timeout=0.3)
    server.resume()
    await connection.close(timeout=5)

    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute("INSERT INTO kept VALUES (2)")
    server.crash()
    with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
        await _ask_for_ever(connection)
    async with asyncio.timeout(20):
        kept = await _ask(server, "SELECT number FROM kept WHERE number = 2")
    assert kept == [(2,)]


async def _ask_for_ever(connection: asyncpg.Connection) -> None:
    async with asyncio.timeout(5):
        while True:
            await connection.execute("SELECT 1")


async def _ask(server: PostgresServer, query: str) -> list[tuple[int]]:
    while True:
        try:
            connection = await asyncpg.connect(server.url("postgres"))
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
            continue
        found = await connection.fetch(query)
        await connection.close()
        return [tuple(row) for row in found]
