"""What every store tells a follower of the log."""

from __future__ import annotations

import asyncio

import pytest

from ..protocol import Followed, Position
from ..stores.base import Store
from .contract_entries import OpenStore


@pytest.mark.asyncio
class FollowingContract:
    """`State.follow`: F1 and F2 of the protocol."""

    async def test_without_a_position_it_tells_the_head_alone(self, open_store: OpenStore) -> None:
        store = open_store()
        head = await store.invalidate(["a"])

        answer = await store.follow(None, 0)

        assert answer.head == head
        assert list(answer.purges) == []
        assert abs(answer.now - (await store.look(())).now) < 60

    async def test_each_purge_names_the_one_before_it(self, open_store: OpenStore) -> None:
        store = open_store()
        start = (await store.follow(None, 0)).head
        positions = [await store.invalidate([f"tag {n}", "all"]) for n in range(5)]

        answer = await open_store().follow(start, 0)

        ids = [start.id, *(position.id for position in positions)]
        assert [purge.id for purge in answer.purges] == ids[1:]
        assert [purge.predecessor for purge in answer.purges] == ids[:-1]
        assert [set(purge.tags) for purge in answer.purges] == [
            {f"tag {n}", "all"} for n in range(5)
        ]
        assert answer.head == positions[-1]

    async def test_only_what_is_after_the_position_is_told(self, open_store: OpenStore) -> None:
        store = open_store()
        first = await store.invalidate(["a"])
        second = await store.invalidate(["b"])

        assert [purge.id for purge in (await store.follow(first, 0)).purges] == [second.id]
        assert list((await store.follow(second, 0)).purges) == []

    async def test_in_another_epoch_it_tells_the_head_alone(self, open_store: OpenStore) -> None:
        store = open_store()
        old = (await store.follow(None, 0)).head
        await store.renew()
        head = await store.invalidate(["a"])

        answer = await store.follow(old, 0)

        assert answer.head == head
        assert list(answer.purges) == []

    async def test_a_backlog_comes_in_pieces_without_a_gap(self, open_store: OpenStore) -> None:
        store = open_store()
        applied = (await store.follow(None, 0)).head
        for _ in range(26):
            await asyncio.gather(*(store.invalidate([f"tag {n}"]) for n in range(100)))

        seen = 0
        while (answer := await store.follow(applied, 0)).purges:
            assert answer.purges[0].predecessor == applied.id
            seen += len(answer.purges)
            applied = Position(applied.epoch, answer.purges[-1].id)

        assert seen == 2_600
        assert applied == answer.head == (await store.look(())).head

    async def test_it_does_not_wait_for_no_time(self, open_store: OpenStore) -> None:
        """For Redis a BLOCK of 0 means for ever."""
        store = open_store()
        head = (await store.follow(None, 0)).head
        async with asyncio.timeout(10):
            answers = [await store.follow(head, 0) for _ in range(10)]

        assert [answer.head for answer in answers] == [head] * 10

    async def test_it_waits_for_a_while(self, open_store: OpenStore) -> None:
        store = open_store()
        before = await store.follow(None, 0)
        answer = await store.follow(before.head, 0.2)

        assert answer.head == before.head
        assert answer.now - before.now > 0.1

    async def test_a_purge_wakes_it(self, open_store: OpenStore) -> None:
        store, other = open_store(), open_store()
        head = (await store.follow(None, 0)).head
        waiting = asyncio.create_task(store.follow(head, 60.0))
        await self._until_asked(other)
        position = await other.invalidate(["a"])
        async with asyncio.timeout(20):
            answer = await waiting

        assert answer.head == position
        assert [purge.id for purge in answer.purges] == [position.id]

    async def test_what_came_before_it_waits_is_told_at_once(self, open_store: OpenStore) -> None:
        store = open_store()
        head = (await store.follow(None, 0)).head
        position = await store.invalidate(["a"])
        async with asyncio.timeout(20):
            answer = await store.follow(head, 60.0)

        assert answer.head == position

    async def test_after_waiting_it_tells_of_a_new_epoch(self, open_store: OpenStore) -> None:
        store, other = open_store(), open_store()
        head = (await store.follow(None, 0)).head
        waiting = asyncio.create_task(store.follow(head, 0.3))
        await self._until_asked(other)
        new = await other.renew()

        answer = await waiting

        assert answer.head == new
        assert list(answer.purges) == []

    async def test_a_follower_that_gave_up_may_ask_again(self, open_store: OpenStore) -> None:
        store = open_store()
        head = (await store.follow(None, 0)).head
        for wait in (60.0, 0.0):
            waiting = asyncio.create_task(store.follow(head, wait))
            await self._until_asked(store)
            waiting.cancel()
            await asyncio.wait({waiting})
        position = await store.invalidate(["a"])

        assert (await self._follow(store, head)).head == position

    async def test_waiting_holds_up_nobody(self, open_store: OpenStore) -> None:
        store = open_store()
        head = (await store.follow(None, 0)).head
        waiting = asyncio.create_task(store.follow(head, 60.0))
        async with asyncio.timeout(20):
            for _ in range(20):
                await store.look(["a"])
                await store.get(["a"])

        waiting.cancel()
        await asyncio.wait({waiting})

    async def _until_asked(self, store: Store) -> None:
        # Each of these is an exchange with the server, so the follower's question is there by then,
        # or will find what comes next.
        for _ in range(20):
            await store.look(())

    async def _follow(self, store: Store, after: Position) -> Followed:
        async with asyncio.timeout(20):
            return await store.follow(after, 60.0)
