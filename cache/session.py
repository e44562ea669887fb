"""What a request brings, and what its answer takes along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .protocol import Barrier, Token

if TYPE_CHECKING:
    from .engine import Cache


@dataclass(frozen=True, slots=True)
class Session:
    """One request, or one connection: what its reads must not be behind, and what it has seen."""

    cache: Cache
    barrier: Barrier

    @property
    def token(self) -> str:
        """W5: the position token of an answer that is given now; opaque, for the client to echo."""
        token = self.barrier.answer
        if self.cache.rules.w5_applied:
            token = token.merged(Token.at(self.cache.applied))
        return token.encode()

    async def repeats(self, identifier: str) -> None:
        """W6: what this request was to do was done before, with the outbox row `identifier`.

        Call it before anything of the answer is read: whoever did it may have been another worker,
        that committed and has not published yet. Raises the outbox's errors.
        """
        if self.cache.rules.w6_replay:
            self.barrier.add_outbox(identifier)
            await self.cache.resolve(self.barrier)

    @property
    def is_unpublished(self) -> bool:
        """Whether this request made a write whose purge is not published."""
        return bool(self.barrier.token.outbox)
