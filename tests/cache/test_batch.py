"""One call for a tick."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from cache import Loader, TickBatcher, bypass
from tests.support.world import World


class Squares:
    """Answers by squares, and remembers each batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(numbers))
        if 13 in numbers:
            raise ValueError("thirteen")
        return [number**2 for number in numbers]


async def test_what_is_asked_in_one_tick_is_one_call() -> None:
    squares = Squares()
    batcher = TickBatcher(squares)

    async def nested(number: int) -> int:
        return await batcher.submit(await batcher.submit(number))

    assert await asyncio.gather(*map(nested, range(4))) == [0, 1, 16, 81]
    assert squares.batches == [[0, 1, 2, 3], [0, 1, 4, 9]]


async def test_those_that_come_a_turn_later_are_waited_for() -> None:
    squares = Squares()
    batcher = TickBatcher(squares)

    async def one(number: int) -> int:
        return await batcher.submit(number)

    async def several() -> list[int]:
        return list(await asyncio.gather(one(2), one(3)))

    await asyncio.gather(one(1), several(), asyncio.ensure_future(several()))

    assert squares.batches == [[1, 2, 3, 2, 3]]


async def test_those_that_keep_coming_are_not_waited_for_for_ever() -> None:
    squares = Squares()
    batcher = TickBatcher(squares)
    answered: list[asyncio.Future[int]] = [batcher.submit(0)]
    while not squares.batches:
        await asyncio.sleep(0)
        answered.append(batcher.submit(len(answered)))

    assert len(squares.batches[0]) < 20
    assert await asyncio.gather(*answered) == [number**2 for number in range(len(answered))]


async def test_an_error_is_everyones_and_ends_with_its_batch() -> None:
    batcher = TickBatcher(Squares())

    ended = await asyncio.gather(batcher.submit(1), batcher.submit(13), return_exceptions=True)

    assert [str(error) for error in ended] == ["thirteen", "thirteen"]
    assert await batcher.submit(2) == 4


async def test_one_that_gives_up_takes_nobody_along() -> None:
    batcher = TickBatcher(Squares())
    first, second = batcher.submit(3), batcher.submit(4)
    first.cancel()

    assert await second == 16


async def test_too_few_replies_are_an_error() -> None:
    async def forgetful(numbers: Sequence[int]) -> Sequence[int]:
        return numbers[1:]

    with pytest.raises(RuntimeError, match="a batch of 1 items must get as many replies, got 0"):
        await TickBatcher(forgetful).submit(1)


# ---- loaders ----


@pytest.fixture
async def world() -> World:
    world = World()
    world.rows.values = {row: f"row {row}" for row in range(1, 11)}
    return world


async def test_a_loader_reads_the_rows_of_a_tick_at_once_and_remembers_them(world: World) -> None:
    loader = world.loader()
    with world.a.cache.activate("anonymous"):
        assert await loader.load_many([1, 2, 99, 1]) == ["row 1", "row 2", None, "row 1"]
        assert await loader.load_many([2, 3]) == ["row 2", "row 3"]

    assert world.rows.reads == 2


async def test_a_cleared_loader_reads_again(world: World) -> None:
    loader = world.loader()
    with world.a.cache.activate("anonymous"):
        await loader.load(1)
        world.rows.values[1] = "new"
        assert await loader.load(1) == "row 1"
        loader.clear()
        assert await loader.load(1) == "new"


async def test_a_transaction_reads_past_a_loader(world: World) -> None:
    loader = world.loader()
    with world.a.cache.activate("anonymous"):
        with bypass():
            assert await loader.load(1) == "row 1"
        world.rows.values[1] = "new"
        assert await loader.load(1) == "new"


async def test_a_failed_batch_is_not_remembered(world: World) -> None:
    fails = [True]

    async def batch(rows: Sequence[int]) -> Mapping[int, str]:
        if fails.pop() if fails else False:
            raise ConnectionError("the database is away")
        return dict.fromkeys(rows, "row")

    loader = Loader(batch, lambda row: [f"row:{row}"])
    with world.a.cache.activate("anonymous"):
        with pytest.raises(ConnectionError):
            await loader.load(1)
        assert await loader.load(1) == "row"
