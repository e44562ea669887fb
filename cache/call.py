"""One call of a cached function, as the engine sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .codec import encode_value
from .policy import CachePolicy


@dataclass(frozen=True, slots=True)
class Declared:
    """What is the same for every call of a function.

    `decode` makes its result of a stored payload, `result_tags` names what only a result can tell.
    Raises whatever `decode` does for bytes that are no such result.
    """

    name: str
    policy: CachePolicy
    decode: Callable[[bytes], Any]
    result_tags: Callable[[Any], Iterable[str]] | None = None


class Call:
    """A function with its arguments: the key of the entry, how to load it, what it depends on."""

    # Not a frozen dataclass: one is made for every hit in memory, where a microsecond counts.
    __slots__ = ("declared", "key", "load", "policy", "tags")

    def __init__(
        self,
        declared: Declared,
        key: str,
        load: Callable[[], Awaitable[Any]],
        tags: Callable[[], Iterable[str]],
    ) -> None:
        self.declared = declared
        self.policy = declared.policy
        self.key = key
        self.load = load
        self.tags = tags

    @property
    def name(self) -> str:
        return self.declared.name

    async def load_unstored(self) -> Any:
        """Load for the caller alone, and give it what a store would: no way can be told apart."""
        value = await self.load()
        try:
            return self.declared.decode(encode_value(value, self.policy.grain))
        except (TypeError, ValueError):
            return value  # not what is declared: a `Defect` wherever it would be stored
