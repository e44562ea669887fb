"""Small work that a request starts and does not wait for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context

_log = logging.getLogger(__name__)


class Background:
    """Tasks by name, at most one of each name at a time; the application waits for them at its end.

    They run in an empty context: without the transaction, the viewer or the scope of whoever
    started them. An error is logged, as nobody is there to hear it.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` soon, unless one of this name runs."""
        if name in self._tasks:
            return
        loop = asyncio.get_running_loop()
        task = loop.create_task(_logged(name, work), context=Context())
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name))

    async def close(self) -> None:
        """Wait until nothing runs."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))


async def _logged(name: str, work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:  # noqa: BLE001 - as the docstring of the class says
        _log.exception("%s failed in the background", name)
