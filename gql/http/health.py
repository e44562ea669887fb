"""`/healthz` and `/readyz`: whether the process answers, and whether all of it works.

Reads stay right without Redis, so a server without it is ready, and says that it is degraded: who
balances load must not take every worker away at once, when all that is missing is speed.
"""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from cache import Cache
from models.database import database_id, is_unavailable

REASONS: Final[Mapping[str, str]] = {
    "database": "the database does not answer: queries that are not cached fail, and every write",
    "redis": "Redis does not answer: reads are right and slow, views and scores are refused",
    "log": "this worker does not follow the log of purges: its memory is not used, Redis judges",
    "outbox": "this worker's relay does not look at the outbox: a crashed writer's purge may wait",
}
"""What each part that is not `ok` means for those who ask."""


async def healthz(request: Request) -> Response:
    """Whether the process answers at all."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """Whether requests can be answered: 503 without the database; else 200, perhaps `degraded`."""
    cache: Cache = request.app.state.services.cache
    parts = {
        "database": await _reaches_database(),
        "redis": await cache.reaches_store(),
        "log": cache.is_current,
        "outbox": cache.relay is None or cache.relay.is_current,
    }
    status = "ready" if all(parts.values()) else "degraded"
    if not parts["database"]:
        status = "unavailable"
    said = {part: "ok" if is_well else "away" for part, is_well in parts.items()}
    reasons = [REASONS[part] for part, is_well in parts.items() if not is_well]
    return JSONResponse(
        {"status": status, **said, "reasons": reasons},
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


def health_routes() -> list[BaseRoute]:
    """Both paths. The application's state must hold `services` when a request comes."""
    return [Route("/healthz", healthz), Route("/readyz", readyz)]
