"""Look-ups: everything that one tick asks for, in one round trip; then watermarks where needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .batch import TickBatcher, together
from .codec import Codec
from .entry import Entry
from .errors import StoreUnavailable
from .facts import EpochBegun
from .protocol import Look
from .stores.base import Store
from .worker import Worker


@dataclass(frozen=True, slots=True)
class Found:
    """What a key's look-up brought: the entry if there is a readable one, and the look."""

    entry: Entry | None
    look: Look
    unreadable: bool = False


class LookUps:
    """Batches look-ups by tick. Raises `StoreUnavailable` where the store cannot be asked.

    The entries and the look leave in the same tick, so on one server they are one exchange.
    """

    def __init__(self, store: Store, codec: Codec, worker: Worker) -> None:
        self._store = store
        self._codec = codec
        self._worker = worker
        self._entries: TickBatcher[str, Found] = TickBatcher(self._look_up)
        self._marks: TickBatcher[Mapping[str, int], Look] = TickBatcher(self._mark)

    async def find(self, key: str) -> Found:
        """The entry of `key`, and epoch, head and time of a moment after the call (L1)."""
        return await self._entries.submit(key)

    async def watermarks(self, dependencies: Mapping[str, int]) -> Look:
        """The watermarks of these tags (of others too), with the head of the same moment (J3)."""
        return await self._marks.submit(dependencies)

    async def look(self) -> Look:
        """Epoch, head and time now."""
        return await self.watermarks({})

    async def _look_up(self, keys: Sequence[str]) -> Sequence[Found]:
        await self._worker.settle()
        distinct = list(dict.fromkeys(keys))
        stored, look = await together(self._store.get(distinct), self._ask(()))
        found = {
            key: self._read(key, value, look) for key, value in zip(distinct, stored, strict=True)
        }
        return [found[key] for key in keys]

    def _read(self, key: str, stored: bytes | None, look: Look) -> Found:
        if stored is None:
            return Found(None, look)
        entry = self._codec.decode(stored, key)
        return Found(entry, look, unreadable=entry is None)

    async def _mark(self, asked: Sequence[Mapping[str, int]]) -> Sequence[Look]:
        await self._worker.settle()
        look = await self._ask(dict.fromkeys(tag for tags in asked for tag in tags))
        return [look] * len(asked)

    async def _ask(self, tags: Sequence[str] | Mapping[str, None]) -> Look:
        worker = self._worker
        sent, applied = worker.clock.now(), worker.log.position
        look = await self._store.look(tags)
        if worker.rules.f3_behind and applied is not None and look.head.is_before(applied):
            # F3: the log lost what was applied before this was asked. Judge nothing by it.
            head = await self._store.renew(look.head.epoch)
            worker.tell(EpochBegun(head, "the head was behind what is applied"))
            raise StoreUnavailable("the log lost purges that were applied: a new epoch began")
        worker.note(look.head, look.now, sent)
        return look
