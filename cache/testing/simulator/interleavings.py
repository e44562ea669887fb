"""The interleavings that a random search finds too late, one for each rule that forbids it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .script import FOLLOWING, Script


def w5_used(script: Script) -> None:
    """1. B remembers item 0. 2. It is written at A, whose log and B's have not got there.
    3. Item 2 is loaded at A, behind that purge. 4. A client is served it from A's memory, and is
    told nothing of where it was read. 5. At B it gets the old item 0."""
    script.make_current("A", "B")
    script.ask("anyone", "B", ("item", 0))
    script.ask("c1", "A", ("update", 0))
    script.ask("anyone", "A", ("item", 2))
    script.ask("c0", "A", ("item", 2))
    script.ask("c0", "B", ("item", 0))


def l2_epochs(script: Script) -> None:
    """1. A remembers item 0; it is written at B. 2. The server comes back empty: B begins a new
    epoch, and publishes the write again. 3. A, still in the old epoch, loads a page: in the new
    one, but for item 0, which it remembers. 4. The page looks newer than the purge."""
    script.make_current("A", "B")
    script.ask("anyone", "A", ("item", 0))
    script.ask("anyone", "B", ("update", 0))
    script.wait(0.1)
    script.make_current("A", "B")
    script.ask("anyone", "A", ("item", 0))
    script.ask("anyone", "B", ("update", 0))
    script.fault("restart", True)
    script.until("B", "purges item:0 is served", avoid=("follows",))
    script.open("B", "purges item:0 is served")
    script.ask("anyone", "A", ("page", "A"))
    script.do("settle")


def w1_mark(script: Script) -> None:
    """1. A stays on an old primary; B fills item 0 in the new epoch. 2. A commits, and purges on
    the old primary. 3. It leaves it, and its relay learns the new epoch. 4. The purge's answer
    arrives, and the row is marked as published under the new one: nobody publishes it there."""
    script.make_current("A", "B")
    script.fault("split", "A")
    script.make_current("B")
    script.ask("anyone", "B", ("item", 0))
    script.begin("c0", "A", ("update", 0))
    script.until("A", "purges item:0 is served")
    script.open("A", "purges item:0 is served")
    script.fault("leave", "A")
    script.wait(0.2)
    script.until("A", "asks what waits is served", avoid=("follows", "purges"))
    script.finish("A")
    script.do("settle")


def w1_begun(script: Script) -> None:
    """1. A stays on an old primary; B fills item 0 in the new epoch. 2. B's relay reads the
    outbox, and B stands. 3. A commits, purges on the old primary, and after a minute its relay
    removes the row. 4. B goes on: its relay notes that it looked, before any other look."""
    script.make_current("A", "B")
    script.fault("split", "A")
    script.make_current("B")
    script.ask("anyone", "B", ("item", 0))
    script.wait(0.2)
    script.until("B", "asks what waits gets its answer", avoid=("follows",))
    script.fault("pause", "B")
    script.ask("c0", "A", ("update", 0))
    script.calmly(80)
    script.fault("pause", "B")
    script.until("B", "relay looked gets its answer", avoid=("follows", "relay begins"))
    script.do("settle")


def w1_left(script: Script) -> None:
    """1. A stays on an old primary; B fills item 0 in the new epoch, and its relay looks. 2. A
    commits, and purges on the old primary. 3. B stands for 29 s; its relay sees the row for the
    first time, and leaves it. 4. B stands again; its relay asks for the epoch, and stands until
    A's has removed the row: it finds nothing."""
    script.make_current("A", "B")
    script.fault("split", "A")
    script.make_current("B")
    script.ask("anyone", "B", ("item", 0))
    script.wait(0.2)
    script.until("B", "relay looked gets its answer", avoid=("follows",))
    script.fault("pause", "B")
    script.ask("c0", "A", ("update", 0))
    script.calmly(29)
    script.fault("pause", "B")
    script.until("B", "relay looked is served", avoid=("follows",))
    script.open("B", "relay looked is served")
    script.fault("pause", "B")
    script.calmly(29)
    script.fault("pause", "B")
    script.until("B", "relay begins gets its answer", avoid=("follows",))
    script.fault("pause", "B")
    script.calmly(20)
    script.fault("pause", "B")
    script.until("B", "relay looked gets its answer", avoid=("follows",))
    script.do("settle")


def j5_answer(script: Script) -> None:
    """1. A stays on an old primary; B fills item 0 in the new epoch, which a client sees.
    2. The client writes item 0 at A, and reads there: a position of another epoch, so A drains,
    under the old epoch. 3. A leaves the old primary, and asks for a head: of the new epoch, in
    which nobody has published the write. 4. The client gets the old item 0."""
    script.make_current("A", "B")
    script.fault("split", "A")
    script.make_current("B")
    script.ask("c0", "B", ("item", 0))
    script.ask("c0", "A", ("update", 0))
    script.begin("c0", "A", ("item", 0))
    script.until("A", "looks is served")
    script.fault("leave", "A")
    script.finish("A")


def f2_whole(script: Script) -> None:
    """1. A remembers item 0. 2. It is written, behind purges of something else. 3. A is told one
    purge at a time, and takes each answer for the whole log. 4. More than Δ/2 later it answers
    from memory."""
    script.make_current("A", "B")
    script.ask("anyone", "A", ("item", 0))
    for _ in range(3):
        script.ask("anyone", "B", ("purge", "other"))
    script.ask("anyone", "B", ("update", 0))
    for _ in range(2):
        script.open("A", "follows is served")
        script.wait(0.3)
        script.open("A", "follows gets its answer")
    script.ask("anyone", "A", ("item", 0))


def j3_head(script: Script) -> None:
    """1. B fills item 0; A starts again, so that its log does not reach back so far. 2. A reader
    at A has the server judge item 0. 3. It is written, and A's log gets there. 4. The verdict
    arrives: it holds as of the head that it came with, and not as of what is applied by now."""
    script.make_current("A", "B")
    script.ask("anyone", "B", ("item", 0))
    script.ask("anyone", "B", ("purge", "other"))
    script.fault("crash", "A")
    script.fault("crash", "A")
    script.make_current("A")
    script.begin("anyone", "A", ("item", 0))
    script.until("A", "looks gets its answer")
    script.open("A", "looks gets its answer")
    script.until("A", "looks gets its answer")
    script.ask("c1", "B", ("update", 0))
    script.make_current("A")
    script.finish("A")
    script.do("settle")


def l4_barrier(script: Script) -> None:
    """1. A load of item 0 at A has read it. 2. A client writes it at B, and asks at A, whose log
    has not got there. 3. It waits for a moment, looks, finds nothing, and joins the load."""
    script.make_current("A", "B")
    script.begin("anyone", "A", ("item", 0))
    script.until("A", "reads item:0 gets its answer")
    script.ask("c0", "B", ("update", 0))
    script.begin("c0", "A", ("item", 0))
    script.until("A", "looks gets its answer", avoid=(*FOLLOWING, "reads"))
    script.open("A", "looks gets its answer")
    script.finish("A")


INTERLEAVINGS: Mapping[str, Callable[[Script], None]] = {
    "w5_used": w5_used,
    "l2_epochs": l2_epochs,
    "w1_mark": w1_mark,
    "w1_begun": w1_begun,
    "w1_left": w1_left,
    "j5_answer": j5_answer,
    "f2_whole": f2_whole,
    "j3_head": j3_head,
    "l4_barrier": l4_barrier,
}
