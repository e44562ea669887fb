"""A small ASGI app for tests of the supervisor: who answers, slowly if asked, and what it knows."""

import asyncio
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gql.settings import load


async def about(request: Request) -> JSONResponse:
    """Which process answers, after `?after=SECONDS`, and which Redis it was told of."""
    await asyncio.sleep(float(request.query_params.get("after", "0")))
    return JSONResponse({"pid": os.getpid(), "redis": load().redis})


def create_app() -> Starlette:
    """The factory, as `gql.app:create_app` is one."""
    return Starlette(routes=[Route("/", about)])


def create_broken_app() -> Starlette:
    """A factory that fails."""
    raise RuntimeError("this app does not start")
