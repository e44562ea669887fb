"""Everything at random, many seeds: adds, flushes, poison, replays, drops, changes past the stream.

Some steps run at once. What must hold is simple: a value is what was acknowledged, less what was
dropped, whoever reads it; and in the end SQL has it.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from cache.writes import NoRowError
from models.tables import ProductStats
from tests.support.dead_letters import Refused, Refusing, until_flushed
from tests.support.write_behind import Worker, sql_views, switch_off

Workers = Callable[..., Awaitable[Worker]]

KEYS = ["1", "2", "3", "4"]
STEPS = 80
TOGETHER = 4
"""Steps that run at once, at most."""


KINDS = {
    "add": 10, "flush": 6, "read": 6, "poison": 2,
    "replay": 3, "drop": 1, "correct": 1, "expire": 3,
}  # fmt: skip
"""What happens, and how often."""


class World:
    """Two workers, and what their readers must see."""

    def __init__(self, one: Worker, other: Worker, refusing: Refusing, seed: int) -> None:
        self.workers = [one, other]
        self.refusing = refusing
        self.random = random.Random(seed)
        self.expected: Counter[str] = Counter()
        self.steps = Counter[str]()

    async def step(self) -> None:
        """One of the things that happen."""
        [chosen] = self.random.choices(list(KINDS), list(KINDS.values()))
        worker = self.random.choice(self.workers)
        key = self.random.choice(KEYS)
        self.steps[chosen] += 1
        await getattr(self, chosen)(worker, key)

    async def add(self, worker: Worker, key: str) -> None:
        amount = self.random.randint(-3, 9)
        await worker.views.add(key, amount)
        self.expected[key] += amount

    async def flush(self, worker: Worker, key: str) -> None:
        try:
            await worker.flush()
        except Refused:
            self.steps["refused"] += 1

    async def read(self, worker: Worker, key: str) -> None:
        await worker.views.read([key])

    async def poison(self, worker: Worker, key: str) -> None:
        self.refusing.keys ^= {key}

    async def replay(self, worker: Worker, key: str) -> None:
        try:
            self.steps["replayed"] += await worker.views.dead_letters.replay(key)
        except (Refused, NoRowError):
            self.steps["refused"] += 1

    async def drop(self, worker: Worker, key: str) -> None:
        for letter in (await worker.views.dead_letters.listed(key))[:1]:
            if await worker.views.dead_letters.drop([letter.id]):
                self.expected[key] -= int(letter.entry.payload)
                self.steps["dropped"] += 1

    async def correct(self, worker: Worker, key: str) -> None:
        async with worker.views.past_the_stream() as connection:
            rows = ProductStats.filter(product_id=int(key)).using_db(connection)
            for row in await rows:
                await rows.update(views=row.views + 100)
                self.expected[key] += 100

    async def expire(self, worker: Worker, key: str) -> None:
        await worker.redis.delete(worker.views.journal.live(key))

    async def check(self) -> None:
        """Every worker shows what it must."""
        wanted = [self.expected[key] for key in KEYS]
        for worker in self.workers:
            assert await worker.views.read(KEYS) == wanted


async def a_world(worker: Workers, seed: int) -> World:
    refusing = Refusing()
    settings = {"tries": 1, "batch": 8, "lease": 0.05}
    one = await worker(refusing.progress(), **settings)
    return World(one, await worker(refusing.progress(), **settings), refusing, seed)


async def played(world: World, steps: int) -> None:
    """So many steps, some at once, and a look after each."""
    for _ in range(steps):
        together = world.random.randint(1, TOGETHER)
        await asyncio.gather(*(world.step() for _ in range(together)))
        await world.check()


@pytest.mark.parametrize("seed", range(6))
async def test_a_value_is_what_was_acknowledged_less_what_was_dropped(
    worker: Workers, seed: int
) -> None:
    world = await a_world(worker, seed)
    await played(world, STEPS)
    world.refusing.keys.clear()
    one = world.workers[0]
    await until_flushed(one)
    for key in KEYS:
        world.steps["replayed"] += await one.views.dead_letters.replay(key)
    await world.check()
    assert (await one.views.dead_letters.parked()).letters == 0
    counted = await sql_views()
    assert {key: counted.get(int(key), 0) for key in KEYS} == {
        key: world.expected[key] for key in KEYS
    }
    assert world.steps["refused"]
    assert world.steps["replayed"]


async def test_control_without_raising_the_revision_it_is_found_out(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "raise(ARGV[1])", "", "RAISE")
    with pytest.raises(AssertionError):
        await played(await a_world(worker, 0), 20 * STEPS)
