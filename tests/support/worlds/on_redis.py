"""A world's servers on real ones, and their scripts with a rule left out."""

import secrets
from typing import Any

from redis.asyncio import Redis

from cache import RedisStore, Store
from cache.keys import storage_key
from cache.protocol import ALL, Rules
from cache.stores import wire
from cache.stores.script import Script
from tests.support.worlds.clock import ManualClock
from tests.support.worlds.link import Names

_ANOTHER = "f" * 40
"""The incarnation of a server that is none."""


class OnRedis:
    """Entries on `redis`; log and watermarks on `state`, if that is another server.

    Failovers are played by giving back what was there when the replica last heard, with the name
    of another incarnation; a promoted replica has its keys under another prefix. Real ones are in
    `tests/cache/races/test_real_servers.py`.

    `loose`: the scripts with `rules`, and with dense positions.
    """

    def __init__(
        self, redis: Redis, *, state: Redis | None = None, rules: Rules = ALL, loose: bool = False
    ) -> None:
        self.clock, self.names = ManualClock(), Names()
        self._redis, self._state = redis, state or redis
        self._apart = state is not None
        self._rules, self._is_loose = rules, loose
        self._first = self.prefix = f"race-{secrets.token_hex(6)}"
        self._replica: dict[str, bytes] = {}
        self._opened: list[RedisStore] = []

    # ---- connections ----

    def store(self) -> Store:
        entries = self._store(self._redis, self._first if self._apart else self.prefix)
        return TwoStores(entries, self._store(self._state, self.prefix)) if self._apart else entries

    def _store(self, redis: Redis, prefix: str) -> RedisStore:
        made = (
            LooseRedisStore(redis, prefix, self._rules)
            if self._is_loose
            else RedisStore(redis, prefix)
        )
        self._opened.append(made)
        return made

    def shift(self) -> float:
        return self.clock.passed

    async def passes(self, seconds: float) -> None:
        self.clock.passes(seconds)
        for prefix in {self._first, self.prefix}:
            looked = await self._state.hget(f"{{{prefix}}}:state", "looked")
            if looked is not None:
                earlier = int(looked) - round(seconds * 1000)
                await self._state.hset(f"{{{prefix}}}:state", "looked", str(earlier))

    # ---- faults ----

    async def evict_watermark(self, tag: str) -> None:
        assert await self._state.delete(f"{{{self.prefix}}}:w:{tag}")

    async def lose_log(self) -> None:
        assert await self._state.delete(f"{{{self.prefix}}}:log")

    async def trim(self, keep: int) -> None:
        await self._state.xtrim(f"{{{self.prefix}}}:log", maxlen=keep, approximate=False)

    async def empty(self) -> None:
        for redis, key in self._where(self.prefix).values():
            await redis.delete(key)

    async def replicate(self) -> None:
        self._replica = {}
        for name, (redis, key) in self._where(self.prefix).items():
            dump = await redis.dump(key)
            if dump is not None:
                self._replica[name] = dump

    async def fail_over(self) -> None:
        await self.empty()
        await self._promote()

    async def split(self) -> None:
        self.prefix = f"{self._first}-promoted"
        await self._promote()

    async def close(self) -> None:
        for store in self._opened:
            await store.aclose()
        left = [*self._where(self._first).values(), *self._where(self.prefix).values()]
        left += [(self._redis, storage_key(self._first, key)) for key in self.names.keys]
        for redis in {self._redis, self._state}:
            pipeline = redis.pipeline(transaction=False)
            for key in {key for where, key in left if where is redis}:
                pipeline.unlink(key)
            await pipeline.execute()

    async def _promote(self) -> None:
        for name, (redis, key) in self._where(self.prefix).items():
            if name in self._replica:
                ttl = 0 if name in ("state", "log") else 600_000
                await redis.restore(key, ttl, self._replica[name], replace=True)
        await self._state.hset(f"{{{self.prefix}}}:state", "incarnation", _ANOTHER)

    def _where(self, prefix: str) -> dict[str, tuple[Redis, str]]:
        """What a failover concerns: entries too, where they are on the same server."""
        names = ["state", "log", *(f"w:{tag}" for tag in self.names.tags)]
        found = {name: (self._state, f"{{{prefix}}}:{name}") for name in names}
        if not self._apart:
            found |= {key: (self._redis, storage_key(prefix, key)) for key in self.names.keys}
        return found


class TwoStores:
    """The entries of one store, the state of another."""

    def __init__(self, entries: RedisStore, state: RedisStore) -> None:
        self.get, self.put = entries.get, entries.put
        self.look, self.remember, self.invalidate = state.look, state.remember, state.invalidate
        self.follow, self.renew = state.follow, state.renew
        self.relay_begins, self.relay_looked = state.relay_begins, state.relay_looked
        self.aclose = state.aclose


# ---- scripts ----

_SCRIPTS = [
    wire.LOOK,
    wire.INVALIDATE,
    wire.FOLLOW,
    wire.RENEW,
    wire.RELAY_BEGINS,
    wire.RELAY_LOOKED,
    wire.REMEMBER,
]

_NO_LOG = " or redis.call('EXISTS', log) == 0"
_INCARNATION = " or known[2] ~= incarnation"
_HEAD = """local function head()
  if redis.call('EXISTS', log) == 0 then return 0 end"""
_MARK = "local mark = epoch .. ':' .. whole(head())"
_DENSE = [
    ("append(now, 0, '[]')", "append(1, 0, '[]')"),
    ("math.max(now, last + 1)", "last + 1"),
    ("whole(now - tonumber(ARGV[4]))", "'0'"),
    (
        "local function head()",
        "local function head()\n if redis.call('EXISTS', log) == 0 then return 0 end",
    ),
]


class LooseRedisStore(RedisStore):
    """A store whose scripts leave out the rules of a server that are off.

    Its positions are dense: those of two epochs are alike as often as can be.
    """

    def __init__(self, redis: Redis, prefix: str, rules: Rules) -> None:
        super().__init__(redis, prefix)
        self._loose = {script: _loosened(script, rules) for script in _SCRIPTS}
        self._line: Any = _LooseLine(self._line, self._loose[wire.FOLLOW])

    async def _ask(self, purpose: str, script: Script, *rest: Any) -> Any:
        return await super()._ask(purpose, self._loose[script], *rest)


class _LooseLine:
    def __init__(self, line: Any, follow: Script) -> None:
        self._line, self._follow = line, follow
        self.close = line.close

    async def ask(self, commands: list[Any], patience: float) -> Any:
        *doorbell, (word, _, *rest) = commands
        return await self._line.ask([*doorbell, (word, self._follow.source, *rest)], patience)


def _loosened(script: Script, rules: Rules) -> Script:
    is_purge = script is wire.INVALIDATE
    asks_log = rules.w2_epoch if is_purge else rules.f3_no_log
    asks_incarnation = rules.w2_incarnation if is_purge else rules.f3_incarnation
    source = script.source
    assert _NO_LOG in source
    assert _INCARNATION in source
    assert script is not wire.REMEMBER or _MARK in source
    if not asks_log:
        source = source.replace(_NO_LOG, "")
    if not asks_incarnation:
        source = source.replace(_INCARNATION, "")
    if not rules.l3_at_head:
        source = source.replace(
            "local mark = epoch .. ':' .. whole(head())", "local mark = epoch .. ':0'"
        )
    for text, instead in _DENSE:
        source = source.replace(text, instead)
    return Script(source)
