"""The composition root: everything that runs is made here, and handed what it needs."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from starlette.applications import Starlette

from cache import Cache, RedisStore
from cache.facts import Observer
from cache.leaderboard import Leaderboards
from cache.records import Records
from cache.stores.connection import open_redis
from cache.writes import WriteBehind
from gql import settings as configuration
from gql.http.routes import routes
from gql.http.view import GraphQLView
from gql.schema import schema
from gql.settings import Settings
from models import database
from resolvers.context import Services
from resolvers.score_source import SqlScores
from resolvers.sessions import LIFETIME
from resolvers.stats import VIEWS, ViewProgress

DRAIN_SECONDS: Final = 5.0
"""How long a stop waits for the views that are acknowledged and not yet in SQL."""

DIST: Final = Path(__file__).parents[1] / "web" / "dist"
"""Where the built GraphiQL page lies."""


@asynccontextmanager
async def open_services(
    settings: Settings, observers: Iterable[Observer] = ()
) -> AsyncIterator[Services]:
    """Connect to the database and to Redis; at the end close both, after what still runs.

    The database must answer and be migrated; Redis need not: reads are right without it. Raises
    `models.database.DatabaseUnavailable`, `DatabaseSettingInvalid` or `SettingsError`.
    """
    async with AsyncExitStack() as closing:
        redis = open_redis(settings.redis)
        closing.push_async_callback(redis.aclose)
        await database.connect(settings.database)
        closing.push_async_callback(database.disconnect)
        # Another database behind the same Redis, or another deployment on it, never meets this one.
        prefix = f"{settings.key_prefix}:{await database.database_id()}"
        services = _services(settings, redis, prefix, tuple(observers))
        closing.push_async_callback(services.cache.close)
        closing.push_async_callback(services.leaderboards.aclose)
        closing.push_async_callback(services.background.close)
        yield services


def _services(
    settings: Settings, redis: Redis, prefix: str, observers: tuple[Observer, ...]
) -> Services:
    store = RedisStore(redis, prefix, observers=observers)
    return Services(
        cache=Cache(store, observers=observers),
        records=Records(redis, prefix, "session", LIFETIME.total_seconds()),
        views=WriteBehind(VIEWS, redis, prefix, ViewProgress()),
        leaderboards=Leaderboards(redis, SqlScores(), prefix),
        currency=settings.currency,
    )


def create_app(
    settings: Settings | None = None, *, observers: Iterable[Observer] = (), dist: Path = DIST
) -> Starlette:
    """The server as an ASGI application; `settings` are read from the environment if not given.

    Nothing is connected before the application's lifespan begins. `observers` are told every fact
    of the cache.
    """
    chosen = settings or configuration.load()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_services(chosen, observers) as services:
            app.state.services = services
            app.state.view = GraphQLView(schema, services)
            services.views.start()
            yield
            await services.views.stop(DRAIN_SECONDS)

    return Starlette(routes=routes(dist), lifespan=lifespan)
