"""`docs/protocol.md` is about this code: its rules, places, races, tests and numbers exist."""

import ast
import asyncio
import importlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from cache import Cache, CachePolicy, CacheScope, Consistency, RedisStore, cached
from cache.clock import SystemClock
from cache.stores.connection import GuardedRedis, open_redis
from tests.cache.races import following, judging, loading, writing
from tests.cache.races.naive import lost_by_a_naive_cache
from tests.cache.races.race import ALL_RACES

assert [writing, following, loading, judging]  # imported for their races

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol.md"
RACES = {race.name: race for race in ALL_RACES}
RULES = [
    *(f"W{number}" for number in range(1, 7)), *(f"F{number}" for number in range(1, 5)),
    *(f"L{number}" for number in range(6)), *(f"J{number}" for number in range(2, 8)),
]  # fmt: skip


def rows() -> dict[str, tuple[list[str], list[str]]]:
    """For each rule of the page's tables: where it is, and what holds it."""
    line = re.compile(r"^\| ([WFLJ]\d) \|.*\| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
    found = line.findall(PAGE.read_text())
    return {rule: (quoted(where), quoted(held)) for rule, where, held in found}


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def switches(names: Iterable[str]) -> set[str]:
    """The rules' switches that some of these races are lost without."""
    return {off for name in names for control in RACES[name].controls for off in control.off}


def exists(place: str) -> bool:
    """Whether `path`, `path.py::Class.attribute` or `tests/x.py::test` is there."""
    path, _, name = place.partition("::")
    if not (ROOT / path).exists():
        return False
    if not name:
        return True
    if path.startswith("tests/"):
        tree = ast.parse((ROOT / path).read_text())
        return name in {one.name for one in ast.walk(tree) if hasattr(one, "name")}
    target: Any = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        if not hasattr(target, part):
            return False
        target = getattr(target, part)
    return True


def test_every_rule_is_on_the_page_once() -> None:
    ids = re.findall(r"^\| ([WFLJ]\d) \|", PAGE.read_text(), re.MULTILINE)
    assert ids == RULES
    assert list(rows()) == RULES


def test_every_place_that_it_names_exists() -> None:
    text = PAGE.read_text()
    places = re.findall(r"`((?:cache|resolvers|tests|benchmarks)/[\w./]+(?:::[\w.]+)?)`", text)
    assert len(places) > 50
    assert [place for place in places if not exists(place)] == []


def test_a_place_that_is_not_there_is_noticed() -> None:
    assert not exists("cache/engines.py")
    assert not exists("cache/engine.py::Cache.purge_everything")
    assert not exists("tests/cache/test_protocol_docs.py::test_that_is_not_here")
    assert exists("tests/cache/test_protocol_docs.py::test_a_place_that_is_not_there_is_noticed")


def test_every_rule_says_where_it_is_and_what_holds_it() -> None:
    for rule, (where, held) in rows().items():
        assert where, rule
        assert held, rule
        unknown = [one for one in held if one not in RACES and not one.startswith("tests/")]
        assert unknown == [], rule


def test_a_rules_races_are_lost_without_it() -> None:
    own = {"W3": ("W3_",), "W4": ("W4_",), "F4": ("F4_",), "J2": ("j2_", "clean_")}
    for rule, (_, held) in rows().items():
        for name in [one for one in held if one in RACES and RACES[one].controls]:
            prefixes = own.get(rule, (f"{rule.lower()}_",))
            assert any(off.startswith(prefixes) for off in switches([name])), (rule, name)


def test_every_race_is_on_the_page() -> None:
    named = {name for _, held in rows().values() for name in held}
    assert set(RACES) - named == set()


def test_every_page_that_it_names_exists() -> None:
    for name in re.findall(r"\]\(([\w./-]+\.md)\)", PAGE.read_text()):
        assert (PAGE.parent / name).exists(), name


def test_how_many_a_naive_cache_loses() -> None:
    count = len(lost_by_a_naive_cache())
    assert f"{count} are also lost by a naive cache" in " ".join(PAGE.read_text().split())


# ---- the table of exchanges ----

LOADED: list[int] = []


@cached(CachePolicy(ttl=600, scope=CacheScope.PUBLIC), tags=lambda number: [f"row:{number}"])
async def row(number: int) -> int:
    LOADED.append(number)
    return number


@cached(
    CachePolicy(ttl=600, scope=CacheScope.PUBLIC, consistency=Consistency.STRICT),
    tags=lambda number: [f"row:{number}"],
)
async def strict(number: int) -> int:
    return number


class HeldClock(SystemClock):
    """Time stands still, so that a worker that heard the log once goes on being current."""

    def __init__(self) -> None:
        super().__init__()
        moment = self.now()
        self.now = lambda: moment


class Counted:
    """A cache on a client that counts its exchanges."""

    def __init__(self, wire: GuardedRedis, prefix: str) -> None:
        self.wire = wire
        self.cache = Cache(RedisStore(wire, prefix), clock=HeldClock())

    async def follows(self) -> None:
        """Hear the log once, and believe it."""
        for _ in range(2):
            await self.cache.follower.step()
        assert self.cache.is_current

    async def cost(self, ask: Callable[[], Awaitable[object]]) -> int:
        """The exchanges of what is asked."""
        before = self.wire.round_trips
        with self.cache.activate("anonymous"):
            await ask()
        return self.wire.round_trips - before


MakeCounted = Callable[[], Counted]


@pytest.fixture
async def make(redis_url: str, key_prefix: str) -> AsyncIterator[MakeCounted]:
    made: list[Counted] = []

    def one() -> Counted:
        client = open_redis(redis_url, budget=10.0)
        assert isinstance(client, GuardedRedis)
        made.append(Counted(client, key_prefix))
        return made[-1]

    yield one
    for each in made:
        await each.cache.close()
        await each.wire.aclose()


async def many() -> None:
    await asyncio.gather(*(row(number) for number in range(100, 200)))


async def costs(make: MakeCounted) -> dict[str, int]:
    """Each line of the table, done."""
    writer, reader, unstarted = make(), make(), make()
    await writer.cost(lambda: row(0))  # the server learns the scripts
    await writer.cost(lambda: writer.cache.invalidate(["row:0"]))
    await writer.follows()
    await reader.follows()
    found = {"absent: looked up, loaded, stored": await writer.cost(lambda: row(1))}
    await writer.cost(many)
    await writer.cost(lambda: strict(1))
    found["stored, judged by the log"] = await reader.cost(lambda: row(1))
    found["remembered"] = await reader.cost(lambda: row(1))
    found["a hundred different ones in one tick, stored"] = await reader.cost(many)
    found["strict, the log has reached the head"] = await reader.cost(lambda: strict(1))
    tags = [f"other:{number}" for number in range(100)]
    found["a purge of a hundred tags"] = await writer.cost(lambda: writer.cache.invalidate(tags))
    found["strict, the log is behind"] = await reader.cost(lambda: strict(1))
    LOADED.clear()
    found["stored, judged by the server"] = await unstarted.cost(lambda: row(1))
    assert LOADED == []
    return found


async def test_its_numbers_of_exchanges_are_counted(make: MakeCounted) -> None:
    table = PAGE.read_text().partition("| a read | exchanges")[2].partition("\n\n")[0]
    told = re.findall(r"^\| (.+) \| (\d) \|$", table, re.MULTILINE)
    assert {name: int(number) for name, number in told} == await costs(make)
