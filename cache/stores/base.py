"""What the engine asks of a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..protocol import Look, Position


@dataclass(frozen=True, slots=True)
class Fill:
    """An entry to store: its full key, its bytes, its tags, and the seconds that it may live."""

    key: str
    stored: bytes
    tags: frozenset[str]
    lifetime: float


class Store(Protocol):
    """Where entries, watermarks and the log live. Every method may raise `StoreUnavailable`."""

    async def look_up(self, keys: Sequence[str]) -> tuple[Sequence[bytes | None], Look]:
        """The stored bytes of each key, and a look without watermarks: one round trip."""
        ...

    async def look(self, tags: Iterable[str]) -> Look:
        """Epoch, head, time and the watermarks of these tags, in one step."""
        ...

    async def fill(self, fills: Sequence[Fill]) -> None:
        """Store the entries; create watermarks that are missing *at the head* (L3)."""
        ...

    async def invalidate(self, tags: Iterable[str]) -> Position:
        """Append one purge of these tags to the log and raise their watermarks to it (W2)."""
        ...
