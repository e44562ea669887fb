"""As much of Redis as the scripts of a write-behind use: streams, hashes, strings that expire."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

Id = tuple[int, int]
"""Of a stream's entry: milliseconds, and a number among those of one of them."""


@dataclass(slots=True)
class Stream:
    """Entries in the order of their ids."""

    entries: dict[Id, tuple[str, ...]] = field(default_factory=dict)
    last: Id = (0, 0)


Kept = Stream | dict[str, str] | str


class RedisData:
    """What a server holds. `now` is its clock, in seconds (Unix).

    Values are text, as nothing here is anything else.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[str, Kept] = {}
        self._ends: dict[str, float] = {}

    def copy(self) -> RedisData:
        """The same by itself."""
        other = RedisData(self._now)
        for key, kept in self._kept.items():
            other._kept[key] = (
                Stream(dict(kept.entries), kept.last)
                if isinstance(kept, Stream)
                else dict(kept)
                if isinstance(kept, dict)
                else kept
            )
        other._ends = dict(self._ends)
        return other

    # ---- keys ----

    def milliseconds(self) -> int:
        """The server's clock."""
        return int(self._now() * 1000 + 1e-3)

    def exists(self, key: str) -> bool:
        return self._get(key) is not None

    def delete(self, key: str) -> bool:
        """Remove a key; whether there was one."""
        self._ends.pop(key, None)
        return self._kept.pop(key, None) is not None

    def expire(self, key: str, milliseconds: int) -> None:
        if self.exists(key):
            self._ends[key] = self.milliseconds() + milliseconds

    def expiring(self) -> list[str]:
        """The keys that will expire."""
        return [key for key in list(self._ends) if self.exists(key)]

    def _get(self, key: str) -> Kept | None:
        if key in self._ends and self._ends[key] <= self.milliseconds():
            self.delete(key)
        return self._kept.get(key)

    # ---- strings and hashes ----

    def get(self, key: str) -> str | None:
        kept = self._get(key)
        return kept if isinstance(kept, str) else None

    def set(self, key: str, value: str) -> None:
        self._ends.pop(key, None)
        self._kept[key] = value

    def hash(self, key: str) -> dict[str, str]:
        """A hash to read; what is set here is not kept where there was none."""
        kept = self._get(key)
        return kept if isinstance(kept, dict) else {}

    def hset(self, key: str, name: str, value: str) -> None:
        kept = self._get(key)
        if not isinstance(kept, dict):
            kept = self._kept[key] = {}
        kept[name] = value

    def hincrby(self, key: str, name: str, amount: int) -> int:
        value = int(self.hash(key).get(name, "0")) + amount
        self.hset(key, name, str(value))
        return value

    # ---- streams ----

    def stream(self, key: str) -> Stream | None:
        kept = self._get(key)
        return kept if isinstance(kept, Stream) else None

    def xadd(self, key: str, said: Sequence[str]) -> str:
        """Append under the next id, which is never smaller than the last one."""
        stream = self.stream(key)
        if stream is None:
            stream = self._kept[key] = Stream()
        now = self.milliseconds()
        last = stream.last
        stream.last = (now, 0) if now > last[0] else (last[0], last[1] + 1)
        stream.entries[stream.last] = tuple(said)
        return shown(stream.last)

    def begin_stream(self, key: str) -> None:
        """What XADD 0-1 and XDEL of it leave."""
        self._kept[key] = Stream(last=(0, 1))

    def after(self, key: str, start: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The entries behind an id, in order."""
        stream, first = self.stream(key), pair(start)
        for identifier, said in list(stream.entries.items()) if stream else []:
            if identifier > first:
                yield shown(identifier), said

    def xlen(self, key: str) -> int:
        stream = self.stream(key)
        return len(stream.entries) if stream else 0

    def trim_before(self, key: str, least: str) -> int:
        """Remove the entries of smaller ids; returns how many there were."""
        stream, first = self.stream(key), pair(least)
        gone = [each for each in stream.entries if each < first] if stream else []
        for each in gone:
            assert stream is not None  # noqa: S101 - gone is empty without
            del stream.entries[each]
        return len(gone)


def pair(text: str) -> Id:
    """The two numbers of an id."""
    time, _, number = text.partition("-")
    return int(time), int(number)


def shown(identifier: Id) -> str:
    """The id as Redis writes it."""
    return f"{identifier[0]}-{identifier[1]}"
