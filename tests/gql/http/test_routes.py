"""The paths beside GraphQL: where a browser begins, and what a supervisor asks."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from cache import Cache, StoreUnavailable
from gql.http import routes
from tests.support.store import Store


async def get(store: Store, path: str) -> httpx.Response:
    """The answer to a GET."""
    app = Starlette(routes=routes.routes(Path("none")))
    app.state.services = store.worker.services
    app.state.view = store.worker.view
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
        return await client.get(path)


async def test_the_root_leads_to_graphiql(store: Store) -> None:
    response = await get(store, "/")

    assert response.status_code == 307
    assert response.headers["location"] == "/graphql"


async def test_ready(store: Store) -> None:
    response = await get(store, "/readyz")

    assert response.json() == {"status": "ready", "database": "ok", "redis": "ok"}
    assert response.headers["cache-control"] == "no-store"
    assert (await get(store, "/healthz")).text == "ok"


async def test_without_redis_it_is_degraded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(cache: Cache) -> bool:
        return False

    monkeypatch.setattr(Cache, "reaches_store", away)
    response = await get(store, "/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")


async def test_without_a_database_it_is_not_ready(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> str:
        raise ConnectionRefusedError

    monkeypatch.setattr(routes, "database_id", away)
    response = await get(store, "/readyz")

    assert (response.status_code, response.json()["status"]) == (503, "unavailable")


async def test_a_store_that_does_not_answer_is_not_reached(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    cache = store.worker.services.cache
    assert await cache.reaches_store()
    monkeypatch.setattr(cache.store, "look", away)
    assert not await cache.reaches_store()
