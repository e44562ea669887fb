"""The auditor finds what was served stale beyond the promise, and nothing else."""

import asyncio
import itertools
import math
import random
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import (
    Cache,
    CachePolicy,
    CacheScope,
    CacheSettings,
    RedisStore,
    StoreUnavailable,
    bypass,
    cached,
    current_viewer,
    viewer_was_read,
)
from cache.auditor import Auditor
from cache.decorator import CachedFunction
from cache.facts import Audited, Bypassed, Defect, Fact, Filled, Hit, Tier
from cache.findings import Report
from cache.protocol import ALL, Rules
from cache.stores.memory import MemoryServer, MemoryStore
from tests.support.polling import eventually

PUBLIC = CachePolicy(ttl=60, scope=CacheScope.PUBLIC)
PRIVATE = CachePolicy(ttl=60)
PROMISED = 1.0


class HeldClock:
    """A worker's clock that stands, but for its sleeps: these end when they are let go."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.sleeping = asyncio.Event()
        self._let_go = asyncio.Event()

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.sleeping.set()
        await self._let_go.wait()
        self.time += seconds

    def let_go(self) -> None:
        self._let_go.set()


class Audit:
    """A cache of `rows`, `row(id)` tagged `row:<id>`, and an auditor of everything it serves."""

    def __init__(self, cache: Cache, facts: list[Fact], **options: Any) -> None:
        self.cache = cache
        self.facts = facts
        self.clock = HeldClock()
        self.rows: dict[int, Any] = {}
        self.row = self.declare(PUBLIC)
        options = {"rate": 1.0, "per_second": math.inf, "clock": self.clock, **options}
        self.auditor = Auditor(cache, observers=[facts.append], **options)
        cache.audit(self.auditor.served)

    def declare(self, policy: CachePolicy) -> CachedFunction[[int], str | None]:
        rows = self.rows

        @cached(policy, tags=lambda row: [f"row:{row}"])
        async def read_row(row: int) -> str | None:
            value: str | None = rows.get(row)
            return value

        return read_row

    async def get(self, row: int, viewer: str = "anonymous") -> str | None:
        with self.cache.activate(viewer):
            return await self.row(row)

    async def end(self) -> None:
        """Let every audit end."""
        self.clock.let_go()
        await self.auditor.idle()

    def of(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    @property
    def defects(self) -> list[Defect]:
        return self.of(Defect)

    async def serve_stale(self, tags: list[str], row: int = 1) -> None:
        """Serve a row; change it, with a purge of these tags; serve the old row, or the new one."""
        self.rows[row] = "old"
        await self.get(row)
        self.rows[row] = "new"
        await self.get(row)
        await self.cache.invalidate(tags)


@pytest.fixture
async def made(redis: Redis, key_prefix: str) -> AsyncIterator[Callable[..., Audit]]:
    """Makes an audit on the real Redis; options are the auditor's."""
    caches: list[Cache] = []

    def make(**options: Any) -> Audit:
        facts: list[Fact] = []
        store = RedisStore(redis, key_prefix)
        settings = CacheSettings(max_staleness=PROMISED)
        caches.append(Cache(store, observers=[facts.append], settings=settings))
        return Audit(caches[-1], facts, **options)

    yield make
    for cache in caches:
        await cache.close()


# ---- what it finds ----


async def test_a_write_that_left_out_a_tag_is_found(made: Callable[..., Audit]) -> None:
    audit = made(margin=0.25)
    await audit.serve_stale([])
    await audit.end()

    [found] = audit.of(Audited)
    assert found.stale_beyond == pytest.approx(0.25)
    assert audit.auditor.report.stale_per_million == 1e6
    [defect] = audit.defects
    assert defect.key.startswith(f"{audit.row.name}@")
    assert defect.name == audit.row.name
    assert defect.what.startswith("stale beyond the promise: ")


