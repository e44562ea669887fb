"""A client's idempotency key, as writes take it: the same call again is not done again."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import CacheError


class KeyReusedError(CacheError, ValueError):
    """An idempotency key came with other arguments than the first time. Nothing was done."""


@dataclass(frozen=True, slots=True)
class Once:
    """A client's idempotency key and what it was asked with.

    `key` is part of a key in Redis, or of a row, so digest what clients send: it should be short,
    and tell apart whose it is. `arguments` is a digest too, always of the same length.
    """

    key: str
    arguments: str
