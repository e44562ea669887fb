"""The fixtures that all other tests stand on."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import asyncpg
from redis.asyncio import Redis
from tortoise.context import require_context

from models.database import database_id
from tests.support.counting import SqlCounter
from tests.support.processes import alive, until
from tests.support.servers import PostgresServer


async def test_redis_is_a_real_server_of_bytes(redis: Redis, key_prefix: str) -> None:
    await redis.set(key_prefix, "1", ex=60)
    assert await redis.get(key_prefix) == b"1"


async def test_each_test_has_a_migrated_database_of_its_own(database: str) -> None:
    client = require_context().db()
    _, rows = await client.execute_query("SELECT count(*) AS n FROM products")
    assert rows[0]["n"] == 0
    assert len(await database_id()) == 32


async def test_sql_statements_are_counted(database: str) -> None:
    client = require_context().db()
    await client.execute_query("SELECT 1")
    with SqlCounter() as sql:
        await client.execute_query("SELECT 2")
        await client.execute_query("SELECT 3")
    await client.execute_query("SELECT 4")
    assert sql.count == 2, sql.statements
    assert "SELECT 3" in sql.statements[1]
    assert not logging.getLogger("tortoise.db_client").handlers


async def test_postgres_is_18_and_wants_its_password(postgres_server: PostgresServer) -> None:
    connection = await asyncpg.connect(postgres_server.url("postgres"))
    version = await connection.fetchval("SHOW server_version_num")
    await connection.close()
    assert int(version) // 10000 == 18


def test_postgres_is_gone_when_its_owner_is_killed() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert owner.stdout is not None
    directory = Path(owner.stdout.readline().strip())
    pid = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    assert alive(pid)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    until(lambda: not alive(pid) and not directory.exists())


OWNER = textwrap.dedent(
    """
    import time
    from tests.support.servers import PostgresServer
    server = PostgresServer()
    server.start()
    print(server.directory, flush=True)
    time.sleep(60)
    """
)
