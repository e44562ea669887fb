"""The paths of the server: GraphQL with its page, and what a supervisor asks."""

from pathlib import Path

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.http.graphiql import ENDPOINT, graphiql_routes
from gql.http.health import health_routes
from gql.http.metrics import Metrics, metrics_routes


class _Endpoint:
    """GraphQL at one path, for every method: Starlette takes functions for GET handlers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view: ASGIApp = scope["app"].state.view
        await view(scope, receive, send)


def routes(dist: Path, metrics: Metrics | None = None) -> list[BaseRoute]:
    """Every route; `dist` is where the built GraphiQL page lies, if it was built.

    `metrics` are what `/metrics` shows; without them there is no such path.

    The application's state must hold `view` (the GraphQL view) and `services` when a request comes.
    """
    return [
        *graphiql_routes(dist),
        Route(ENDPOINT, _Endpoint()),
        WebSocketRoute(ENDPOINT, _Endpoint()),
        Route("/", RedirectResponse(ENDPOINT)),
        *health_routes(),
        *metrics_routes(metrics),
    ]
