"""`/readyz` says what works, and answers 200 as long as reads are right."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from cache import Cache, StoreUnavailable
from cache.relay import Relay
from gql.http import health
from gql.http.routes import routes
from tests.support.polling import eventually
from tests.support.store import Store


@pytest.fixture
async def get(store: Store) -> AsyncIterator[Callable[[str], Any]]:
    """Asks a worker whose cache runs, as a server's does."""
    cache = store.worker.services.cache
    await cache.start()
    app = Starlette(routes=routes(Path("none")))
    app.state.services = store.worker.services
    transport = httpx.ASGITransport(app)

    async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:

        async def well() -> bool:
            return cache.is_current and (cache.relay is None or cache.relay.is_current)

        await eventually(well)
        yield client.get


async def test_ready(get: Callable[[str], Any]) -> None:
    response = await get("/readyz")
    assert response.json() == {
        "status": "ready",
        "database": "ok",
        "redis": "ok",
        "log": "ok",
        "outbox": "ok",
        "reasons": [],
    }
    assert response.headers["cache-control"] == "no-store"
    assert (await get("/healthz")).text == "ok"


async def _away(*_: object) -> bool:
    return False


@pytest.mark.parametrize(
    ("part", "owner", "name", "away"),
    [
        ("redis", Cache, "reaches_store", _away),
        ("log", Cache, "is_current", property(lambda cache: False)),
        ("outbox", Relay, "is_current", property(lambda relay: False)),
    ],
)
async def test_a_part_that_is_away_degrades_it_and_says_why(
    part: str,
    owner: type,
    name: str,
    away: object,
    get: Callable[[str], Any],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, name, away)
    response = await get("/readyz")
    answer = response.json()
    assert (response.status_code, answer["status"]) == (200, "degraded")
    assert answer[part] == "away"
    assert answer["reasons"] == [health.REASONS[part]]


async def test_without_a_database_it_is_not_ready(
    get: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> str:
        raise ConnectionRefusedError

    monkeypatch.setattr(health, "database_id", away)
    response = await get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    assert response.json()["reasons"] == [health.REASONS["database"]]


async def test_a_store_that_does_not_answer_is_not_reached(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    cache = store.worker.services.cache
    assert await cache.reaches_store()
    monkeypatch.setattr(cache.store, "look", away)
    assert not await cache.reaches_store()
