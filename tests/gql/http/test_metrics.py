"""`/metrics`: what one process counted, and what all of them did."""

import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gql import settings
from gql.app import create_app
from models.tables import Product
from tests.support.polling import eventually
from tests.support.processes import until
from tests.support.servers import SqliteTemplate, valkey
from tests.support.serving import serving

PRODUCT = '{ product(sku: "AER-ORIG") { name price { amount } } }'
MISSING = '{ product(sku: "NONE") { name } }'

Samples = dict[str, float]


@asynccontextmanager
async def running(**given: str) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application with these settings, and a client of it."""
    app = create_app(settings.load(given))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
            yield client


@pytest.fixture
def given(
    sqlite_template: SqliteTemplate, redis_url: str, key_prefix: str, monkeypatch: Any
) -> Any:
    """Settings for one application: a database and a prefix of its own."""
    for name in settings.SHOULD:
        monkeypatch.delenv(name, raising=False)
    with sqlite_template.fresh() as url:
        prefix = key_prefix.strip(":")
        yield {"REDIS_URL": redis_url, "DATABASE_URL": url, "FRESHQL_KEY_PREFIX": prefix}


async def ask(client: httpx.AsyncClient, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.post("/graphql", json={"query": query})).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


def parsed(text: str) -> Samples:
    """The sum of each metric of ours over its labels."""
    sums: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix("freshql_cache_")
            sums[name] = sums.get(name, 0.0) + sample.value
    return sums


async def scraped(client: httpx.AsyncClient) -> Samples:
    return parsed((await client.get("/metrics")).text)


# ---- one process ----


async def test_hits_and_misses_are_counted_by_function(given: dict[str, str]) -> None:
    async with running(**given) as client:
        for _ in range(3):
            await ask(client, MISSING)
        text = (await client.get("/metrics")).text
    missed = re.findall(
        r'^freshql_cache_misses_total\{name="([a-z_.]+)",reason="absent"\} 1.0$', text, re.MULTILINE
    )
    assert missed
    assert all(name.startswith("resolvers.") for name in missed)
    assert any(f'freshql_cache_hits_total{{name="{name}"' in text for name in missed)


async def test_it_shows_no_argument_and_no_viewer(given: dict[str, str]) -> None:
    async with running(**given) as client:
        await ask(client, '{ product(sku: "A-SECRET-NAME") { name } me { id } }')
        text = (await client.get("/metrics")).text
    assert "SECRET" not in text
    assert "anonymous" not in text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain"),
        ("text/plain", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
async def test_the_format_is_what_the_asker_accepts(
    accept: str, kind: str, given: dict[str, str]
) -> None:
    async with running(**given) as client:
        response = await client.get("/metrics", headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert response.headers["cache-control"] == "no-store"


async def test_it_can_be_switched_off(given: dict[str, str]) -> None:
    async with running(**given, FRESHQL_METRICS="off") as client:
        await ask(client, MISSING)
        assert (await client.get("/metrics")).status_code == 404


async def test_redis_away_is_seen_everywhere_and_reads_go_on(given: dict[str, str]) -> None:
    with valkey() as server:
        async with running(**{**given, "REDIS_URL": server.url}) as client:

            async def status() -> str:
                return str((await client.get("/readyz")).json()["status"])

            async def is_ready() -> bool:
                return await status() == "ready"

            async def is_degraded() -> bool:
                return (await client.get("/readyz")).json()["log"] == "away"

            await eventually(is_ready)
            server.stop()
            await ask(client, MISSING)
            await eventually(is_degraded)
            response = await client.get("/readyz")
            assert (response.status_code, response.json()["redis"]) == (200, "away")

            sums = await scraped(client)
            assert sums["breaker_open"] >= 1
            assert sums["store_failures_total"] >= 1

            server.start()
            await eventually(is_ready)
            await ask(client, MISSING)
            assert (await scraped(client))["breaker_open"] == 0


# ---- the auditor is wired ----


async def test_a_change_past_the_application_is_found(
    given: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    fast = {"FRESHQL_AUDIT_RATE": "1", "FRESHQL_MAX_STALENESS": "0.2"}
    async with running(**given, **fast) as client:
        now = datetime.now(UTC)
        await Product.create(
            sku="AER-ORIG",
            name="AeroPress",
            name_key="aeropress",
            price_minor=3999,
            created_at=now,
            updated_at=now,
        )
        for _ in range(2):
            await ask(client, PRODUCT)
        await Product.filter(sku="AER-ORIG").update(name="renamed by hand")

        async def found() -> bool:
            await ask(client, PRODUCT)
            return (await scraped(client)).get("audits_stale_total", 0) > 0

        await eventually(found)
        assert (await scraped(client))["defects_total"] >= 1
    assert "stale beyond the promise" in caplog.text


async def test_nothing_is_audited_by_default(given: dict[str, str]) -> None:
    async with running(**given) as client:
        for _ in range(5):
            await ask(client, MISSING)
        assert "audits_total" not in await scraped(client)


# ---- several processes ----


def test_any_worker_tells_of_all_of_them(tmp_path: Path) -> None:
    with serving(tmp_path, WORKERS="2", TMPDIR=str(tmp_path)) as server:
        assert server.url
        [directory] = tmp_path.glob("freshql-metrics-*")
        until(lambda: len(_workers(directory)) == 2, 60)
        counted = [_misses_and_hits(server.url)]
        for _ in range(20):
            _http("POST", f"{server.url}/graphql", json={"query": PRODUCT})
            counted.append(_misses_and_hits(server.url))
        # Each scrape is a connection of its own and reaches either: none may know of less.
        assert counted == sorted(counted)
        assert counted[-1] - counted[0] >= 20

        [killed, _] = before = _workers(directory)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(_workers(directory)) > len(before), 30)
        assert _misses_and_hits(server.url) >= counted[-1], "what it counted is gone"
        assert not list(directory.glob(f"gauge_live*_{killed}.db")), "a gauge outlives its worker"
        assert list(directory.glob(f"counter_{killed}.db"))
    assert not directory.exists()


def _workers(directory: Path) -> list[int]:
    """The processes that have made their metrics."""
    return [int(file.stem.rpartition("_")[2]) for file in directory.glob("counter_*.db")]


def _misses_and_hits(url: str) -> float:
    sums = parsed(_http("GET", f"{url}/metrics").text)
    return sums.get("misses_total", 0.0) + sums.get("hits_total", 0.0)


def _http(method: str, url: str, **options: Any) -> httpx.Response:
    """A request on a connection of its own, without TLS, which takes time to set up."""
    with httpx.Client(verify=False, timeout=30) as client:
        return client.request(method, url, **options).raise_for_status()
