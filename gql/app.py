"""The composition root: everything that runs is made here, and handed what it needs."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from starlette.applications import Starlette

from cache import Cache, CacheSettings, RedisStore
from cache.auditor import Auditor
from cache.facts import Observer
from cache.integrations.tortoise import TortoiseOutbox
from cache.leaderboard import Leaderboards
from cache.observers import log_defects
from cache.records import Records
from cache.stores.connection import open_redis
from cache.stores.lease import RedisLeases
from cache.writes import WriteBehind
from gql import settings as configuration
from gql.http.metrics import Metrics
from gql.http.routes import routes
from gql.http.view import GraphQLView
from gql.schema import schema
from gql.settings import Settings
from models import database
from models.tables import Outbox
from resolvers.context import Services
from resolvers.score_source import SqlScores
from resolvers.sessions import LIFETIME
from resolvers.stats import view_progress

DRAIN_SECONDS: Final = 5.0
"""How long a stop waits for what is acknowledged and not yet in SQL: views and scores."""

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
        redis = open_redis(settings.redis, observers=observers)
        closing.push_async_callback(redis.aclose)
        state = redis
        if settings.state_redis_url is not None:
            state = open_redis(settings.state_redis, observers=observers)
            closing.push_async_callback(state.aclose)
        await database.connect(settings.database)
        closing.push_async_callback(database.disconnect)
        # Another database behind the same Redis, or another deployment on it, never meets this one.
        prefix = f"{settings.key_prefix}:{await database.database_id()}"
        leases = RedisLeases(state, prefix)
        closing.push_async_callback(leases.aclose)
        store = RedisStore(redis, prefix, state=state, observers=observers)
        outbox = TortoiseOutbox(Outbox)
        cache = Cache(
            store,
            outbox=outbox,
            leases=leases,
            observers=observers,
            settings=CacheSettings(
                max_staleness=settings.max_staleness, memory_bytes=settings.memory_mb * 2**20
            ),
            is_unavailable=database.is_unavailable,
        )
        services = _services(settings, cache, outbox, state, prefix)
        closing.push_async_callback(cache.close)
        if settings.audit_rate:
            auditor = Auditor(cache, rate=settings.audit_rate, observers=observers)
            cache.audit(auditor.served)
            closing.push_async_callback(auditor.aclose)
        closing.push_async_callback(services.leaderboards.aclose)
        closing.push_async_callback(services.background.close)
        yield services


def _services(
    settings: Settings, cache: Cache, outbox: TortoiseOutbox, state: Redis, prefix: str
) -> Services:
    return Services(
        cache=cache,
        records=Records(state, prefix, "session", LIFETIME.total_seconds()),
        views=WriteBehind(view_progress(outbox), state, prefix, cache=cache),
        leaderboards=Leaderboards(state, SqlScores(), prefix),
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
    metrics = Metrics(chosen.metrics_directory) if chosen.metrics else None
    counting: list[Observer] = [] if metrics is None else [metrics.observer]
    told = (log_defects, *counting, *observers)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_services(chosen, told) as services:
            await services.cache.start()
            app.state.services = services
            app.state.view = GraphQLView(schema, services)
            services.views.start()
            services.leaderboards.start()
            yield
            await asyncio.gather(
                services.views.stop(DRAIN_SECONDS), services.leaderboards.stop(DRAIN_SECONDS)
            )

    return Starlette(routes=routes(dist, metrics), lifespan=lifespan)
