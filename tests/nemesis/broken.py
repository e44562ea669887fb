"""Whole servers with one mechanism left out, for `python -m tests.nemesis --app`.

`tests/nemesis/test_controls.py` plays the race of each for certain. Here chance has to find it,
under the same traffic and faults that find nothing in the store as it is:

    python -m tests.nemesis --app tests.nemesis.broken:tag_sets --operations 20000
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette

import gql.app
from cache import Cache
from cache.protocol import ALL
from cache.stores.connection import open_redis
from gql.settings import load
from tests.nemesis import watched
from tests.nemesis.naive import CacheAside, TagSets


def cache_aside() -> Starlette:
    """Get, load, set; a write deletes what is kept under the thing that it changed."""
    return _naive(CacheAside)


def tag_sets() -> Starlette:
    """The same with a set of keys for each tag."""
    return _naive(TagSets)


def without_outbox() -> Starlette:
    """A purge is lost with the process, or the connection, that was to send it."""
    return _without("w1_outbox")


def without_outbox_id() -> Starlette:
    """A token does not name what is committed and not published."""
    return _without("w5_outbox_id")


def trusting() -> Starlette:
    """A worker goes on with what it knew, however long it heard nothing."""
    return _without("f2_current", "j5_token", "w5_position")


def joining_anything() -> Starlette:
    """A reader takes the result of any load that is under way."""
    return _without("l4_clean", "l4_barrier")


def _naive(design: Callable[..., Cache]) -> Starlette:
    settings = load()

    def made(store: Any, **options: Any) -> Cache:
        redis = open_redis(settings.redis)
        return design(store, redis=redis, prefix=settings.key_prefix, **options)

    return _with(made)


def _without(*rules: str) -> Starlette:
    return _with(partial(Cache, rules=ALL.without(*rules)))


def _with(cache: Callable[..., Cache]) -> Starlette:
    vars(gql.app)["Cache"] = cache  # what the composition root makes
    return watched.create_app()
