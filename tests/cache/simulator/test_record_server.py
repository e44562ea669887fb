"""The simulated state server of records answers exactly as a real Valkey does.

The same random calls go to both: scripts with arguments of all kinds, restarts, an emptied or full
server, an older log. Ids would differ with the clock, so both streams go on from one far ahead.
"""

import random
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.errors import StoreUnavailable
from cache.stores.connection import open_redis
from cache.stores.script import Script
from cache.testing.simulator.records import ALL_KEPT, RecordRules
from cache.testing.simulator.records.redis_data import RedisData, pair
from cache.testing.simulator.records.server import RecordServer
from cache.writes import scripts
from tests.support.servers import ValkeyServer, valkey
from tests.support.write_behind import Rewinder

STREAM, META = "{wb}:stream", "{wb}:meta"
RECORDS = ("r1", "r2", "r3")
LIVE = [f"{{wb}}:live:{key}" for key in RECORDS]
ONCE = [f"{{wb}}:once:{number}" for number in range(4)]
NAMES = ("a", "b")
AHEAD = 9_000_000_000_000
EPOCHS = ("", "e1", "e2", "e3")
REVISIONS = ("0", "1", "2", "9", "10")


class Client:
    """redis-py's two calls, at once."""

    def __init__(self, server: RecordServer) -> None:
        self.server = server

    async def evalsha(self, digest: str, count: int, *said: Any) -> Any:
        return self.server.run(digest, said[:count], said[count:])

    async def eval(self, source: str, count: int, *said: Any) -> Any:
        script = Script(source)
        self.server.learn(script.digest)
        return await self.evalsha(script.digest, count, *said)


_RAISES_IDS = Script("#!lua flags=allow-oom\nreturn redis.call('XSETID', KEYS[1], ARGV[1])")


