"""The paths of the server: GraphQL with its page, and what a supervisor asks."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gql.http.graphiql import ENDPOINT, graphiql_routes
from models.database import database_id, is_unavailable


class _Endpoint:
    """GraphQL at one path, for every method: Starlette takes functions for GET handlers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view: ASGIApp = scope["app"].state.view
        await view(scope, receive, send)


async def healthz(request: Request) -> Response:
    """Whether the process answers at all."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """Whether requests can be answered: 503 without the database, `degraded` without Redis."""
    redis = "ok" if await request.app.state.services.cache.reaches_store() else "away"
    database = "ok" if await _reaches_database() else "away"
    status = "ready" if redis == "ok" else "degraded"
    if database == "away":
        status = "unavailable"
    return JSONResponse(
        {"status": status, "database": database, "redis": redis},
        503 if status == "unavailable" else 200,
        headers={"Cache-Control": "no-store"},
    )


async def _reaches_database() -> bool:
    try:
        await database_id()
    except Exception as error:
        if not is_unavailable(error):
            raise
        return False
    return True


def routes(dist: Path) -> list[BaseRoute]:
    """Every route; `dist` is where the built GraphiQL page lies, if it was built.

    The application's state must hold `view` (the GraphQL view) and `services` when a request comes.
    """
    return [
        *graphiql_routes(dist),
        Route(ENDPOINT, _Endpoint()),
        WebSocketRoute(ENDPOINT, _Endpoint()),
        Route("/", RedirectResponse(ENDPOINT)),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
