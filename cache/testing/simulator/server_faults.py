"""What may go wrong with the state server and that of the entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .network import Place, Server

if TYPE_CHECKING:
    from .world import World


class ServerFaults:
    """Losses, restarts, failovers, a split brain."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.replica: Server | None = None
        self._old: Place | None = None
        self._left: list[Place] = []
        """Old primaries, and what was with them."""

    @property
    def are_active(self) -> bool:
        world = self._world
        return world.primary.is_down or world.entries.is_down or self._old is not None

    def heal(self) -> None:
        world = self._world
        world.primary.is_down = world.entries.is_down = False
        for worker in world.workers.values():
            if worker.link.state is self._old:
                worker.link.move(world.primary, world.now)
                worker.link.entries = world.entries
        self._old = None

    def close(self) -> None:
        """Give back every server."""
        self._drop_replica()
        places = [self._world.primary, self._world.entries, *self._left]
        for server in {id(place.server): place.server for place in places}.values():
            server.close()
        self._left = []

    # ---- losses ----

    def evict_entry(self, key: str) -> str | None:
        if key not in self._world.stored_keys:
            return None
        self._world.entries.server.evict(key)
        return f"{key} is evicted"

    def evict_watermark(self, tag: str) -> str | None:
        self._world.primary.server.evict_watermark(tag)
        return f"the watermark of {tag} is evicted"

    def trim(self, keep: int) -> str | None:
        self._world.primary.server.trim(keep)
        return f"the log is trimmed to its last {keep}"

    def lose_log(self) -> str | None:
        self._world.primary.server.lose_log()
        return "the log is evicted"

    # ---- restarts ----

    def restart(self, empty: bool) -> str | None:
        self._world.primary.server.restart(empty=empty)
        return f"the state server comes back {'empty' if empty else 'with its data'}"

    def restart_entries(self) -> str | None:
        if self._world.entries.server is self._world.primary.server:
            return None
        self._world.entries.server.restart(empty=True)
        return "the entries' server comes back empty"

    def server_down(self) -> str | None:
        """Nobody reaches the state server; the next time, everybody can."""
        place = self._world.primary
        place.is_down = not place.is_down
        return "the state server is down" if place.is_down else "the state server is back"

    def server_clock(self, seconds: float) -> str | None:
        self._world.server_offset += seconds
        return f"the servers' clock is set by {seconds:g} s"

    # ---- replicas ----

    def replicate(self) -> str | None:
        """A replica has got everything up to now."""
        server = self._world.primary.server
        self._drop_replica()
        self.replica = server.fork()
        return f"the replica has everything up to {server.position().id}"

    def failover(self) -> str | None:
        """The replica becomes the primary, for everybody at once: what it lacks is lost."""
        if self.replica is None or self._old is not None:
            return None
        server = self._world.primary.server
        server.fail_over(self.replica)
        self._drop_replica()
        return f"failover: the head is {server.position().id} again"

    def split(self, name: str) -> str | None:
        """A replica is promoted; one worker stays on the old primary."""
        world = self._world
        if self._old is not None:
            return None
        self._old = world.primary
        self._left += [world.primary, world.entries]
        promoted = world.primary.server.fork()
        promoted.promote()
        shared = world.entries.server is world.primary.server
        world.primary = Place(promoted)
        if shared:
            world.entries = world.primary
        for worker in world.workers.values():
            if worker.name != name:
                worker.link.move(world.primary, world.now)
                worker.link.entries = world.entries
        return f"a replica is promoted; {name} stays on the old primary"

    def _drop_replica(self) -> None:
        if self.replica is not None:
            self.replica.close()
        self.replica = None

    def leave(self, name: str) -> str | None:
        """A worker leaves the old primary."""
        world = self._world
        link = world.workers[name].link
        if self._old is None or link.state is not self._old:
            return None
        link.move(world.primary, world.now)
        link.entries = world.entries
        self._old = None
        return f"{name} leaves the old primary"
