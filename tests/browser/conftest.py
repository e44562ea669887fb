"""The browser tests' server: the product's own command, with a data directory of its own."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page

from ops.web import build_if_stale
from tests.support.browser import Network, chromium
from tests.support.processes import until
from tests.support.servers import free_port


@pytest.fixture(scope="session")
def built_page() -> None:
    """The GraphiQL page, built from this tree's sources."""
    said: list[str] = []
    assert build_if_stale(say=said.append), "\n".join(said)


@pytest.fixture(scope="session")
def origin(built_page: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server answers: `http://127.0.0.1:PORT`."""
    folder = tmp_path_factory.mktemp("served")
    url = f"http://127.0.0.1:{free_port()}"
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "serve"],
            env=_environment(PORT=url.rpartition(":")[2], FRESHQL_DATA_DIR=str(folder)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: _answers(url, process, log), seconds=60)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
async def visit(origin: str) -> AsyncIterator[tuple[Page, Network]]:
    """A page in a real Chromium with the network cut off but for the server.

    At the end the test fails if the page asked for anything else, or if its console has an error.
    """
    async with chromium(origin) as (page, network):
        yield page, network
    assert network.foreign == []
    assert network.complaints == []


def _environment(**settings: str) -> dict[str, str]:
    """This process's, without a developer's own settings of a server."""
    ours = ("FRESHQL_", "REDIS_URL", "DATABASE_URL", "HOST", "PORT", "WORKERS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | settings


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, f"the server ended:\n{log.read_text()}"
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
