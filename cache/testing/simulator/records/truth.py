"""What was done to each record, and so what a reader must see: the checks of a world of records.

Sums are of powers of four, one for each operation since the last rest. So every value says by its
digits which operations are in it, and which are in it twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..stepped import Verdict
from .database import PROGRESS, Cell
from .redis_data import RedisData, pair

MOST = 26
"""Operations on one field between two rests: 4 ** 26 is below 2 ** 53, the limit of an amount."""

Place = tuple[str, str]
"""A field of a record: key and field."""


@dataclass(slots=True, eq=False)
class Done:
    """One operation, and what is known of it.

    `order` and `id` are those of its append (`epoch` is the stream's), `applied` whether SQL has
    it, parked or not. `is_doubtful`: it was lost with a server or a database, or is being dropped:
    it may be there or not. `is_gone`: it was dropped. `is_refused`: it was said not to be done.
    """

    number: int
    place: Place
    value: Any
    acknowledged: bool = False
    is_direct: bool = False
    order: int = 0
    epoch: str = ""
    id: str = ""
    applied: bool = False
    is_doubtful: bool = False
    is_gone: bool = False
    is_refused: bool = False

    @property
    def happened(self) -> bool:
        """Whether it is in the stream or in SQL, as far as the world knows."""
        return bool(self.order) or self.applied

    @property
    def is_certain(self) -> bool:
        """Whether it must be there, if it happened."""
        return not self.is_doubtful and not self.is_gone


@dataclass(slots=True)
class Removal:
    """A record's row was deleted: `applied` are the operations that were in it, and `is_told`
    says whether whoever did it was told so."""

    applied: frozenset[int]
    is_told: bool = False


@dataclass(slots=True)
class Demand:
    """What a read that begins now must show: `must` if its worker reaches the server, else what
    SQL has; and of removed records nothing that went with them."""

    must: Mapping[Place, Sequence[Done]]
    in_sql: Mapping[Place, Sequence[Done]]
    removed: Mapping[str, frozenset[int]] = field(default_factory=dict)


class Truth(Verdict):
    """The operations since the last rest. `is_sum`: they are summed up; else the last one wins."""

    def __init__(self, names: Sequence[str], *, is_sum: bool) -> None:
        super().__init__()
        self.names = names
        self.is_sum = is_sum
        self.removals: dict[str, Removal] = {}
        self.losses = 0
        """How often something was lost."""
        self._base: dict[Place, Any] = {}
        self._done: dict[Place, list[Done]] = {}
        self._by_value: dict[tuple[Place, str], Done] = {}
        self._appends = self._numbers = 0

    # ---- what happens ----

    def begin(self, place: Place) -> Done | None:
        """A new operation; None if there were too many."""
        known = self._done.setdefault(place, [])
        if len(known) >= MOST:
            return None
        self._numbers += 1
        value = 4 ** len(known) if self.is_sum else self._numbers
        one = Done(self._numbers, place, value)
        known.append(one)
        self._by_value[(place, str(value))] = one
        return one

    def appended(self, place: Place, payload: str, epoch: str, identifier: str) -> None:
        """The server executed an append."""
        one = self._by_value[(place, payload)]
        if one.order:
            self.violated(f"{shown(one)} was appended twice")
        self._appends += 1
        one.order, one.epoch, one.id = self._appends, epoch, identifier

    def committed(self, writes: Mapping[Cell, Any], rows: Mapping[Cell, Any]) -> None:
        """SQL commits these rows; `rows` are as they were before."""
        if (progress := writes.get(PROGRESS)) is not None:
            self._progressed(progress["stream_epoch"], progress["last_id"])
        for (table, key), row in writes.items():
            if table == "record" and row is None and (table, key) in rows:
                self.removals[key] = Removal(frozenset(self._in_row(key, rows)))
            elif table == "record" and row is not None and self.is_sum:
                self._wrote(key, row)
            elif table == "letter" and row is None:
                letter = rows[(table, key)]
                one = self._by_value.get(((letter["key"], letter["field"]), letter["payload"]))
                if one is not None and ("record", letter["key"]) not in writes:
                    one.is_gone = True

    def _in_row(self, key: str, rows: Mapping[Cell, Any]) -> Iterator[int]:
        """Operations that go with a record's row: what is parked of it stays."""
        letters = [row for (table, _), row in rows.items() if table == "letter"]
        parked = {(row["key"], row["field"], row["payload"]) for row in letters}
        for one in self.all():
            if one.place[0] == key and one.applied and (*one.place, str(one.value)) not in parked:
                yield one.number

    def _progressed(self, epoch: str, last: str) -> None:
        reached = pair(last)
        for one in self.all():
            if one.order and not one.applied and one.epoch == epoch and pair(one.id) <= reached:
                one.applied = True

    def _wrote(self, key: str, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            place = (key, name)
            for one, times in self._digits(place, value - self._base.get(place, 0)):
                if times > 1:
                    self.violated(f"{shown(one)} is in SQL {times} times")
                if times and not one.applied:
                    one.applied = one.is_direct = True

    def lost(self, data: RedisData, stream: str) -> None:
        """The server has other data now: what is neither there nor in SQL is lost."""
        self.losses += 1
        there = {
            (identifier, (entry[1], entry[5]), entry[3])
            for identifier, entry in data.after(stream, "0-0")
        }
        for one in self.all():
            if one.order and not one.applied and (one.id, one.place, str(one.value)) not in there:
                one.is_doubtful = True

    # ---- what must be seen ----

    def demand(self, keys: Sequence[str], *, is_told: bool) -> Demand:
        """Of a read of these keys that begins now. `is_told`: every change past the stream is
        known to the server."""
        must: dict[Place, Sequence[Done]] = {}
        in_sql: dict[Place, Sequence[Done]] = {}
        for place in ((key, name) for key in keys for name in self.names):
            known = self._done.get(place, [])
            due = [one for one in known if is_told or not one.is_direct]
            in_sql[place] = [one for one in due if one.applied]
            must[place] = [one for one in due if one.acknowledged]
        removed = {
            key: it.applied
            for key, it in self.removals.items()
            if it.is_told and is_told and key in keys
        }
        return Demand(must, in_sql, removed)

    def everything(self, keys: Sequence[str]) -> Demand:
        """At rest: all that happened."""
        must = {
            (key, name): [one for one in self._done.get((key, name), []) if one.happened]
            for key in keys
            for name in self.names
        }
        return Demand(must, must, {key: self.removals[key].applied for key in self.removals})

    def check(
        self, said: str, place: Place, value: Any, demand: Demand, *, from_sql: bool = False
    ) -> None:
        """A value that was read."""
        wanted = (demand.in_sql if from_sql else demand.must)[place]
        must = [one for one in wanted if one.is_certain]
        key = place[0]
        if key in self.removals:
            self._check_removed(said, place, value, demand)
        elif self.is_sum:
            self._check_sum(said, place, value - self._base.get(place, 0), must)
        else:
            self._check_last(said, place, value, must)

    def _check_sum(self, said: str, place: Place, sum_of: int, must: Sequence[Done]) -> None:
        if sum_of < 0:
            self.violated(f"{said} lacks what it had at the last rest: {sum_of}")
            return
        counted = {one.number: times for one, times in self._digits(place, sum_of)}
        if sum_of >= 4 ** len(self._done.get(place, [])):
            self.violated(f"{said} holds what was never done: {sum_of} more than at the last rest")
        for one in self._done.get(place, []):
            times = counted.get(one.number, 0)
            if times > 1:
                self.violated(f"{said} holds {shown(one)} {times} times")
            elif times and one.is_refused:
                self.violated(f"{said} holds {shown(one)}, which was said not to be done")
            elif not times and one in must:
                self.violated(f"{said} lacks {shown(one)}")

    def _check_last(self, said: str, place: Place, value: Any, must: Sequence[Done]) -> None:
        order = 0
        if value != self._base.get(place):
            one = self._by_value.get((place, str(value)))
            if one is None or one.is_refused or not one.order:
                self.violated(f"{said} is {value!r}, which was never set")
                return
            order = one.order
        for one in must:
            if one.order > order:
                self.violated(f"{said} is {value!r}, and lacks {shown(one)}, which is later")

    def _check_removed(self, said: str, place: Place, value: Any, demand: Demand) -> None:
        gone = demand.removed.get(place[0])
        if gone is None:
            return
        if not self.is_sum:
            one = self._by_value.get((place, str(value)))
            if value is not None and (one is None or one.number in gone):
                self.violated(f"{said} is {value!r}, and the record is removed")
            return
        base = self._base.get(place, 0)
        if base and value >= base and value >= 4**MOST:
            self.violated(f"{said} is {value}, and the record is removed")
        for one, times in self._digits(place, value):
            if times > 1 or (times and one.number in gone):
                self.violated(f"{said} holds {shown(one)}, and the record is removed")

    def _digits(self, place: Place, sum_of: int) -> Iterator[tuple[Done, int]]:
        for index, one in enumerate(self._done.get(place, [])):
            yield one, sum_of // 4**index % 4

    def all(self) -> Iterator[Done]:
        """Every operation."""
        for known in self._done.values():
            yield from known

    # ---- at rest ----

    def check_rows(self, rows: Mapping[Cell, Any]) -> None:
        """Everything is in SQL: once, and nothing else."""
        for (table, key), row in rows.items():
            if table == "record":
                demand = self.everything([key])
                for name in self.names:
                    self.check(f"SQL's {key}.{name} at rest", (key, name), row[name], demand)

    def rest(self, rows: Mapping[Cell, Any]) -> None:
        """What SQL has is where everything begins from now on."""
        self._done.clear()
        self._by_value.clear()
        self.removals.clear()
        self._base = {
            (key, name): value
            for (table, key), row in rows.items()
            if table == "record"
            for name, value in row.items()
        }

    # ---- copies of the database ----

    def kept(self) -> frozenset[int]:
        """What a copy of the database has."""
        return frozenset(one.number for one in self.all() if one.applied)


def shown(one: Done) -> str:
    """An operation in words."""
    how = "acknowledged" if one.acknowledged else "not acknowledged"
    return f"operation {one.number} on {'.'.join(one.place)} ({one.value}; {how})"