async def test_a_purge_of_another_tag_does_not_hide_it(made: Callable[..., Audit]) -> None:
    audit = made()
    await audit.serve_stale(["row:2"])
    await audit.end()
    assert len(audit.defects) == 1


async def test_control_the_right_tag_is_no_finding(made: Callable[..., Audit]) -> None:
    audit = made()
    await audit.serve_stale(["row:1"])
    await audit.end()
    assert [fact.stale_beyond for fact in audit.of(Audited)] == [None]
    assert audit.defects == []


async def test_control_without_the_auditor_nobody_notices(made: Callable[..., Audit]) -> None:
    audit = made()
    audit.cache.audit(None)
    await audit.serve_stale([])
    await audit.end()
    assert audit.of(Hit)
    assert audit.defects == []


async def test_what_is_purged_while_it_waits_was_within_the_promise(
    made: Callable[..., Audit],
) -> None:
    audit = made()
    await audit.serve_stale([])
    await audit.clock.sleeping.wait()
    await audit.cache.invalidate(["row:1"])
    await audit.end()
    assert [fact.stale_beyond for fact in audit.of(Audited)] == [None]


async def test_an_equal_value_is_not_waited_for(made: Callable[..., Audit]) -> None:
    audit = made()
    await audit.get(1)
    await audit.get(1)
    await audit.auditor.idle()
    assert not audit.clock.sleeping.is_set()
    assert [fact.stale_beyond for fact in audit.of(Audited)] == [None]


async def test_what_was_changed_back_left_nobody_with_a_wrong_value(
    made: Callable[..., Audit],
) -> None:
    audit = made()
    await audit.serve_stale([])
    await audit.clock.sleeping.wait()
    audit.rows[1] = "old"
    await audit.end()
    assert audit.defects == []


async def test_memory_is_audited_too(made: Callable[..., Audit]) -> None:
    audit = made()
    await audit.cache.start()

    async def is_current() -> bool:
        return audit.cache.is_current

    await eventually(is_current)
    await audit.serve_stale([])
    await audit.end()
    [defect] = audit.defects
    assert defect.history["tier"] == "memory"


async def test_an_entry_without_tags_is_a_defect_of_its_own(made: Callable[..., Audit]) -> None:
    audit = made()
    rows = audit.rows

    @cached(PUBLIC)
    async def read_row(row: int) -> str | None:
        value: str | None = rows.get(row)
        return value

    audit.row = read_row
    await audit.serve_stale(["row:1"])
    await audit.end()
    [defect] = audit.defects
    assert "no tag" in defect.what


async def test_the_history_says_what_is_known_of_the_entry(made: Callable[..., Audit]) -> None:
    audit = made(margin=0.25)
    await audit.serve_stale(["row:2"])
    await audit.end()

    [defect] = audit.defects
    entry, verdict = defect.history["entry"], defect.history["verdict"]
    read_at = entry["dependencies"]["row:1"]
    assert (entry["soft"], entry["hard"]) == (entry["stored"] + 60, entry["stored"] + 60)
    assert verdict["watermarks"] == {"row:1": read_at}, "the watermark of its fill, not of a purge"
    assert verdict["head"] > read_at, "the purge of another tag"
    assert defect.history["seconds"] == {
        "from served to different": 0.0,
        "from different to judged": pytest.approx(1.25),
    }
    assert defect.history["values"] == {"served": "'old'", "loaded": "'new'"}
    digests = defect.history["digests"]
    assert digests["served"] != digests["loaded"] == digests["loaded again"]


