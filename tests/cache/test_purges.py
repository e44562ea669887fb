"""Purges that wait for the store."""

import asyncio

import pytest

from cache.purges import Purges
from tests.support.world import Gate


async def test_an_older_publication_is_not_taken_for_a_newer_purge() -> None:
    """1. purge A failed and waits  2. its retry is sent  3. the row changes again, purge B fails
    4. the retry succeeds: B must still wait, since its write came after."""
    gate = Gate()
    sent: list[frozenset[str]] = []

    async def publish(tags: frozenset[str]) -> bool:
        sent.append(tags)
        if len(sent) == 1:
            await gate()
            return True
        return len(sent) > 2

    purges = Purges(publish)
    purges.keep(frozenset({"row:1"}))
    await gate.reached.wait()
    purges.keep(frozenset({"row:1"}))
    gate.open()
    for _ in range(5):
        await asyncio.sleep(0)

    assert purges.waiting == {"row:1"}
    async with asyncio.timeout(5):
        while purges.waiting:
            await asyncio.sleep(0.01)
    assert sent[2:] == [frozenset({"row:1"})]
    await purges.close()


async def test_a_close_tries_once_more(caplog: pytest.LogCaptureFixture) -> None:
    answers = [False, True]
    sent: list[frozenset[str]] = []

    async def publish(tags: frozenset[str]) -> bool:
        sent.append(tags)
        return answers.pop(0)

    purges = Purges(publish)
    purges.keep(frozenset({"a"}))
    await purges.close()
    assert purges.waiting == {"a"}
    assert "1 tags were changed and could not be purged" in caplog.text
    await purges.close()

    assert not purges.waiting
    assert sent == [frozenset({"a"})] * 2
