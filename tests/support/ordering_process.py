"""A worker that is killed on its way: `ordering_process.py DATABASE REDIS PREFIX STEP DATA`.

It orders once, with an idempotency key, and sends itself SIGKILL at the step: `STEPS`. DATA is
JSON: the user's number, the product's, the key.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from redis.asyncio import Redis

from cache import Cache
from cache.integrations.tortoise import TortoiseOutbox
from models.database import connect, disconnect
from models.queries import idempotency as queries
from models.tables import Role
from resolvers.context import Viewer
from resolvers.ordering import LineWanted, place_order
from tests.support.store import Worker, context_of

STEPS: dict[str, tuple[Any, str, bool]] = {
    "before the key": (queries, "claim", False),
    "with the key": (queries, "claim", True),
    "with all rows": (TortoiseOutbox, "add", False),
    "with its tags": (TortoiseOutbox, "add", True),
    "with its outcome": (queries, "keep", True),
    "committed": (Cache, "publish", False),
    "published": (Cache, "publish", True),
}
"""Where it is killed: before or after (True) a function."""

COMMITTED = ("committed", "published")


def killed_at(step: str) -> None:
    """Let this process end at the step, with no time for anything."""
    holder, name, after = STEPS[step]
    original: Callable[..., Awaitable[Any]] = getattr(holder, name)

    async def last(*arguments: Any, **named: Any) -> Any:
        if after:
            await original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(holder, name, last)


async def main(database: str, redis_url: str, prefix: str, step: str, data: str) -> None:
    wanted = json.loads(data)
    await connect(database)
    redis = Redis.from_url(redis_url)
    worker = Worker(redis, prefix)
    if step:
        killed_at(step)
    with context_of(worker, Viewer(wanted["user"], Role.CUSTOMER)) as ctx:
        print(await place_order(ctx, [LineWanted(wanted["product"], 1)], wanted["key"]))
    await worker.close()
    await redis.aclose()
    await disconnect()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
