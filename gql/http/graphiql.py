"""The GraphiQL page: the built one from `web/dist`, or the hosted one where that was not built."""

from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gql.http import graphiql_hosted

ENDPOINT = "/graphql"
MOUNT = "/graphiql"
"""Below it lies what the page loads: the `base` of `web/vite.config.ts`."""

_YEAR = 365 * 24 * 60 * 60

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        # The editor measures and places its lines with style attributes.
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


def page(dist: Path) -> HTMLResponse:
    """What `GET /graphql` answers to a browser.

    `dist` is where `npm run build` in `web/` puts its result. Without an `index.html` there the
    page loads GraphiQL from a content delivery network, and says so.
    """
    index = dist / "index.html"
    if index.is_file():
        return _html(index.read_text(encoding="utf-8"), _POLICY)
    examples = graphiql_hosted.read_examples(dist.parent / "src" / "examples")
    return _html(graphiql_hosted.render(ENDPOINT, examples), graphiql_hosted.POLICY)


def graphiql_routes(dist: Path) -> list[BaseRoute]:
    """The page at `GET /graphql`, its assets, and `/graphiql` for those who look for it there.

    They go before the endpoint's own route: only a `GET` that accepts `text/html` is taken from
    it. `dist` need not exist yet: a build that comes later is served without a restart.
    """

    def show(_request: Request) -> Response:
        return page(dist)

    return [
        _BrowserRoute(ENDPOINT, show, methods=["GET"], name="graphiql-page"),
        Mount(f"{MOUNT}/assets", app=_Assets(directory=dist / "assets", check_dir=False)),
        Route(MOUNT, endpoint=RedirectResponse(ENDPOINT), name="graphiql"),
        Route(f"{MOUNT}/", endpoint=RedirectResponse(ENDPOINT), name="graphiql-directory"),
    ]


class _BrowserRoute(Route):
    """A route for those who ask for HTML, as browsers do; for others it is not there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as a route does, and the header `Accept` besides."""
        if scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", ""):
            return super().matches(scope)
        return Match.NONE, {}


class _Assets(StaticFiles):
    """Files whose names carry a digest of their content: kept by browsers for good."""

    async def check_config(self) -> None:
        """No complaint about a missing directory (Starlette's): it has no files yet, so 404."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at `path`, or 404 (`HTTPException`); caching only for what was found."""
        response = await super().get_response(path, scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code in {200, 206, 304}:
            response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        return response


def _html(text: str, policy: str) -> HTMLResponse:
    return HTMLResponse(
        text,
        headers={
            "Cache-Control": "no-cache",
            "Content-Security-Policy": policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "same-origin",
            # The same path answers GraphQL to those who do not ask for a page.
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        },
    )