class Both:
    """A real server and a simulated one, which are asked the same."""

    def __init__(self, rewinder: Rewinder, rules: RecordRules) -> None:
        self.rewinder = rewinder
        self.incarnation = ""
        self.simulated = RecordServer(lambda: 1_700_000_000.0, lambda: self.incarnation, rules)
        self.client: Any = Client(self.simulated)
        self.real: Redis = open_redis(rewinder.server.url, budget=5.0)
        self.kept: RedisData | None = None

    async def ask(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        """The reply of both; the error's kind, if there is one."""
        replies = []
        for redis in (self.real, self.client):
            try:
                reply = await script.run(redis, [STREAM, META, *keys], arguments)
            except StoreUnavailable as error:
                reply = type(error.__cause__).__name__
            if script is scripts.PEEK and reply[0] == b"ok":
                del reply[3]  # the server's clock
            replies.append(reply)
        assert replies[0] == replies[1]
        await self.go_ahead()
        return replies[0]

    async def go_ahead(self) -> None:
        """Let ids go on from the same one."""
        stream = self.simulated.data.stream(STREAM)
        if stream is not None and stream.last < (AHEAD, 0):
            stream.last = (AHEAD, 0)
            await _RAISES_IDS.run(self.real, [STREAM], [f"{AHEAD}-0"])  # also one that is full

    async def came_back(self, data: RedisData | None = None) -> None:
        """The real server was started again: so is the other."""
        await self.real.connection_pool.disconnect()
        replication = await self.real.info("replication")
        self.incarnation = replication["master_replid"]
        self.simulated.restart(data)
        await self.full(False)

    async def compare(self) -> None:
        """Everything that both hold."""
        data = self.simulated.data
        entries = await self.real.xrange(STREAM)
        found = [
            (identifier.decode(), tuple(part.decode() for pairs in said.items() for part in pairs))
            for identifier, said in entries
        ]
        assert found == list(data.after(STREAM, "0-0"))
        for key in (META, *LIVE):
            kept = await self.real.hgetall(key)
            assert {name.decode(): value.decode() for name, value in kept.items()} == data.hash(key)
        for key in ONCE:
            told = await self.real.get(key)
            assert (told and told.decode()) == data.get(key)

    # ---- faults ----

    async def full(self, is_full: bool) -> None:
        self.simulated.is_full = is_full
        await self.real.config_set("maxmemory", "1" if is_full else "0")

    async def restart(self) -> None:
        self.rewinder.server.stop(kill=True)
        self.rewinder.server.start()
        await self.came_back()

    async def empty(self) -> None:
        await self.real.delete(STREAM, META, *LIVE, *ONCE)
        self.simulated.data = self.simulated.empty()

    async def keep(self) -> None:
        if self.kept is None:
            self.rewinder.remember()
            await self.came_back()
            self.kept = self.simulated.data.copy()

    async def come_back_older(self) -> None:
        if self.kept is not None:
            self.rewinder.rewind()
            kept, self.kept = self.kept, None
            await self.came_back(kept)

    async def lose_meta(self) -> None:
        await self.real.delete(META)
        self.simulated.data.delete(META)

    async def append_as_before(self, key: str) -> None:
        """An entry without a field, as earlier versions wrote them."""
        if self.simulated.data.exists(STREAM) and not self.simulated.is_full:
            await self.real.xadd(STREAM, {"k": key, "n": "5"})
            self.simulated.data.xadd(STREAM, ("k", key, "n", "5"))


class Calls:
    """Random calls."""

    def __init__(self, both: Both, seed: int) -> None:
        self.both = both
        self.chance = random.Random(seed)
        self.rule = self.chance.choice(("sum", "last"))

    def some_id(self) -> str:
        stream = self.both.simulated.data.stream(STREAM)
        known = [*stream.entries, stream.last] if stream else []
        return "0-0" if not known else "-".join(map(str, self.chance.choice([(0, 0), *known])))

    def epoch(self) -> str:
        known = self.both.simulated.data.hash(META).get("epoch", "")
        return self.chance.choice((known, known, known, *EPOCHS))

    async def call(self) -> None:
        names = ["append"] * 8 + ["rebuild"] * 4 + ["live", "peek", "pending", "trim", "told"] * 2
        names += ["reconcile"] * 3 + ["old"]
        await getattr(self, f"_{self.chance.choice(names)}")()

    async def _append(self) -> None:
        number = self.chance.randrange(len(RECORDS))
        payload = str(self.chance.choice((1, 5, -3, 2**44 + 1)))
        arguments: list[Any] = [RECORDS[number], self.chance.choice(NAMES), payload, self.rule]
        arguments += [3_600_000, self.chance.choice((3, 1_000, 1_000))]
        keys = [LIVE[number]]
        if self.chance.random() < 0.4:
            keys.append(self.chance.choice(ONCE))
            arguments += [self.chance.choice(("digest-1", "digest-2")), 3_600_000]
        await self.both.ask(scripts.APPEND, keys, arguments)

    async def _rebuild(self) -> None:
        keys = self.chance.sample(range(len(RECORDS)), self.chance.randint(1, len(RECORDS)))
        script = self.chance.choice((scripts.INSTALL, scripts.COMPUTE))
        arguments: list[Any] = ["1" if script is scripts.INSTALL else "0"]
        arguments += [self.epoch(), self.some_id(), self.chance.choice(REVISIONS), 3_600_000]
        arguments += [self.rule, len(NAMES), *NAMES]
        for number in keys:
            arguments += [RECORDS[number], *(str(self.chance.randrange(100)) for _ in NAMES)]
        await self.both.ask(script, [LIVE[number] for number in keys], arguments)

    async def _live(self) -> None:
        await self.both.ask(scripts.LIVE, self.chance.sample(LIVE, 2), list(NAMES))

    async def _peek(self) -> None:
        await self.both.ask(scripts.PEEK, [], [])

    async def _pending(self) -> None:
        count = self.chance.choice((1, 3, 1_000))
        await self.both.ask(scripts.PENDING, [], [self.epoch(), self.some_id(), count])

    async def _trim(self) -> None:
        last = self.some_id()
        time, number = pair(last)
        after, revision = f"{time}-{number + 1}", self.chance.choice(REVISIONS)
        await self.both.ask(scripts.TRIM, [], [self.epoch(), last, after, revision])

    async def _told(self) -> None:
        await self.both.ask(scripts.RAISE, [], [self.chance.choice(REVISIONS)])

    async def _reconcile(self) -> None:
        seen = self.chance.choice((self.both.incarnation, self.both.incarnation, "0" * 40))
        last = self.chance.choice((self.some_id(), f"{AHEAD}-{self.chance.randrange(2_000)}"))
        new = self.chance.choice(EPOCHS[1:])
        arguments = [seen, self.epoch(), last, new, self.chance.choice(REVISIONS)]
        await self.both.ask(scripts.RECONCILE, [], arguments)

    async def _old(self) -> None:
        if self.rule == "sum":
            await self.both.append_as_before(self.chance.choice(RECORDS))

    async def fault(self) -> None:
        name = self.chance.choice(
            ("restart", "empty", "keep", "come_back_older", "lose_meta", "full", "full")
        )
        if name == "full":
            await self.both.full(not self.both.simulated.is_full)
        else:
            await getattr(self.both, name)()


async def compare(server: ValkeyServer, seed: int, rules: RecordRules = ALL_KEPT) -> None:
    both = Both(Rewinder(server), rules)
    try:
        await both.empty()
        await both.came_back()
        calls = Calls(both, seed)
        for number in range(400):
            if number % 40 == 39:
                await calls.fault()
                if calls.chance.random() < 0.7:
                    await calls._reconcile()
            else:
                await calls.call()
            if number % 4 == 3:
                await both.compare()
    finally:
        await both.real.aclose()


@pytest.mark.parametrize("seed", range(6))
async def test_it_answers_as_a_real_server_does(seed: int) -> None:
    with valkey() as server:
        await compare(server, seed)


@pytest.mark.parametrize(
    "name",
    [
        "trim_look", "compared", "raised_ids", "closed", "same_incarnation", "trim_epoch",
        "new_epoch", "once", "trim_committed", "told",
    ],
)  # fmt: skip
async def test_control_without_a_rule_it_does_not(name: str) -> None:
    for seed in range(6):
        with valkey() as server:
            try:
                await compare(server, seed, ALL_KEPT.without(name))
            except AssertionError:
                return
    pytest.fail(f"without {name} the simulated server answers like the real one")
