"""The contract can fail: stores with one mistake each, and the test that finds it."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace

import pytest

from cache.protocol import ALL, Followed, Look, Position
from cache.stores.base import Fill
from cache.stores.memory import MemoryServer, MemoryStore
from cache.testing.contract import LossContract, StoreContract
from cache.testing.contract_losses import (
    _HARMS,
    Harm,
    Question,
    _follow,
    _invalidate,
    _look,
    _relay_begins,
)
from tests.cache.stores.test_contract import MemoryLosses


class Truncates(MemoryStore):
    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [stored or None for stored in await super().get(keys)]


class KeepsForEver(MemoryStore):
    async def put(self, fills: Sequence[Fill]) -> None:
        await super().put([Fill(fill.key, fill.stored, 1e6) for fill in fills])


class CutsKeys(MemoryStore):
    async def put(self, fills: Sequence[Fill]) -> None:
        await super().put([Fill(fill.key[:100], fill.stored, fill.lifetime) for fill in fills])

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return await super().get([key[:100] for key in keys])


class ForgetsWatermarks(MemoryStore):
    async def invalidate(self, tags: Iterable[str]) -> Position:
        return await super().invalidate(())


class RemembersAtTheStart(MemoryStore):
    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        await super().remember(lifetimes)
        kept = self.server.watermarks
        for tag in lifetimes:
            kept[tag] = kept[tag]._replace(value=Position(self.server.epoch or "", 1))


class SetsLifetimes(MemoryStore):
    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        await super().remember(lifetimes)
        kept = self.server.watermarks
        for tag, lifetime in lifetimes.items():
            kept[tag] = kept[tag]._replace(expires=self.server.now() + lifetime)


class KeepsLifetimes(MemoryStore):
    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        marks = (await self.look(lifetimes)).watermarks
        await super().remember({tag: lifetimes[tag] for tag, mark in marks.items() if mark is None})


class RenewsInAnyCase(MemoryStore):
    async def renew(self, expected: str | None = None) -> Position:
        return await super().renew()


class NeverBeginsForRelays(MemoryStore):
    async def relay_begins(self, patience: float) -> Look:
        return await self.look(())


class TellsRelaysNoTime(MemoryStore):
    async def relay_begins(self, patience: float) -> Look:
        return replace(await super().relay_begins(patience), now=0.0)


class BelievesAnyRelay(MemoryStore):
    async def relay_looked(self, epoch: str, at: float) -> None:
        await super().relay_looked(self.server.epoch or "", at)


class IgnoresRelays(MemoryStore):
    async def relay_looked(self, epoch: str, at: float) -> None:
        return


class NotesWhenItHears(MemoryStore):
    async def relay_looked(self, epoch: str, at: float) -> None:
        await super().relay_looked(epoch, self.server.now())


class TakesAnyLook(MemoryStore):
    async def relay_looked(self, epoch: str, at: float) -> None:
        self.server.looked = at


class KeepsTheNewestLook(MemoryStore):
    async def relay_looked(self, epoch: str, at: float) -> None:
        self.server.looked = max(at, self.server.looked or 0.0)


class TellsAll(MemoryStore):
    async def follow(self, after: Position | None, wait: float) -> Followed:
        return await super().follow(after and Position(after.epoch, 0), wait)


class ComparesEpochs(MemoryStore):
    """... not."""

    async def follow(self, after: Position | None, wait: float) -> Followed:
        epoch = self.server.epoch or ""
        return await super().follow(after and Position(epoch, after.id - 10**6), wait)


class SleepsOn(MemoryStore):
    async def follow(self, after: Position | None, wait: float) -> Followed:
        if wait:
            await asyncio.sleep(wait)
        return await super().follow(after, 0)


class NeverWaits(MemoryStore):
    async def follow(self, after: Position | None, wait: float) -> Followed:
        return await super().follow(after, 0)


class HidesGaps(MemoryStore):
    async def follow(self, after: Position | None, wait: float) -> Followed:
        answer = await super().follow(after, wait)
        return Followed(answer.head, answer.now, answer.purges[-1:])


CONTROLS: list[tuple[type[MemoryStore], str]] = [
    (Truncates, "test_an_empty_value_is_a_value"),
    (KeepsForEver, "test_an_entry_is_gone_after_its_lifetime"),
    (CutsKeys, "test_keys_may_be_long_and_of_any_characters"),
    (ForgetsWatermarks, "test_a_purge_is_the_head_and_its_tags_watermark"),
    (ForgetsWatermarks, "test_a_purge_may_come_first"),
    (RemembersAtTheStart, "test_a_missing_watermark_is_created_at_the_head"),
    (RemembersAtTheStart, "test_a_watermark_that_is_there_stays"),
    (SetsLifetimes, "test_a_lifetime_is_never_lowered"),
    (KeepsLifetimes, "test_a_lifetime_is_raised"),
    (RenewsInAnyCase, "test_an_epoch_is_renewed_only_if_it_is_the_expected"),
    (RenewsInAnyCase, "test_of_many_that_renew_one_does"),
    (NeverBeginsForRelays, "test_when_no_relay_looked_for_long_a_new_epoch_begins"),
    (BelievesAnyRelay, "test_who_looked_in_another_epoch_did_not"),
    (IgnoresRelays, "test_a_relay_that_looked_keeps_the_epoch"),
    (TellsRelaysNoTime, "test_a_relay_is_told_the_servers_time"),
    (NotesWhenItHears, "test_a_look_is_as_old_as_its_begin"),
    (TakesAnyLook, "test_a_newer_look_stays"),
    (KeepsTheNewestLook, "test_a_look_of_the_future_does_not_stay"),
    (TellsAll, "test_only_what_is_after_the_position_is_told"),
    (ComparesEpochs, "test_in_another_epoch_it_tells_the_head_alone"),
    (SleepsOn, "test_a_purge_wakes_it"),
    (NeverWaits, "test_it_waits_for_a_while"),
    (HidesGaps, "test_each_purge_names_the_one_before_it"),
    (HidesGaps, "test_a_backlog_comes_in_pieces_without_a_gap"),
]


@pytest.mark.parametrize(
    ("mistake", "name"), CONTROLS, ids=[f"{kind.__name__}-{name}" for kind, name in CONTROLS]
)
async def test_a_mistake_is_found(mistake: type[MemoryStore], name: str) -> None:
    server = MemoryServer()
    await _fails(getattr(StoreContract(), name)(lambda: mistake(server)))


@pytest.mark.parametrize(
    ("rule", "harm", "ask"),
    [
        ("f3_no_log", _HARMS[0], _look),
        ("f3_no_log", _HARMS[0], _follow),
        ("f3_incarnation", _HARMS[2], _look),
        ("f3_incarnation", _HARMS[2], _relay_begins),
        ("w2_epoch", _HARMS[0], _invalidate),
        ("w2_incarnation", _HARMS[2], _invalidate),
    ],
)
async def test_a_server_without_a_rule_is_found(rule: str, harm: Harm, ask: Question) -> None:
    server = MemoryServer(rules=ALL.without(rule))
    test = LossContract().test_whatever_lost_the_log_begins_a_new_epoch
    await _fails(test(lambda: MemoryStore(server), MemoryLosses(server), ask, harm))


async def test_a_watermark_made_anew_below_the_head_is_found() -> None:
    server = MemoryServer(rules=ALL.without("l3_at_head"))
    test = LossContract().test_an_evicted_watermark_is_missing_until_it_is_made_at_the_head
    await _fails(test(lambda: MemoryStore(server), MemoryLosses(server)))


async def _fails(test: Awaitable[None]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        async with asyncio.timeout(2):
            await test
