"""What every store does when its server has lost something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest

from ..protocol import Position
from ..stores.base import Store
from .contract_entries import OpenStore


class Losses(Protocol):
    """What can happen to the server of a store; the fixture `losses` of `LossContract`."""

    async def lose_log(self) -> None:
        """Lose the log while the epoch stays, as by eviction."""
        ...

    async def lose_everything(self) -> None:
        """Come back empty."""
        ...

    async def become_another(self) -> None:
        """Be another incarnation with the same data, as after a restart or a promotion."""
        ...

    async def trim_log(self, keep: int) -> None:
        """Forget all but the last `keep` purges; the head stays."""
        ...

    async def evict_watermark(self, tag: str) -> None:
        """Lose one watermark."""
        ...


async def _look(store: Store, old: Position) -> Position:
    return (await store.look(["tag"])).head


async def _invalidate(store: Store, old: Position) -> Position:
    return await store.invalidate(["tag"])


async def _follow(store: Store, old: Position) -> Position:
    answer = await store.follow(old, 0.0)
    assert list(answer.purges) == []
    return answer.head


async def _remember(store: Store, old: Position) -> Position:
    await store.remember({"tag": 60.0})
    look = await store.look(["tag"])
    assert look.watermarks == {"tag": look.head}
    return look.head


async def _renew(store: Store, old: Position) -> Position:
    """Another has begun: it is not the expected one any more."""
    return await store.renew(old.epoch)


async def _relay_begins(store: Store, old: Position) -> Position:
    return (await store.relay_begins(3_600.0)).head


async def _relay_looked(store: Store, old: Position) -> Position:
    await store.relay_looked(old.epoch, 0.0)
    return (await store.look(())).head


Question = Callable[[Store, Position], Awaitable[Position]]
Harm = Callable[[Losses], Awaitable[None]]

_QUESTIONS: list[Question] = [
    _look, _invalidate, _follow, _remember, _renew, _relay_begins, _relay_looked,
]  # fmt: skip
_HARMS: list[Harm] = [
    lambda losses: losses.lose_log(),
    lambda losses: losses.lose_everything(),
    lambda losses: losses.become_another(),
]


@pytest.mark.asyncio
class LossContract:
    """F3, J4 and L3 of the protocol, for stores whose server can be harmed by a test."""

    @pytest.mark.parametrize("harm", _HARMS, ids=["log", "everything", "incarnation"])
    @pytest.mark.parametrize("ask", _QUESTIONS, ids=lambda ask: ask.__name__.strip("_"))
    async def test_whatever_lost_the_log_begins_a_new_epoch(
        self, open_store: OpenStore, losses: Losses, ask: Question, harm: Harm
    ) -> None:
        """... whoever asks, in the same step: no answer is of the old epoch, none mixes two."""
        store = open_store()
        old = await store.invalidate(["tag", "other"])
        await harm(losses)

        head = await ask(store, old)

        assert head.epoch != old.epoch
        assert (await store.look(())).head == head

    async def test_a_lost_log_begins_one_epoch_only(
        self, open_store: OpenStore, losses: Losses
    ) -> None:
        store = open_store()
        await store.invalidate(["tag"])
        await losses.lose_log()
        head = (await store.look(())).head

        assert (await open_store().follow(None, 0)).head == head
        assert (await store.relay_begins(3_600.0)).head == head

    async def test_a_trimmed_log_shows_its_gap(self, open_store: OpenStore, losses: Losses) -> None:
        store = open_store()
        start = (await store.follow(None, 0)).head
        positions = [await store.invalidate([f"tag {n}"]) for n in range(5)]
        await losses.trim_log(2)

        answer = await store.follow(start, 0)

        assert answer.head == positions[-1]
        assert [purge.id for purge in answer.purges] == [one.id for one in positions[-2:]]
        assert answer.purges[0].predecessor == positions[-3].id != start.id

    async def test_the_head_of_a_log_that_is_trimmed_to_nothing_stays(
        self, open_store: OpenStore, losses: Losses
    ) -> None:
        store = open_store()
        head = await store.invalidate(["tag"])
        await losses.trim_log(0)

        assert (await store.look(())).head == head
        assert (await store.follow(head, 0)).head == head
        assert head.is_before(await store.invalidate(["tag"]))

    async def test_an_evicted_watermark_is_missing_until_it_is_made_at_the_head(
        self, open_store: OpenStore, losses: Losses
    ) -> None:
        """1. a load begins at `stamp`  2. a purge of its tag  3. the watermark is evicted
        4. the fill: at its own position the entry would be valid for ever."""
        store = open_store()
        stamp = (await store.look(())).head
        purged = await store.invalidate(["tag"])
        await losses.evict_watermark("tag")
        assert (await store.look(["tag"])).watermarks == {"tag": None}

        await store.remember({"tag": 60.0})

        assert (await store.look(["tag"])).watermarks == {"tag": purged}
        assert stamp.is_before(purged)
