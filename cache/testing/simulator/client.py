"""A client: it echoes the token of every answer, at whichever worker, and remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .knowledge import Floor, raised

if TYPE_CHECKING:
    from .request import Request
    from .world import World


class Client:
    """One browser. `floor` is what it has written, and what those who answered it knew."""

    def __init__(self, world: World, name: str, viewer: str, *, echoes: bool = True) -> None:
        self.world = world
        self.name = name
        self.viewer = viewer
        self.echoes = echoes
        self.tokens: list[str] = []
        self.floor: Floor = {}
        self.requests = 0
        """Those under way."""

    def answered(self, request: Request) -> None:
        """An answer arrives: what was written is acknowledged, and its token replaces those that
        the request brought."""
        world, worker = self.world, request.worker
        world.acknowledge(request)
        if not self.echoes:
            return
        token = request.session.token
        self.tokens = [old for old in self.tokens if old not in request.brought]
        if token:
            self.tokens.append(token)
        applied = world.knowledge.of(worker.cache.applied)
        self.floor = raised(self.floor, request.own, request.knows, applied)