@pytest.mark.parametrize(("rules", "found"), [(ALL, 0), (ALL.without("l1_stamp"), 1)])
async def test_a_mistake_of_the_engine_is_found_as_well(
    rules: Rules, found: int, redis: Redis, key_prefix: str
) -> None:
    facts: list[Fact] = []
    cache = Cache(RedisStore(redis, key_prefix), observers=[facts.append], rules=rules)
    audit = Audit(cache, facts)
    gate, reading = asyncio.Event(), asyncio.Event()
    gates = [gate]

    @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
    async def read_row(row: int) -> str | None:
        value: str | None = audit.rows[row]
        if gates:
            reading.set()
            await gates.pop().wait()
        return value

    audit.row = read_row
    audit.rows[1] = "old"
    slow = asyncio.ensure_future(audit.get(1))
    await reading.wait()
    audit.rows[1] = "new"
    await cache.invalidate(["row:1"])
    gate.set()
    await slow  # filled with the old value, with the position of its end where the rule is off
    await audit.get(1)
    await audit.end()
    assert len(audit.defects) == found
    await cache.close()


# ---- private entries ----


async def test_private_entries_are_loaded_for_their_own_viewer(made: Callable[..., Audit]) -> None:
    audit = made()
    loaded_for: list[str] = []
    rows = audit.rows

    @cached(PRIVATE, tags=lambda row: [f"row:{row}"])
    async def read_row(row: int) -> str:
        viewer_was_read()
        loaded_for.append(current_viewer())
        return f"{rows.get(row)} of {current_viewer()}"

    audit.row = read_row  # type: ignore[assignment]  # the same call
    audit.rows[1] = "row"
    for viewer in ("ann", "bob"):
        await audit.get(1, viewer)
    loaded_for.clear()
    for viewer in ("ann", "bob"):
        await audit.get(1, viewer)
    await audit.auditor.idle()

    assert sorted(loaded_for) == ["ann", "bob"], "each audit loads for who was served"
    assert [fact.stale_beyond for fact in audit.of(Audited)] == [None, None]


async def test_values_of_private_entries_are_in_no_report(made: Callable[..., Audit]) -> None:
    audit = made()
    audit.row = audit.declare(PRIVATE)
    await audit.serve_stale([])
    await audit.end()
    [defect] = audit.defects
    assert "values" not in defect.history
    assert defect.history["private"] is True
    assert "'old'" not in repr(defect)
    assert "'new'" not in repr(defect)


# ---- what is no finding ----


async def test_a_load_that_fails_is_no_finding(made: Callable[..., Audit]) -> None:
    audit = made()
    fails = False

    @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
    async def read_row(row: int) -> str | None:
        if fails:
            raise OSError("the database is away")
        return "row"

    audit.row = read_row
    await audit.get(1)
    fails = True
    assert await audit.get(1) == "row"
    await audit.end()
    assert (audit.auditor.report.failed, audit.auditor.report.audited) == (1, 0)
    assert audit.defects == audit.of(Audited) == []


