"""Interleavings that are written down, for what a random search would find too late."""

from __future__ import annotations

from .gates import Gate
from .request import Operation
from .stepped import SteppedWorld
from .world import World

POLL = "timer of 0.125 s"
"""What followers, relays and marks wait for; a reader's waits are others."""

FOLLOWING = ("follows", POLL)
MOST = 500
"""Steps within which anything that a script waits for must happen."""


class Steps:
    """Drives any world step by step; each method returns when what it names has happened."""

    def __init__(self, world: SteppedWorld) -> None:
        self._stepped = world

    def begin(self, client: str, name: str, *operations: Operation) -> None:
        self.do("begin", client, name, *operations)

    def ask(self, client: str, name: str, *operations: Operation) -> None:
        """A request, from beginning to end; the log is not followed meanwhile."""
        self.begin(client, name, *operations)
        self.finish(name)

    def finish(self, name: str) -> None:
        """Let a worker finish what it serves and loads; the log is not followed meanwhile."""
        worker = self._stepped.processes[name]
        for _ in range(MOST):
            if worker.is_quiet:
                return
            self._open_one(name, avoid=FOLLOWING)
        raise AssertionError(f"{name} does not finish: {self._waiting(name)}")

    def until(self, name: str, what: str, avoid: tuple[str, ...] = FOLLOWING) -> None:
        """Let a worker go on until this step is the next one that it waits for."""
        wanted = f"{self._stepped.processes[name].owner} {what}"
        for _ in range(MOST):
            if any(gate.name == wanted for gate in self._gates(name)):
                return
            self._open_one(name, avoid=avoid)
        raise AssertionError(f"{wanted} is never waited for: {self._waiting(name)}")

    def open(self, name: str, what: str) -> None:
        """Let this one step happen."""
        self.do("open", f"{self._stepped.processes[name].owner} {what}", 0)

    def fault(self, name: str, *arguments: object) -> None:
        self.do("fault", name, *arguments)

    def wait(self, seconds: float) -> None:
        self.do("wait", seconds)

    def do(self, *choice: object) -> None:
        if not self._stepped.do(choice):
            raise AssertionError(f"{choice} cannot happen now: {self._waiting()}")

    def _open_one(self, name: str, avoid: tuple[str, ...]) -> None:
        for gate in self._gates(name):
            if self._stepped.can_open(gate) and not any(word in gate.label for word in avoid):
                self.do("open", gate.name, self._stepped.gates.number_of(gate))
                return
        self.wait(0.01)

    def _gates(self, name: str) -> list[Gate]:
        owner = self._stepped.processes[name].owner
        return [gate for gate in self._stepped.gates.pending if gate.owner == owner]

    def _waiting(self, name: str = "") -> list[str]:
        return [gate.name for gate in self._stepped.gates.pending if gate.owner.startswith(name)]


class Script(Steps):
    """The same for a world of caches."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.world = world

    def make_current(self, *names: str) -> None:
        """Let these workers follow the log until they are current, and have nothing to apply."""
        for name in names:
            worker = self.world.workers[name]
            for _ in range(MOST):
                head = self.world.primary.server.position()
                if worker.cache.is_current and worker.cache.applied == head:
                    break
                self._open_one(name, avoid=(POLL,))
            else:
                raise AssertionError(f"{name} does not become current: {self._waiting(name)}")

    def calmly(self, seconds: float) -> None:
        """Let so much time pass, in which nothing is late."""
        world = self.world
        end = world.now + seconds
        while world.now < end:
            ready = world.openable()
            if ready:
                self.do("open", ready[0].name, world.gates.number_of(ready[0]))
            else:
                dues = [gate.due for gate in world.gates.pending if gate.due is not None]
                self.wait(max(0.001, min([*dues, end]) - world.now))
