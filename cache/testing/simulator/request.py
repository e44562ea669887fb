"""A client's request: reads and writes at one worker, one after the other, with one session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ...context import bypass
from ...errors import StoreUnavailable
from ...facts import Fact, StaleServed, Why
from ...protocol import Position
from .application import FUNCTIONS, LEAVES, OF_ITEMS, Context, Seen
from .database import Part, Transaction, Written, item_of, list_of, orders_of, tag_of
from .knowledge import Floor, raised
from .outbox import open_transaction

if TYPE_CHECKING:
    from .client import Client
    from .worker import SimulatedWorker
    from .world import World

Operation = tuple[Any, ...]
"""A name and its arguments: `("item", 1)`, `("update", 1)`, `("move", 1, "A")`."""

current: ContextVar[Request | None] = ContextVar("current", default=None)


class Request:
    """What one request did, and must have seen."""

    def __init__(
        self, world: World, client: Client, worker: SimulatedWorker, operations: Sequence[Operation]
    ) -> None:
        self.world = world
        self.client = client
        self.worker = worker
        self.operations = operations
        self.arrived = world.now
        self.session = worker.cache.session(*client.tokens)
        self.brought = tuple(client.tokens)
        self.own: Floor = {}
        """What it wrote itself, published or not."""
        self.written: list[Written] = []
        self.knows: Floor = {}
        """What those who answered it knew."""
        self.floors = world.checker.floors(self)
        self.commits = len(world.database.commits)
        self.is_excused = False
        """Whether it was told that what it got is stale because the database is down."""
        self.context = Context(world.database, worker.owner, world.loads)
        self.task: asyncio.Task[None]
        self.name = f"{client.name} at {worker.owner}"

    async def run(self) -> None:
        current.set(self)
        with self.worker.cache.activate(self.client.viewer, self.session):
            for operation in self.operations:
                try:
                    await self._perform(*operation)
                except OSError as error:
                    self.world.note(f"{self.name}: {operation} fails: {error}")
                    self.world.checker.failed(self, operation, error)
        self.client.answered(self)

    async def _perform(self, name: str, *arguments: Any) -> None:
        if name == "together":
            await asyncio.gather(*(self._perform(*operation) for operation in arguments))
        elif name in FUNCTIONS:
            await self._read(name, arguments)
        else:
            await Writes(self).perform(name, arguments)

    async def _read(self, name: str, arguments: tuple[Any, ...]) -> None:
        demands = self.world.checker.when_it_begins(self, name)
        self.is_excused = False
        try:
            value: Seen | None = await FUNCTIONS[name](self.context, *arguments)
        except StoreUnavailable as error:
            # With a rule off the engine may ask where it must not: that is not what is looked for.
            if self.world.scenario.is_whole:
                self.world.checker.fail(
                    self, f"{name}{arguments} fails for want of a store: {error}"
                )
            return
        self.world.checker.answered(self, (name, *arguments), value, demands)
        if value is not None and name in LEAVES:
            self.knows = raised(self.knows, self.world.knowledge.of(self.world.loads[value.load]))

    def told(self, fact: Fact) -> None:
        """A fact that the engine told while it served this request."""
        if isinstance(fact, StaleServed) and fact.why is Why.ERROR:
            self.is_excused = True

    def looked(self, head: Position) -> None:
        """One of its own look-ups brought this head."""
        self.knows = raised(self.knows, self.world.knowledge.of(head))

    @property
    def looks_alone(self) -> bool:
        """Whether every look-up of its worker is its own, and none of them only asks what became
        of an outbox id."""
        return (
            len(self.operations) == 1
            and not self.session.barrier.token.outbox
            and self.operations[0][0] in LEAVES
            and self.worker.running == {self}
            and not self.worker.has_flights
        )


class Writes:
    """The application's writes: W1 to W4 and W6 as it has to keep them."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._world = request.world
        self._cache = request.worker.cache
        self._broken = request.world.scenario.broken

    async def perform(self, name: str, arguments: Sequence[Any]) -> None:
        if name == "purge":
            await self._cache.invalidate(arguments)
        elif name == "namespace":
            await self._cache.invalidate_namespace(arguments[0])
        elif name == "replay":
            await self._replay()
        elif name == "order":
            await self._order(*arguments)
        else:
            await self._change(name, *arguments)

    async def _change(self, name: str, number: int, category: str | None = None) -> None:
        """`update`, `move`, `remove` and `undo` (which rolls back) of one item.

        An item that is not there is made.
        """
        cell = item_of(number)

        async def change(transaction: Transaction) -> set[str]:
            old = await self._locked(transaction, cell)
            first = self._world.scenario.categories[0]
            new = {"move": category, "remove": None}.get(name, old.value or first)
            if name == "move" and new is None:
                new = first
            transaction.values[cell] = new
            if name == "undo":
                await self._peek(transaction, number)
            places = {place for place in (old.value, new) if place is not None}
            if old.value == new or "w3_tags" in self._broken:
                places = set()
            return {tag_of(cell), *(tag_of(list_of(place)) for place in places)}

        await self._write(change, commits=name != "undo")

    async def _order(self, number: int) -> None:
        """An order counts for its viewer, and changes the item's stock: two cells, two tags."""
        orders, cell = orders_of(self._request.client.viewer), item_of(number)

        async def change(transaction: Transaction) -> set[str]:
            row = await self._locked(transaction, cell)
            count = await self._locked(transaction, orders)
            transaction.values[orders] = str(int(count.value or "0") + 1)
            if row.value is not None:
                transaction.values[cell] = row.value
            return {tag_of(name) for name in transaction.values}

        await self._write(change)

    async def _locked(self, transaction: Transaction, cell: str) -> Part:
        """W3: what chooses tags is read under the lock that is held until the commit."""
        if "w3_lock" not in self._broken:
            return await transaction.lock(cell)
        part = await transaction.read(cell)
        await transaction.lock(cell)
        return part

    async def _peek(self, transaction: Transaction, number: int) -> None:
        """A resolver that reads in its transaction what it wrote (L0)."""
        context = Context(
            self._world.database, self._request.worker.owner, self._world.loads, transaction
        )
        await OF_ITEMS["item"](context, number)

    async def _write(self, change: Callable[[Transaction], Any], *, commits: bool = True) -> None:
        transaction = Transaction(self._world.database, self._request.worker.owner)
        token = open_transaction.set(transaction)
        try:
            with bypass():
                tags = await change(transaction)
                keeps = self._cache.rules.w1_outbox
                identifier = await self._request.worker.outbox.add(tags)
                if not keeps:
                    transaction.outbox = {}
                if not commits:
                    return
                written = await transaction.commit()
        finally:
            transaction.rollback()
            open_transaction.reset(token)
        await self._committed(identifier, tags, written)

    async def _committed(self, identifier: str, tags: set[str], written: Written) -> None:
        request = self._request
        self._world.replays.append((identifier, written))
        if self._cache.rules.w1_outbox:
            await self._cache.publish(identifier, tags)
        else:
            await self._cache.invalidate(tags)
        self._world.wrote(written)
        request.context.loader.clear()
        if "w4_reload" in self._broken:
            await self._store_what_it_holds(written)
        request.written.append(written)
        request.own = raised(request.own, dict.fromkeys(written.cells, written.version))

    async def _store_what_it_holds(self, written: Written) -> None:
        """W4 broken: what the writer holds in memory becomes the entry, with a new position."""
        history = self._world.database.history
        for cell in written.cells:
            part = next(part for part in history[cell] if part.version == written.version)
            if cell.startswith("item:"):
                self._request.context.memory = {cell: part}
                await OF_ITEMS["item"](self._request.context, int(cell.partition(":")[2]))
        self._request.context.memory = {}

    async def _replay(self) -> None:
        """W6: a repeated mutation answers for the first one, which is committed."""
        if not self._world.replays:
            return
        identifier, written = self._world.replays[-1]
        await self._request.session.repeats(identifier)
        self._request.context.loader.clear()
        self._request.written.append(written)
        self._request.own = raised(self._request.own, dict.fromkeys(written.cells, written.version))
