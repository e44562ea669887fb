"""Operations that SQL refuses as long as a test wants, and what becomes of them."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from cache.writes import LAST, Changes, Operation
from models.tables import DeadLetter, Product
from tests.support.write_behind import COUNTED, SteppedProgress, Worker, until


class Refused(Exception):
    """What the tables of a test raise for keys that they refuse."""


class Refusing:
    """Operations that are refused on `keys`; `hook` runs inside of the transaction, before it."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)
        self.hook: Callable[[], Awaitable[object]] | None = None
        self.attempts = 0
        self.views = replace(COUNTED, apply=self._of(COUNTED.apply))
        self.descriptions = Operation(
            name="descriptions", rule=LAST, apply=self._of(_describe), read=_descriptions
        )

    def progress(self) -> SteppedProgress:
        """Views that are refused on these keys."""
        return SteppedProgress(self.views)

    def _of(self, apply: Any) -> Any:
        async def refuses(connection: Any, changes: Changes[Any]) -> Collection[str]:
            self.attempts += 1
            if self.hook is not None:
                await self.hook()
            if refused := sorted(self.keys & changes.keys()):
                raise Refused(f"not {refused[0]}")
            done: Collection[str] = await apply(connection, changes)
            return done

        return refuses


async def _describe(connection: Any, changes: Changes[str]) -> Collection[str]:
    for key, fields in changes.items():
        await Product.filter(id=int(key)).using_db(connection).update(description=fields["value"])
    return ()


async def _descriptions(connection: Any, keys: Sequence[str]) -> Changes[str]:
    wanted = Product.filter(id__in=[int(key) for key in keys]).using_db(connection)
    rows = await wanted.values_list("id", "description")
    return {str(number): {"value": description} for number, description in rows}


async def until_flushed(one: Worker) -> None:
    """Flush until nothing waits, whatever is refused on the way."""

    async def is_flushed() -> bool:
        try:
            await one.flush()
        except Refused:
            return False
        return await one.waiting() == 0

    await until(is_flushed)


async def parked_payloads() -> list[tuple[str, str]]:
    """The keys and payloads of the dead letters, in order."""
    rows = await DeadLetter.all().order_by("id").values_list("key", "payload")
    return [(str(key), str(payload)) for key, payload in rows]
