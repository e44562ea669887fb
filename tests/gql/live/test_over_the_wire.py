"""The subscription from a client of its own: two workers, and a Redis that goes and comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect

from tests.support.polling import eventually
from tests.support.servers import PostgresTemplate, valkey
from tests.support.serving import serving

SLUG = "parcel-dash"
FOLLOW = (
    f'subscription {{ leaderboard(slug: "{SLUG}", first: 1, maxHz: 60, player: "wire") '
    "{ ... on LeaderboardSnapshot { cursor reason size playerEntry { rank score } } } }"
)
SUBMIT = (
    "mutation ($score: SafeInt!) { submitScore(input: { leaderboard: "
    f'"{SLUG}", player: "wire", score: $score }}) {{ accepted errors {{ message }} }} }}'
)
LOGIN = (
    'mutation { login(input: { email: "staff@example.com", password: "staff" }) '
    "{ token errors { message } } }"
)


class Client:
    """Asks over HTTP, each time on a connection of its own: any worker may answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""

    async def ask(self, query: str, **variables: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        body = {"query": query, "variables": variables}
        async with httpx.AsyncClient(timeout=30) as http:
            response = await http.post(f"{self.url}/graphql", json=body, headers=headers)
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def login(self) -> None:
        self.token = (await self.ask(LOGIN))["login"]["token"]

    async def submit(self, score: int) -> None:
        assert (await self.ask(SUBMIT, score=score))["submitScore"]["accepted"] is True

    @asynccontextmanager
    async def following(self) -> AsyncIterator[ClientConnection]:
        address = self.url.replace("http", "ws", 1) + "/graphql"
        protocol = Subprotocol("graphql-transport-ws")
        async with connect(address, subprotocols=[protocol]) as connection:
            await connection.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await connection.recv())["type"] == "connection_ack"
            payload = {"query": FOLLOW}
            await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            yield connection


async def snapshot(connection: ClientConnection) -> Any:
    """The next snapshot."""
    async with asyncio.timeout(30):
        while True:
            message = json.loads(await connection.recv())
            if message["type"] == "next":
                assert "errors" not in message["payload"], message
                return message["payload"]["data"]["leaderboard"]


async def until(connection: ClientConnection, score: int) -> Any:
    """Snapshots until the player has this score; the last one."""
    while True:
        found = await snapshot(connection)
        if found["playerEntry"] == {"rank": 1, "score": score}:
            return found


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request: pytest.FixtureRequest) -> Any:
    """Where the server keeps its data."""
    if request.param == "sqlite":
        yield {}
        return
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    with template.fresh() as url:
        yield {"DATABASE_URL": url}


async def test_two_workers_and_a_redis_that_restarts(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with (
        valkey() as redis,
        serving(tmp_path, "--workers", "2", REDIS_URL=redis.url, **variables) as server,
    ):
        client = Client(await asyncio.to_thread(lambda: server.url))
        await client.login()
        async with client.following() as one, client.following() as other:
            for connection in (one, other):
                assert (await snapshot(connection))["reason"] == "INITIAL"
            for score in (5000, 5001, 5002):
                await client.submit(score)
            for connection in (one, other):
                assert (await until(connection, 5002))["cursor"].partition(":")[0] != "sql"

            await asyncio.to_thread(redis.stop)
            refused = (await client.ask(SUBMIT, score=5003))["submitScore"]
            assert refused["accepted"] is False

            await asyncio.to_thread(redis.start)

            async def is_accepted(score: int) -> bool:
                answer = await client.ask(SUBMIT, score=score)
                return bool(answer["submitScore"]["accepted"])

            for score in (5004, 5005):  # by either worker: each has to notice that Redis is back
                await eventually(partial(is_accepted, score))
                for connection in (one, other):
                    await until(connection, score)


async def test_clients_that_vanish(tmp_path: Path) -> None:
    """Their connections break without a word; the server goes on, and says nothing of it."""
    with serving(tmp_path) as server:
        client = Client(await asyncio.to_thread(lambda: server.url))
        await client.login()
        for score in range(6000, 6010):
            async with client.following() as connection:
                await snapshot(connection)
                connection.transport.abort()
            await client.submit(score)
        async with client.following() as connection:
            assert (await snapshot(connection))["playerEntry"]["score"] == 6009
        assert "Traceback" not in server.text
