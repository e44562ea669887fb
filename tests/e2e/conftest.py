"""The product as users start it: `freshql serve`, on both databases, with one process and two."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support.servers import PostgresServer
from tests.support.serving import Serving, serving

Answer = dict[str, Any]


@dataclass
class Client:
    """A user of a served store. Each question is a connection of its own: any worker may get it.

    Cookies are kept, as a browser does: who logs in goes on with them.
    """

    url: str
    token: str | None = None
    jar: CookieJar = field(default_factory=CookieJar)

    def post(self, query: str, **variables: Any) -> Answer:
        """The whole answer to an operation."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        body = {"query": query, "variables": variables}
        # Without TLS, which takes time to set up.
        with httpx.Client(verify=False, timeout=30, cookies=self.jar) as http:
            answer: Answer = http.post(f"{self.url}/graphql", json=body, headers=headers).json()
        return answer

    def ask(self, query: str, **variables: Any) -> Answer:
        """The data of an answer without errors."""
        answer = self.post(query, **variables)
        assert "errors" not in answer, answer
        data: Answer = answer["data"]
        return data

    def login(self, who: str) -> "Client":
        """A client of the sample user."""
        data = self.ask(
            "mutation ($email: String!, $password: String!)"
            " { login(input: {email: $email, password: $password}) { token errors { message } } }",
            email=f"{who}@example.com",
            password=who,
        )
        assert data["login"]["errors"] == []
        return Client(self.url, data["login"]["token"], self.jar)


class Subscription:
    """One subscription over `graphql-transport-ws`."""

    def __init__(self, url: str, query: str) -> None:
        self._url = url.replace("http://", "ws://") + "/graphql"
        self._query = query

    async def __aenter__(self) -> "Subscription":
        self._socket = await connect(self._url, subprotocols=["graphql-transport-ws"])  # type: ignore[list-item]  # a str is one
        await self._socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await self._socket.recv())["type"] == "connection_ack"
        payload = {"query": self._query}
        await self._socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        return self

    async def next(self) -> Answer:
        """The next event's data."""
        async with asyncio.timeout(20):
            message = json.loads(await self._socket.recv())
        assert message["type"] == "next", message
        data: Answer = message["payload"]["data"]
        return data

    async def __aexit__(self, *error: object) -> None:
        await self._socket.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The setting that names an empty database."""
    if request.param == "sqlite":
        yield {}
        return
    with PostgresServer() as server:
        asyncio.run(server.execute("CREATE DATABASE store"))
        yield {"DATABASE_URL": server.url("store")}


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def server(
    request: pytest.FixtureRequest,
    where: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Serving]:
    """A served sample store."""
    directory: Path = tmp_path_factory.mktemp("served")
    with serving(directory, "--workers", str(request.param), **where) as running:
        yield running


@pytest.fixture
def client(server: Serving) -> Client:
    """Somebody anonymous."""
    return Client(server.url)
