"""The interleavings of records that are written down: the races of a rebuild, and what a random
search finds too late. R reads at A, F flushes at B."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..script import Steps
from .world import RecordWorld

KEY = "r1"


class RecordScript(Steps):
    """Drives a world of records step by step."""

    def __init__(self, world: RecordWorld) -> None:
        super().__init__(world)
        self.world = world

    def pass_by(self, name: str, step: str) -> None:
        """Let a worker do everything up to this step, and that."""
        self.until(name, f"{step} is served")
        self.open(name, f"{step} is served")

    def add(self, name: str) -> None:
        """An acknowledged operation on the record."""
        self.ask("c0", name, ("add", KEY, "a"))

    def begin_to_read(self, name: str) -> None:
        """A read of a record that is in no live value; up to where it would store one."""
        self.begin("c1", name, ("anew", KEY))
        self.until(name, "runs install is served")


def trim_look(script: RecordScript) -> None:
    """A rebuild beside a trim. 1. An operation is acknowledged. 2. R reads SQL: nothing. 3. F
    commits and trims it. 4. R adds the tail, which is empty."""
    script.add("B")
    script.ask("c1", "A", ("read", "r2"))
    script.begin_to_read("A")
    script.ask("c2", "B", ("flush",))
    script.finish("A")


def one_look(script: RecordScript) -> None:
    """A rebuild beside a flush. 1. R reads SQL's values: nothing. 2. F commits an operation. 3. R
    reads the progress, which is past it. 4. F has not trimmed, and R adds no tail."""
    script.add("B")
    script.ask("c1", "A", ("read", "r2"))
    script.begin("c1", "A", ("anew", KEY))
    script.pass_by("A", "reads values")
    script.begin("c2", "B", ("flush",))
    script.until("B", "runs trim is served")
    script.finish("A")
    script.finish("B")


def compared(script: RecordScript) -> None:
    """A rebuild beside a removal. 1. An operation is in SQL. 2. R reads it. 3. The record is
    removed, and the server is told. 4. R stores what it read; what is read later is that."""
    script.add("B")
    script.ask("c2", "B", ("flush",))
    script.ask("c1", "A", ("read", "r2"))
    script.begin_to_read("A")
    script.ask("c0", "B", ("remove", KEY))
    script.finish("A")
    script.ask("c1", "A", ("read", KEY))


def tail_inside(script: RecordScript) -> None:
    """A rebuild beside an append. 1. R reads SQL and the tail. 2. W appends. 3. R stores."""
    script.add("B")
    script.ask("c1", "A", ("read", "r2"))
    script.begin_to_read("A")
    script.open("A", "runs install is served")
    script.add("B")
    script.finish("A")
    script.ask("c1", "B", ("read", KEY))


def fence_revises(script: RecordScript) -> None:
    """1. A copy of the server is kept. 2. R reads SQL. 3. An operation is acknowledged, and
    committed. 4. The copy comes back: it lacks the operation, and its trim. W opens the stream.
    5. R stores what it read."""
    script.add("B")
    script.ask("c1", "A", ("read", "r2"))
    script.fault("keep")
    script.begin_to_read("A")
    script.add("B")
    script.ask("c2", "B", ("flush",))
    script.fault("come_back_older")
    script.ask("c0", "B", ("read", "r2"))
    script.finish("A")
    script.ask("c1", "A", ("read", KEY))


def same_incarnation(script: RecordScript) -> None:
    """1. An operation waits whose id is an hour ahead. 2. The server restarts; W, at A, sees that
    the stream is closed, and fences SQL. 3. F opens it, too, takes the lease and reads its batch.
    4. The server comes back without the batch, and W opens the stream, as of the restart before. 5.
    W appends, with a lower id. 6. F commits. 7. W's operation is passed over."""
    script.add("A")
    script.fault("keep")
    script.fault("server_clock", 3600.0)
    script.add("A")
    script.fault("restart")
    script.begin("c1", "A", ("add", KEY, "a"))
    script.until("A", "runs reconcile is served")
    script.ask("c2", "B", ("flush",))
    script.begin("c2", "B", ("flush",))
    script.until("B", "runs advance is served")
    script.fault("server_clock", -3600.0)
    script.fault("come_back_older")
    script.finish("A")
    script.finish("B")
    script.do("settle")


def trim_epoch(script: RecordScript) -> None:
    """1. F commits operations, whose ids are an hour ahead, and stands before its trim. 2. The
    server is emptied. W begins another epoch, and appends. 3. F trims it."""
    script.fault("server_clock", 3600.0)
    script.add("B")
    script.begin("c2", "B", ("flush",))
    script.until("B", "runs trim is served")
    script.fault("server_clock", -3600.0)
    script.fault("come_back_empty")
    script.add("A")
    script.finish("B")
    script.do("settle")


INTERLEAVINGS: Mapping[str, Callable[[RecordScript], None]] = {
    each.__name__: each
    for each in (
        trim_look, one_look, compared, tail_inside, fence_revises, same_incarnation, trim_epoch,
    )
}  # fmt: skip
"""By the rule that forbids what they lead to."""
