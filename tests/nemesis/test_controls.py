"""The checker finds what each missing mechanism breaks; with all of them it finds nothing.

So a run without a violation says something. Each race is played twice: as the store is, and with
one mechanism left out.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
from redis.asyncio import Redis

from cache import Cache
from cache.protocol import ALL
from tests.nemesis.desk import desk
from tests.nemesis.naive import CacheAside, TagSets
from tests.nemesis.scenarios import CONTROLS, Control

pytestmark = [
    pytest.mark.nemesis,
    pytest.mark.usefixtures("database"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
EACH = pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS.keys())
DESIGNS = {"aside": CacheAside, "tag sets": TagSets}


@EACH
async def test_the_checker_finds_it(
    control: Control, redis: Redis, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: Callable[..., Cache] = Cache
    if control.design in DESIGNS:
        cache = partial(DESIGNS[control.design], redis=redis, prefix=key_prefix)
    async with AsyncExitStack() as closing:
        broken = await desk(redis, key_prefix, closing, cache, ALL.without(*control.off))
        await control.scenario(broken, monkeypatch, control.broken)

        findings = broken.check()
        assert control.finds in findings.tally, findings.violations
        assert broken.log.internal == []


@EACH
async def test_with_everything_in_place_there_is_nothing_to_find(
    control: Control, redis: Redis, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as closing:
        well = await desk(redis, key_prefix, closing)
        await control.scenario(well, monkeypatch, False)

        findings = well.check()
        assert findings.violations == []
        assert findings.field_reads > 0 or well.log.history.finals
        assert well.log.internal == []
