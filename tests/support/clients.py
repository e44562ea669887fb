"""Clients that more than one worker answers, with what they remember; and workers that lag."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
from redis.asyncio import Redis

from cache import Cache, CacheSettings, StoreUnavailable, SystemClock
from cache.protocol import ALL, Rules
from gql.http.positions import Kept
from tests.support.store import Store, Worker

HEADER = "FreshQL-Position"


class HeldClock(SystemClock):
    """Time stands still: a worker that heard the log just now goes on being current.

    So a lag, which is never longer than half of the staleness bound, lasts as long as a test wants.
    """

    def __init__(self) -> None:
        super().__init__()
        moment = self.now()
        self.now = lambda: moment


@asynccontextmanager
async def lagging(store: Store, rules: Rules = ALL) -> AsyncIterator[Worker]:
    """Another worker of the store, current, that follows the log only when a test steps it.

    It waits for what nobody brings only as long as it must.
    """
    cache = partial(Cache, clock=HeldClock(), rules=rules)
    settings = CacheSettings(max_staleness=0.04, token_wait=0.005)
    async with closing(Worker(store.redis, store.prefix, cache, settings)) as worker:  # type: ignore[arg-type]  # it makes one
        await reconnect(worker)
        yield worker


@asynccontextmanager
async def without_redis(store: Store, rules: Rules = ALL) -> AsyncIterator[Worker]:
    """Another worker, whose Redis refuses connections: its purges wait in the outbox."""
    nowhere = Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.5)
    async with closing(Worker(nowhere, store.prefix, partial(Cache, rules=rules))) as worker:  # type: ignore[arg-type]  # as above
        yield worker
    await nowhere.aclose()


@asynccontextmanager
async def closing(worker: Worker) -> AsyncIterator[Worker]:
    """Close a worker at the end."""
    try:
        yield worker
    finally:
        await worker.close()


async def catch_up(worker: Worker) -> None:
    """Follow the log as far as it goes."""
    await worker.services.cache.follower.step()


async def reconnect(worker: Worker) -> None:
    """Follow the log again: its connection was lost, and Redis is about to answer."""
    async with asyncio.timeout(10):
        while not worker.services.cache.is_current:
            try:
                await catch_up(worker)
            except StoreUnavailable:
                await asyncio.sleep(0.01)


class Client:
    """Somebody; `token` says who.

    - `header`: keeps the tokens of answers, and echoes them in the header.
    - `cookies`: is a browser: keeps cookies, and sends them.
    """

    def __init__(
        self, token: str | None = None, *, header: bool = False, cookies: bool = False
    ) -> None:
        self._token = token
        self._header, self._cookies = header, cookies
        self.kept = Kept()
        self.jar = httpx.Cookies()

    async def post(self, worker: Worker, query: str, **variables: Any) -> httpx.Response:
        """The whole answer of this worker."""
        sent = self.kept.tokens
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        if sent and self._header:
            headers[HEADER] = ",".join(sent)
        transport = httpx.ASGITransport(worker.view)
        async with httpx.AsyncClient(transport=transport, base_url="http://store") as http:
            if self._cookies:
                http.cookies = self.jar
            body = {"query": query, "variables": variables}
            response = await http.post("/graphql", json=body, headers=headers)
            if self._cookies:
                self.jar = http.cookies
        if self._header:
            self.kept.answered(sent, response.headers.get(HEADER, ""))
        return response

    async def ask(self, worker: Worker, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        answer = json.loads((await self.post(worker, query, **variables)).text)
        assert "errors" not in answer, answer
        return answer["data"]
