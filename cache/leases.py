"""Leases: which process loads, while the others wait for what it stores."""

from __future__ import annotations

from typing import Protocol


class Leases(Protocol):
    """Leases on keys, shared by processes. They save work; no promise rests on them.

    `acquire` and `release` may raise `StoreUnavailable`.
    """

    async def acquire(self, key: str, seconds: float) -> str | None:
        """A token for the lease on `key`, which ends by itself; None while somebody has it."""
        ...

    async def release(self, key: str, token: str) -> None:
        """Give the lease back and wake who waits, if `token` still has it."""
        ...

    async def wait(self, key: str, timeout: float) -> bool:  # noqa: ASYNC109 - it ends waiting
        """Wait until the lease is given back, at most `timeout` seconds; whether it was.

        A message that is lost only costs time.
        """
        ...

    async def aclose(self) -> None:
        """Give back what was opened for waiting."""
        ...
