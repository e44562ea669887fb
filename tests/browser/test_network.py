"""The control: the browser tests' network is cut, and what a page asks for is noted."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gql.http.graphiql import page as graphiql_page
from tests.support.browser import Network, chromium

pytestmark = pytest.mark.browser

HERE = "http://127.0.0.1:9"

ASKING = """
<img src="https://images.example/logo.png">
<link rel="stylesheet" href="https://fonts.example/inter.css">
<script src="https://cdn.example/library.js"></script>
<script>
  fetch('http://127.0.0.1:1/data').catch(() => {});
  new WebSocket('wss://sockets.example/graphql');
  const work = "fetch('https://workers.example/data').catch(() => postMessage('refused'))";
  const worker = new Worker(URL.createObjectURL(new Blob([work])));
  worker.onmessage = (message) => { document.title = message.data; };
</script>
"""


async def test_whatever_a_page_asks_for_elsewhere_is_refused_and_noted() -> None:
    async with chromium(HERE) as (page, network):
        await page.set_content(ASKING)
        await expect(page).to_have_title("refused")
        await _noted(page, network, 6)
    assert set(network.foreign) == {
        "https://images.example/logo.png",
        "https://fonts.example/inter.css",
        "https://cdn.example/library.js",
        "http://127.0.0.1:1/data",
        "wss://sockets.example/graphql",
        "https://workers.example/data",
    }
    assert network.complaints != []


async def test_the_hosted_page_says_visibly_that_it_needs_the_network(tmp_path: Path) -> None:
    hosted = graphiql_page(tmp_path / "dist")
    async with chromium(HERE) as (page, network):
        await page.route(
            f"{HERE}/graphql",
            lambda route: route.fulfill(
                body=bytes(hosted.body).decode(), headers=dict(hosted.headers)
            ),
        )
        await page.goto(f"{HERE}/graphql")
        await expect(page.get_by_role("status")).to_be_visible()
        await expect(page.get_by_role("status")).to_contain_text("needs the network")
        await expect(page.locator("#root")).to_contain_text("could not be loaded")
    assert len(network.foreign) == 5
    assert all(url.startswith("https://unpkg.com/") for url in network.foreign)


async def _noted(page: Page, network: Network, count: int) -> None:
    async with asyncio.timeout(15):
        while len(network.foreign) < count:
            await page.evaluate("0")  # a round trip: lets the browser's messages in