async def test_a_store_that_is_away_is_no_finding(
    made: Callable[..., Audit], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = made()
    await audit.serve_stale([])
    await audit.clock.sleeping.wait()

    async def away(dependencies: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(audit.cache, "watermarks", away)
    await audit.end()
    assert audit.auditor.report.failed == 1
    assert audit.defects == []


async def test_what_time_ends_in_the_meantime_is_no_finding() -> None:
    now = 5_000.0
    facts: list[Fact] = []
    cache = Cache(MemoryStore(MemoryServer(lambda: now)), observers=[facts.append])
    audit = Audit(cache, facts)
    audit.row = audit.declare(CachePolicy(ttl=10, scope=CacheScope.PUBLIC))
    await audit.serve_stale([])
    await audit.clock.sleeping.wait()
    now += 10
    await audit.end()
    assert [fact.stale_beyond for fact in audit.of(Audited)] == [None]
    await cache.close()


@dataclass(frozen=True)
class Measured:
    """What is not equal to itself, and what has no order."""

    ratio: float
    names: frozenset[str]


async def test_nan_and_sets_are_equal_to_themselves(made: Callable[..., Audit]) -> None:
    audit = made()
    names = [f"name {number}" for number in range(50)]

    @cached(PUBLIC, tags=lambda: ["measured"])
    async def measured() -> Measured:
        random.shuffle(names)
        return Measured(math.nan, frozenset(names))

    @cached(PUBLIC, tags=lambda: ["named"])
    async def named() -> frozenset[str]:
        random.shuffle(names)
        return frozenset(names)

    with audit.cache.activate("anonymous"):
        for _ in range(2):
            await measured()
            await named()
    await audit.end()
    assert [fact.stale_beyond for fact in audit.of(Audited)] == [None, None]


async def test_a_load_of_chance_is_found_unless_it_is_excluded(made: Callable[..., Audit]) -> None:
    numbers = itertools.count()

    @cached(PUBLIC, tags=lambda: ["chance"])
    async def chance() -> int:
        return next(numbers)

    for excluded, found in (([], 1), ([chance.name], 0)):
        audit = made(exclude=excluded)
        with audit.cache.activate("anonymous"):
            await audit.cache.invalidate(["chance"])
            await chance()
            await chance()
        await audit.end()
        assert len(audit.defects) == found
        if found:
            digests = audit.defects[0].history["digests"]
            assert digests["loaded"] != digests["loaded again"], "it tells such a function apart"


# ---- it disturbs nobody ----


async def test_audits_look_up_and_store_nothing(made: Callable[..., Audit]) -> None:
    audit = made()

    @cached(PUBLIC, tags=lambda row: [f"outer:{row}"])
    async def outer(row: int) -> str:
        return f"outer {await audit.row(row)}"

    audit.rows[1] = "row"
    with audit.cache.activate("anonymous"):
        await outer(1)
        audit.facts.clear()
        await outer(1)
    await audit.auditor.idle()
    assert audit.of(Filled) == []
    assert audit.of(Bypassed) == [Bypassed(audit.row.name, "an audit")]
    assert [fact.name for fact in audit.of(Hit)] == [outer.name]


async def test_audits_run_in_a_clean_context(made: Callable[..., Audit]) -> None:
    audit = made()
    mine: ContextVar[str] = ContextVar("mine", default="nothing")
    seen: list[str] = []

    @cached(PUBLIC, tags=lambda: ["x"])
    async def look() -> str:
        seen.append(mine.get())
        return "x"

    mine.set("a transaction")
    with audit.cache.activate("anonymous"):
        await look()
        await look()
    await audit.auditor.idle()
    assert seen == ["nothing", "nothing"]


async def test_a_slow_audit_delays_no_reader(made: Callable[..., Audit]) -> None:
    audit = made()
    held = asyncio.Event()
    loads = 0

    @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
    async def read_row(row: int) -> str | None:
        nonlocal loads
        loads += 1
        if loads > 1:
            await held.wait()
        return "row"

    audit.row = read_row
    for _ in range(3):
        assert await audit.get(1) == "row"
    assert audit.of(Audited) == []
    held.set()
    await audit.end()
    assert len(audit.of(Audited)) == 2


async def test_no_more_than_a_few_at_once(made: Callable[..., Audit]) -> None:
    audit = made(most_running=3)
    await audit.get(1)
    audit.rows[1] = "changed, and nothing purged"
    for _ in range(10):
        await audit.get(1)
    await audit.clock.sleeping.wait()
    assert audit.auditor.report.skipped == 7
    await audit.end()
    assert audit.auditor.report.audited == 3

    await audit.get(1)
    await audit.end()
    assert audit.auditor.report.audited == 4, "places are given back"


async def test_no_more_than_a_few_in_a_second(made: Callable[..., Audit]) -> None:
    audit = made(per_second=2)
    for _ in range(5):
        await audit.get(1)
    audit.clock.time += 0.5
    for _ in range(5):
        await audit.get(1)
    await audit.end()
    assert (audit.auditor.report.audited, audit.auditor.report.skipped) == (2, 7)


async def test_a_part_is_sampled(made: Callable[..., Audit]) -> None:
    audit = made(rate=0.25, random=itertools.cycle([0.0, 0.25, 0.5, 0.75]).__next__)
    for _ in range(41):
        await audit.get(1)
        await audit.auditor.idle()
    assert audit.auditor.report.audited == 10


async def test_nothing_is_sampled_at_rate_0(made: Callable[..., Audit]) -> None:
    audit = made(rate=0.0)
    await audit.serve_stale([])
    await audit.end()
    assert audit.of(Audited) == []


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
async def test_a_rate_that_cannot_be_is_refused(rate: float, made: Callable[..., Audit]) -> None:
    with pytest.raises(ValueError, match="rate must be from 0"):
        made(rate=rate)


async def test_closing_stops_what_runs(made: Callable[..., Audit]) -> None:
    audit = made()
    await audit.serve_stale([])
    await audit.clock.sleeping.wait()
    await audit.auditor.aclose()
    assert audit.of(Audited) == []
    await audit.auditor.idle()


async def test_values_served_inside_a_transaction_are_not_its_business(
    made: Callable[..., Audit],
) -> None:
    audit = made()
    await audit.get(1)
    with bypass():
        await audit.get(1)
    await audit.end()
    assert audit.of(Audited) == []


# ---- a mix of writes, with its control ----


class Mix:
    """Two workers that read and write 20 rows, and lists of five of them, all of it audited."""

    def __init__(self, redis: Redis, prefix: str, *, left_out: float) -> None:
        self.left_out = left_out
        self.rows = [f"row {row}" for row in range(20)]
        self.chance = random.Random(7)
        self.versions = itertools.count()
        self.workers = [self._worker(redis, prefix) for _ in range(2)]
        rows = self.rows

        @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
        async def read_row(row: int) -> str:
            value = rows[row]
            await asyncio.sleep(0)
            return value

        @cached(PUBLIC)
        async def read_five(first: int) -> tuple[str, ...]:
            return tuple([await read_row(row) for row in range(first, first + 5)])

        self.read_row = read_row
        self.read_five = read_five

    def _worker(self, redis: Redis, prefix: str) -> Audit:
        facts: list[Fact] = []
        settings = CacheSettings(max_staleness=0.4)
        store = RedisStore(redis, prefix)
        cache = Cache(store, observers=[facts.append], settings=settings)
        return Audit(cache, facts, clock=None, most_running=64)

    async def run(self) -> None:
        for worker in self.workers:
            await worker.cache.start()
        acts = (self._read, self._read, self._write)
        await asyncio.gather(*(act(worker) for worker in self.workers for act in acts))
        for worker in self.workers:
            await worker.auditor.idle()
            await worker.cache.close()

    async def _read(self, worker: Audit) -> None:
        for _ in range(150):
            with worker.cache.activate("anonymous"):
                await self.read_row(self.chance.randrange(20))
                await self.read_five(5 * self.chance.randrange(4))
            await asyncio.sleep(0.005)

    async def _write(self, worker: Audit) -> None:
        for _ in range(60):
            row = self.chance.randrange(20)
            self.rows[row] = f"version {next(self.versions)}"
            await asyncio.sleep(0)
            if self.chance.random() >= self.left_out:
                await worker.cache.invalidate([f"row:{row}"])
            await asyncio.sleep(0.01)

    def sum(self, what: Callable[[Report], int]) -> int:
        return sum(what(worker.auditor.report) for worker in self.workers)


async def test_a_healthy_mix_of_writes_has_no_finding(redis: Redis, key_prefix: str) -> None:
    mix = Mix(redis, key_prefix, left_out=0.0)
    await mix.run()
    assert mix.sum(lambda report: report.audited) > 300
    assert mix.sum(lambda report: report.failed) == 0
    assert [defect.history for worker in mix.workers for defect in worker.defects] == []
    tiers = {fact.tier for worker in mix.workers for fact in worker.of(Hit)}
    assert tiers == {Tier.MEMORY, Tier.STORE}


async def test_control_the_same_mix_with_tags_left_out_has(redis: Redis, key_prefix: str) -> None:
    mix = Mix(redis, key_prefix, left_out=0.3)
    await mix.run()
    assert mix.sum(lambda report: report.stale) > 10
