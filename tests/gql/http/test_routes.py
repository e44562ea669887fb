"""The paths beside GraphQL: where a browser begins, and what a supervisor asks."""

from pathlib import Path

import httpx
from starlette.applications import Starlette

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
