"""Tokens that say more than any answer did, and heads that cannot be."""

from collections.abc import AsyncIterator

import pytest

from cache.protocol import Token
from tests.support.world import Reads, World
from tests.support.worlds.topology import InMemory


@pytest.fixture(params=Reads, ids=lambda reads: reads.value)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = World(reads=request.param)
    await world.start()
    yield world
    await world.close()


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_position_beyond_the_head_is_forgotten(world: World, is_stored: bool) -> None:
    if is_stored:
        await world.get()
    head = (await world.a.link.store.look(())).head
    client = world.client()
    client.token = Token({head.epoch: 2**53 - 1}).encode()

    assert await client.read(at=world.a) == "old"
    told = Token.decode(client.token)
    assert told is not None
    assert dict(told.positions) == {head.epoch: head.id}


@pytest.mark.parametrize(
    "reads", [Reads.MEMORY, Reads.LOG, Reads.TIERED], ids=lambda reads: reads.value
)
async def test_all_is_not_resolved_to_a_head_that_cannot_be(reads: Reads) -> None:
    """1. The log loses its end, and keeps its epoch  2. W at B commits, purges at an id that A has
    applied, as another purge; is acknowledged  3. its client, whose token is "all", asks A."""
    topology = InMemory()
    world = World(topology, reads=reads)
    await world.start()
    await world.get(at=world.a)
    for number in range(3):
        await world.a.cache.invalidate([f"other:{number}"])
    await world.settle()
    server = topology.server
    for _ in range(3):
        server.log.pop()
    server.head = server.log[-1][1].id
    before = server.epoch
    await world.write(1, "new", at=world.b)

    client = world.client()
    client.token = Token(everything=True).encode()
    assert await client.read(at=world.a) == "new"
    assert server.epoch != before
    await world.close()
