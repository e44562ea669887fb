"""What every store does with epoch, head and watermarks."""

from __future__ import annotations

import asyncio

import pytest

from ..protocol import Position
from ..stores.base import Store
from .contract_entries import OpenStore
from .waiting import eventually

_LONGEST_EPOCH = 64
"""Characters of an epoch's name that a position token carries."""


@pytest.mark.asyncio
class StateContract:
    """`State` without the follower: W1, W2, L3, J3 and F3 of the protocol."""

    # ---- epoch and head ----

    async def test_the_first_answer_begins_an_epoch(self, open_store: OpenStore) -> None:
        first = await open_store().look(())

        assert 0 < len(first.head.epoch) <= _LONGEST_EPOCH
        assert 0 < first.head.id < 2**53
        assert first.watermarks == {}
        assert (await open_store().look(())).head == first.head

    async def test_workers_that_begin_together_agree(self, open_store: OpenStore) -> None:
        stores = [open_store() for _ in range(8)]

        looks = await asyncio.gather(*(store.look(()) for store in stores))

        assert len({look.head for look in looks}) == 1

    async def test_time_goes_on(self, open_store: OpenStore) -> None:
        store = open_store()
        before = (await store.look(())).now

        async def is_later() -> bool:
            return before < (await store.look(())).now < before + 60

        await eventually(is_later)

    # ---- purges ----

    async def test_a_purge_is_the_head_and_its_tags_watermark(self, open_store: OpenStore) -> None:
        store = open_store()
        start = (await store.look(())).head
        first = await store.invalidate(["a", "b"])
        second = await store.invalidate(["b", "c", "c"])

        look = await open_store().look(["a", "b", "c", "d"])

        assert start.is_before(first)
        assert first.is_before(second)
        assert look.head == second
        assert look.watermarks == {"a": first, "b": second, "c": second, "d": None}

    async def test_a_purge_may_come_first(self, open_store: OpenStore) -> None:
        position = await open_store().invalidate(["a"])

        look = await open_store().look(["a"])

        assert look.head == position
        assert look.watermarks == {"a": position}

    async def test_a_purge_of_nothing_is_a_purge(self, open_store: OpenStore) -> None:
        store = open_store()
        before = (await store.look(())).head

        assert before.is_before(await store.invalidate([]))

    async def test_no_two_purges_have_the_same_position(self, open_store: OpenStore) -> None:
        stores = [open_store() for _ in range(4)]

        positions = await asyncio.gather(
            *(store.invalidate([f"tag {n}"]) for n in range(100) for store in stores)
        )

        assert len(set(positions)) == 400
        assert len({position.epoch for position in positions}) == 1
        head = (await stores[0].look(())).head
        assert head == max(positions, key=lambda position: position.id)

    async def test_tags_may_be_of_any_characters(self, open_store: OpenStore) -> None:
        tags = ["product:42", "sku:{x}", "näme \n", '"quoted"', "t" * 1_000]
        store = open_store()
        position = await store.invalidate(tags)

        assert (await store.look(tags)).watermarks == dict.fromkeys(tags, position)

    # ---- watermarks ----

    async def test_a_missing_watermark_is_created_at_the_head(self, open_store: OpenStore) -> None:
        """L3. At the entry's own position it would forget a purge that was evicted."""
        store = open_store()
        head = await store.invalidate(["other"])
        await store.remember({"a": 60.0, "b": 60.0})

        assert (await store.look(["a", "b"])).watermarks == {"a": head, "b": head}

    async def test_a_watermark_that_is_there_stays(self, open_store: OpenStore) -> None:
        store = open_store()
        purged = await store.invalidate(["a"])
        await store.invalidate(["other"])
        await store.remember({"a": 60.0})

        assert (await store.look(["a"])).watermarks == {"a": purged}

    async def test_nothing_may_be_remembered(self, open_store: OpenStore) -> None:
        await open_store().remember({})

    async def test_a_lifetime_is_raised(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.remember({"a": 0.2, "witness": 0.2})
        await store.remember({"a": 60.0})

        await self._until_gone(store, "witness")
        assert (await store.look(["a"])).watermarks["a"] is not None

    async def test_a_lifetime_is_never_lowered(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.remember({"a": 60.0})
        await store.invalidate(["b"])
        await store.remember({"a": 0.05, "b": 0.05, "witness": 0.05})

        await self._until_gone(store, "witness")
        marks = (await store.look(["a", "b"])).watermarks
        assert None not in marks.values()

    async def test_a_watermark_of_another_epoch_is_made_anew(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.invalidate(["a"])
        head = await store.renew()
        await store.remember({"a": 60.0})

        assert (await store.look(["a"])).watermarks == {"a": head}

    # ---- new epochs ----

    async def test_a_new_epoch_begins_with_a_log_of_its_own(self, open_store: OpenStore) -> None:
        store = open_store()
        old = await store.invalidate(["a"])
        new = await store.renew()
        look = await open_store().look(["a"])

        assert new.epoch != old.epoch
        assert look.head == new
        mark = look.watermarks["a"]
        assert mark is None or mark.epoch == old.epoch
        assert new.is_before(await store.invalidate(["a"]))

    async def test_an_epoch_is_renewed_only_if_it_is_the_expected(
        self, open_store: OpenStore
    ) -> None:
        store = open_store()
        old = (await store.look(())).head
        new = await store.renew(old.epoch)

        assert new.epoch != old.epoch
        assert await store.renew(old.epoch) == new
        assert (await store.look(())).head == new

    async def test_of_many_that_renew_one_does(self, open_store: OpenStore) -> None:
        stores = [open_store() for _ in range(8)]
        old = (await stores[0].look(())).head

        heads = await asyncio.gather(*(store.renew(old.epoch) for store in stores))

        assert len(set(heads)) == 1
        assert heads[0].epoch != old.epoch

    # ---- relays ----

    async def test_a_young_epoch_needs_no_relay_yet(self, open_store: OpenStore) -> None:
        store = open_store()
        head = (await store.look(())).head

        assert (await store.relay_begins(60.0)).head == head
        assert (await open_store().relay_begins(60.0)).head == head

    async def test_a_relay_is_told_the_servers_time(self, open_store: OpenStore) -> None:
        store = open_store()
        before = (await store.look(())).now
        begun = await store.relay_begins(60.0)

        assert before <= begun.now <= (await store.look(())).now

    async def test_when_no_relay_looked_for_long_a_new_epoch_begins(
        self, open_store: OpenStore
    ) -> None:
        store = open_store()
        old = (await store.relay_begins(60.0)).head
        await self._pass(store, 0.2)

        new = (await store.relay_begins(0.1)).head

        assert new.epoch != old.epoch
        assert (await store.look(())).head == new
        assert (await open_store().relay_begins(60.0)).head == new

    async def test_a_relay_that_looked_keeps_the_epoch(self, open_store: OpenStore) -> None:
        store = open_store()
        head = (await store.look(())).head
        await self._pass(store, 1.1)
        begun = await store.relay_begins(60.0)
        await store.relay_looked(head.epoch, begun.now)

        assert (await open_store().relay_begins(1.0)).head == head

    async def test_a_look_is_as_old_as_its_begin(self, open_store: OpenStore) -> None:
        store = open_store()
        begun = await store.relay_begins(60.0)
        await self._pass(store, 0.2)
        await store.relay_looked(begun.head.epoch, begun.now)

        assert (await store.relay_begins(0.1)).head.epoch != begun.head.epoch

    async def test_a_newer_look_stays(self, open_store: OpenStore) -> None:
        """One that was stopped in between does not make another's look older."""
        store = open_store()
        old = await store.relay_begins(60.0)
        await self._pass(store, 1.1)
        new = await store.relay_begins(60.0)
        await store.relay_looked(new.head.epoch, new.now)
        await store.relay_looked(old.head.epoch, old.now)

        assert (await store.relay_begins(1.0)).head == new.head

    async def test_a_look_of_the_future_does_not_stay(self, open_store: OpenStore) -> None:
        """The server's clock was set back: it would hide that nobody looks any more."""
        store = open_store()
        begun = await store.relay_begins(60.0)
        await store.relay_looked(begun.head.epoch, begun.now + 0.5)
        await store.relay_looked(begun.head.epoch, begun.now)
        await self._pass(store, 1.1)

        assert (await store.relay_begins(1.0)).head.epoch != begun.head.epoch

    async def test_who_looked_in_another_epoch_did_not(self, open_store: OpenStore) -> None:
        store = open_store()
        old = await store.relay_begins(60.0)
        new = await store.renew()
        await self._pass(store, 0.2)
        await store.relay_looked(old.head.epoch, (await store.look(())).now)

        assert (await store.relay_begins(0.1)).head.epoch != new.epoch

    async def test_relays_that_come_late_together_begin_one_epoch(
        self, open_store: OpenStore
    ) -> None:
        stores = [open_store() for _ in range(8)]
        old = (await stores[0].relay_begins(60.0)).head
        await self._pass(stores[0], 1.1)

        looks = await asyncio.gather(*(store.relay_begins(1.0) for store in stores))

        heads = [look.head for look in looks]
        assert len(set(heads)) == 1
        assert heads[0].epoch != old.epoch

    # ---- lifecycle ----

    async def test_it_may_be_closed_twice(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.follow(None, 0)
        await store.aclose()
        await store.aclose()

    async def _pass(self, store: Store, seconds: float) -> None:
        """Wait until so many seconds have passed by the server's clock."""
        ends = (await store.look(())).now + seconds

        async def is_over() -> bool:
            return (await store.look(())).now > ends

        await eventually(is_over)

    async def _until_gone(self, store: Store, tag: str) -> None:
        async def is_gone() -> bool:
            mark: Position | None = (await store.look([tag])).watermarks[tag]
            return mark is None

        await eventually(is_gone)
