"""A process that is stopped at the worst moment: `outbox_writer.py <driver> <url> <what>`.

- `commit`: commit a write of `product:1` with its outbox row, and never publish it.
- `hold`: as a relay, hold what is unpublished, and never publish it.

It prints a line when it is there, and then waits to be killed.
"""

import asyncio
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.outboxes import DRIVERS


async def main(name: str, url: str, what: str) -> None:
    driver = DRIVERS[name](url)
    await driver.open()
    if what == "commit":
        async with driver.transaction():
            await driver.outbox.add(["product:1"])
        await _wait("committed")
    else:
        async with driver.outbox.unpublished("none", 10) as rows:
            await _wait(f"holding {len(rows)}")


async def _wait(said: str) -> None:
    print(said, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
