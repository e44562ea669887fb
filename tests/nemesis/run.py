"""One run: clients, faults in rounds, healing, the comparison, the check."""

import asyncio
import time
from collections import Counter as Tally
from dataclasses import dataclass, field

from tests.history.checker import check
from tests.history.findings import Findings
from tests.history.records import History
from tests.history.windows import HEALING
from tests.nemesis.clients import Log
from tests.nemesis.faults import Nemesis
from tests.nemesis.goods import Goods, seeded
from tests.nemesis.healing import compare, heal
from tests.nemesis.shop import APP, Shop, opened
from tests.nemesis.watched import outages, read_diary
from tests.nemesis.workload import Workload

ROUND = 20
"""Faults between two times of calm, in which staleness is measured."""


@dataclass(frozen=True)
class Plan:
    """What a run is to be. It goes on until both `operations` and `faults` are reached, or
    `seconds` are over."""

    database: str = "sqlite"
    workers: int = 2
    clients: int = 16
    operations: int = 1_000
    faults: int = 0
    seconds: float = 600.0
    calm: float = 4.0
    round: int = ROUND
    seed: int = 1
    fsync: str = "always"
    app: str = APP


@dataclass
class Run:
    """What came of a plan."""

    plan: Plan
    log: Log
    findings: Findings
    seconds: float
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def faults(self) -> Tally[str]:
        return Tally(fault.name for fault in self.log.history.faults)


async def run(plan: Plan) -> Run:
    """Run a plan against real processes, and check what they did."""
    made: list[tuple[Goods, History]] = []

    async def seed(url: str) -> None:
        made.append(await seeded(url))

    begun = time.monotonic()
    async with opened(
        plan.database, plan.workers, app=plan.app, fsync=plan.fsync, seed=seed
    ) as shop:
        [(goods, history)] = made
        log = Log(history, goods)
        await _play(plan, shop, log, begun + plan.seconds)
        await compare(shop, log)
        diaries = {server.name: read_diary(server.directory) for server in shop.servers}
        outputs = {server.name: server.output for server in shop.servers}
    for name, diary in diaries.items():
        history.outages += outages(name, diary, time.monotonic())
    found = check(history)
    for name, diary in diaries.items():
        for line in diary:
            if line["what"] == "defect":
                found.add("defect", name, line["text"])
    return Run(plan, log, found, time.monotonic() - begun, outputs)


async def _play(plan: Plan, shop: Shop, log: Log, ends: float) -> None:
    nemesis = Nemesis(shop, log.history, plan.seed)
    played = 0
    async with Workload(log, shop.servers, plan.clients) as clients:
        while True:
            await asyncio.sleep(plan.calm)
            clients.check()
            over = time.monotonic() > ends - 2 * HEALING
            if over or (log.size >= plan.operations and played >= plan.faults):
                break
            if played < plan.faults:
                number = min(plan.round, plan.faults - played)
                played += await nemesis.play(number, ends - 3 * HEALING)
                await asyncio.sleep(HEALING)
    await heal(shop)
