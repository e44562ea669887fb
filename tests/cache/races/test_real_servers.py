"""The faults that a real server can have, in the interleavings that need them: a restart that loses
everything, an eviction, a replica that lacks the log's tail and is promoted.

`OnRedis`, which all other races use, plays these by removing and giving back keys. Here they are
what they are, and the control is the same: without its rule the race is lost.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import RedisStore
from cache.protocol import ALL
from cache.stores import wire
from cache.stores.script import Script
from tests.cache.races import following, judging, loading, writing
from tests.cache.races.conftest import MakeWorld
from tests.cache.races.race import ALL_RACES, Control, Play, Race
from tests.support.servers import ValkeyServer, valkey
from tests.support.world import Reads
from tests.support.worlds.real import OnARealReplica, OnARealServer

RESTARTS = [
    loading.filled_in_another_epoch,
    loading.remembered_over_two_epochs,
    following.judged_at_the_same_number,
]
EVICTIONS = [loading.watermark_evicted_during_a_load, loading.watermark_evicted_after_the_fill]
FAILOVERS = [
    writing.the_same_id_twice,
    writing.published_on_the_old_primary,
    following.a_failover_loses_the_tail,
    judging.nobody_published_it_yet,
]
"""Those of each kind; a replica takes a second to begin. `test_interleavings.py` plays all."""


def races(plays: list[Play]) -> list[Race]:
    return [race for race in ALL_RACES if race.play in plays]


def cases(plays: list[Play], *, controls: bool = False) -> Iterator[Any]:
    """Each race and its controls, once: where there are both tiers, if it is played there."""
    for race in races(plays):
        if not controls:
            yield pytest.param(race, None, _reads(race.reads), id=race.name)
        for control in race.controls if controls else ():
            name = f"{race.name} without {' and '.join(control.off)}"
            yield pytest.param(race, control, _reads(control.reads), id=name)


def _reads(of: frozenset[Reads]) -> Reads:
    return next(reads for reads in reversed(Reads) if reads in of)


def both(plays: list[Play]) -> list[Any]:
    return [*cases(plays), *cases(plays, controls=True)]


@pytest.fixture
async def clients() -> AsyncIterator[Any]:
    """Opens clients, and closes them."""
    async with AsyncExitStack() as closing:

        def client(server: ValkeyServer) -> Redis:
            opened = Redis.from_url(server.url)
            closing.push_async_callback(opened.aclose)
            return opened

        yield client


async def play(race: Race, control: Control | None, world: Any) -> None:
    got, expected = await race.play(world)

    assert (got == expected) is (control is None)


def rules_of(control: Control | None) -> Any:
    return ALL if control is None else ALL.without(*control.off)


@pytest.mark.parametrize(("race", "control", "reads"), both(RESTARTS))
async def test_the_server_restarts_with_nothing(
    race: Race, control: Control | None, reads: Reads, clients: Any, make_world: MakeWorld
) -> None:
    rules = rules_of(control)
    with valkey(appendonly="no", save="") as server:
        topology = OnARealServer(server, clients(server), rules=rules)
        world = await make_world(topology, reads=reads, rules=rules)

        await play(race, control, world)
        await world.close()


@pytest.mark.parametrize(("race", "control", "reads"), both(EVICTIONS))
async def test_the_server_evicts_what_it_may(
    race: Race,
    control: Control | None,
    reads: Reads,
    entry_server: ValkeyServer,
    clients: Any,
    make_world: MakeWorld,
) -> None:
    rules = rules_of(control)
    with valkey(appendonly="no", save="") as server:
        topology = OnARealServer(server, clients(entry_server), state=clients(server), rules=rules)
        world = await make_world(topology, reads=reads, rules=rules)

        await play(race, control, world)
        await world.close()


@pytest.fixture(scope="module")
def primary() -> Iterator[ValkeyServer]:
    with valkey(tcp=True, appendonly="no", repl_diskless_sync="no") as server:
        yield server


@pytest.fixture(scope="module")
def replica() -> Iterator[ValkeyServer]:
    with valkey(tcp=True, appendonly="no") as server:
        yield server


@pytest.mark.parametrize(("race", "control", "reads"), both(FAILOVERS))
async def test_a_replica_is_promoted(
    race: Race,
    control: Control | None,
    reads: Reads,
    primary: ValkeyServer,
    replica: ValkeyServer,
    clients: Any,
    make_world: MakeWorld,
) -> None:
    rules = rules_of(control)
    topology = OnARealReplica(clients(primary), clients(replica), rules=rules)
    assert primary.port is not None
    await topology.follow("127.0.0.1", primary.port)
    world = await make_world(topology, reads=reads, rules=rules)
    topology.world = world

    await play(race, control, world)


class OnALaggingReplica(OnARealReplica):
    """The replica hears of nothing more, and is not promoted."""

    async def replicate(self) -> None:
        assert await self._state.wait(1, 20_000) == 1
        await self._replica_itself.replicaof("127.0.0.1", 1)

    def by_replica(self) -> RedisStore:
        """A store whose address leads to the replica."""
        return self._store(self._replica_itself, self.prefix)


@pytest.mark.parametrize("answers", [False, True], ids=["it refuses", "it answers"])
async def test_a_replica_is_asked(
    answers: bool,
    primary: ValkeyServer,
    replica: ValkeyServer,
    clients: Any,
    make_world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F3: 1. B's address of the state server leads to a replica, which lags  2. W at A commits,
    purges, is acknowledged  3. S reads at B, strictly: a script that could only read would be
    answered with an old head, and an old watermark."""
    topology = OnALaggingReplica(clients(primary), clients(replica))
    assert primary.port is not None
    await topology.follow("127.0.0.1", primary.port)
    world = await make_world(topology, reads=Reads.SERVER)
    strict = world.declare(following.STRICT)
    await world.get(by=strict, at=world.b)
    await topology.replicate()
    world.b.link.store = topology.by_replica()
    if answers:
        only_reads = wire.LOOK.source.replace("flags=allow-oom", "flags=no-writes", 1)
        monkeypatch.setattr(wire, "LOOK", Script(only_reads))

    await world.write(1, "new", at=world.a)

    assert await world.get(by=strict, at=world.b) == ("old" if answers else "new")
