"""A cache for async resolvers whose entries are never older than the purges of their tags.

policy = CachePolicy(ttl=300, scope=CacheScope.PUBLIC)

@cached(policy, tags=lambda ctx, product_id: [f"product:{product_id}"])
async def product(ctx: Context, product_id: int) -> ProductRow | None: ...

with cache.activate(viewer="anonymous"):
    row = await product(ctx, 42)          # loaded once, then from Redis
await cache.invalidate(["product:42"])    # after the commit: no reader gets the old row again
"""

from __future__ import annotations

from .batch import TickBatcher
from .clock import Clock, SystemClock
from .codec import Codec
from .context import bypass, current_viewer, depend_on, viewer_was_read
from .decorator import CachedFunction, cached
from .engine import Cache
from .errors import CacheError, DeclarationError, NoActiveCacheError, StoreUnavailable
from .fragment import Fragment
from .leases import Leases
from .loader import Loader
from .outbox import Outbox, OutboxRow
from .policy import CachePolicy, CacheScope, Consistency, Grain
from .protocol import Position
from .session import Session
from .settings import CacheSettings
from .stores.base import Store
from .stores.redis import RedisStore

__all__ = [
    "Cache",
    "CacheError",
    "CachePolicy",
    "CacheScope",
    "CacheSettings",
    "CachedFunction",
    "Clock",
    "Codec",
    "Consistency",
    "DeclarationError",
    "Fragment",
    "Grain",
    "Leases",
    "Loader",
    "NoActiveCacheError",
    "Outbox",
    "OutboxRow",
    "Position",
    "RedisStore",
    "Session",
    "Store",
    "StoreUnavailable",
    "SystemClock",
    "TickBatcher",
    "bypass",
    "cached",
    "current_viewer",
    "depend_on",
    "viewer_was_read",
]
