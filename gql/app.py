"""The composition root: everything that runs is made here, and handed what it needs."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from cache import Cache, RedisStore
from cache.facts import Observer
from cache.leaderboard import Leaderboards
from cache.records import Records
from cache.stores.connection import open_redis
from cache.writes import WriteBehind
from gql.settings import Settings
from models import database
from resolvers.context import Services
from resolvers.score_source import SqlScores
from resolvers.sessions import LIFETIME
from resolvers.stats import VIEWS, ViewProgress

DRAIN_SECONDS = 5.0
"""How long a stop waits for the views that are acknowledged and not yet in SQL."""


@asynccontextmanager
async def open_services(
    settings: Settings, observers: Iterable[Observer] = ()
) -> AsyncIterator[Services]:
    """Connect to the database and to Redis; close both at the end, what runs first.

    The database must answer and be migrated; Redis need not: reads are right without it. Raises
    `models.database.DatabaseUnavailable`, `DatabaseSettingInvalid` or `SettingsError`.
    """
    redis = open_redis(settings.redis)
    await database.connect(settings.database)
    try:
        # Another database behind the same Redis, or another deployment on it, never meets this one.
        prefix = f"{settings.key_prefix}:{await database.database_id()}"
        observers = tuple(observers)
        store = RedisStore(redis, prefix, observers=observers)
        services = Services(
            cache=Cache(store, observers=observers),
            records=Records(redis, prefix, "session", LIFETIME.total_seconds()),
            views=WriteBehind(VIEWS, redis, prefix, ViewProgress()),
            leaderboards=Leaderboards(redis, SqlScores(), prefix),
            currency=settings.currency,
        )
        yield services
        await services.leaderboards.aclose()
        await services.cache.close()
    finally:
        await redis.aclose()
        await database.disconnect()
