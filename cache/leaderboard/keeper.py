"""Has missing copies built in the background, and lets submissions wait for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import StoreUnavailable
from ..tasks import end
from ..writes import NotAcknowledged
from .board import Board
from .rebuild import Rebuilder

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient one is; all in seconds."""

    build_again: float = 0.25
    """How long no build is tried after one that did not end in a copy."""
    patience: float = 2.0
    """How long a submission waits for a board's copy."""
    removal: float = 5.0
    """How long a removal waits until the source has it."""
    look_again: float = 0.02
    """How long it waits between two tries while another process builds."""
    clock: Callable[[], float] = time.monotonic


class Keeper:
    """Builds the copies that this process misses, one build of a board at a time."""

    def __init__(self, rebuilder: Rebuilder, timing: Timing) -> None:
        """Build nothing yet: tasks start when something is missing."""
        self._rebuilder = rebuilder
        self._timing = timing
        self._builds: dict[Board, asyncio.Task[LookupError | None]] = {}
        self._not_before: dict[Board, float] = {}

    def missing(self, board: Board) -> None:
        """There is no usable copy: build one, unless a build runs or just failed."""
        is_due = self._not_before.get(board, float("-inf")) <= self._timing.clock()
        if board not in self._builds and is_due:
            task = asyncio.create_task(self._build(board))
            self._builds[board] = task
            task.add_done_callback(lambda _: self._builds.pop(board))

    async def patiently(self, board: Board, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """What `attempt` returns, as soon as it is not None: it needs the board's copy.

        Raises `NotAcknowledged` when there is none for too long, LookupError for a board that the
        source does not have, and what `attempt` raises.
        """
        ends = self._timing.clock() + self._timing.patience
        while (found := await attempt()) is None:
            left = ends - self._timing.clock()
            if left <= 0:
                raise NotAcknowledged(
                    f"the leaderboard {board.key!r} is not in Redis: it is being built from the "
                    "database",
                    sent=False,
                )
            await self._wait(board, left)
        return found

    async def aclose(self) -> None:
        """Stop building."""
        await end(list(self._builds.values()))

    async def _wait(self, board: Board, seconds: float) -> None:
        """Wait for this process's build, or for a moment."""
        self.missing(board)
        build = self._builds.get(board)
        if build is None:
            await asyncio.sleep(min(seconds, self._timing.look_again))
            return
        done, _ = await asyncio.wait([build], timeout=seconds)
        if done and not build.cancelled() and (error := build.result()) is not None:
            raise error

    async def _build(self, board: Board) -> LookupError | None:
        again = self._timing.build_again
        try:
            if await self._rebuilder.build(board):
                again = 0.0
        except StoreUnavailable as error:
            log.debug("leaderboard %s: could not build its copy: %s", board.key, error)
        except LookupError as error:
            return error
        except Exception:
            log.exception("leaderboard %s: could not build its copy; trying again", board.key)
        finally:
            self._not_before[board] = self._timing.clock() + again
        return None
