"""What a resolver is handed: who asks, and the parts that answer. No framework's types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cache import viewer_was_read
from models.tables import Role
from resolvers.loaders import Loaders

if TYPE_CHECKING:
    from cache import Cache
    from cache.leaderboard import Leaderboards
    from cache.records import Records
    from cache.writes import WriteBehind


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: a user with a role and the digest of their session, or nobody in particular."""

    user_id: int | None = None
    role: Role | None = None
    session: str | None = None

    @property
    def is_staff(self) -> bool:
        """Whether the viewer may see and change what belongs to others."""
        return self.role in (Role.STAFF, Role.ADMIN)

    @property
    def key(self) -> str:
        """What tells apart viewers who may see different things: the identity with its rights."""
        return "anonymous" if self.user_id is None else f"{self.user_id}:{self.role}"


ANONYMOUS = Viewer()


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one running application, made by its composition root."""

    cache: Cache
    records: Records
    views: WriteBehind
    leaderboards: Leaderboards
    currency: str
    """ISO 4217 code of the store's one currency."""


class Context:
    """One request (or one event of a subscription): its viewer, its loaders, the services."""

    def __init__(self, services: Services, viewer: Viewer = ANONYMOUS) -> None:
        self.services = services
        self.loaders = Loaders()
        self._viewer = viewer

    @property
    def viewer(self) -> Viewer:
        """Who asks. Reading it in a load says that the result is this viewer's alone."""
        viewer_was_read()
        return self._viewer

    @property
    def cache(self) -> Cache:
        return self.services.cache

    @property
    def records(self) -> Records:
        return self.services.records

    @property
    def views(self) -> WriteBehind:
        return self.services.views

    @property
    def leaderboards(self) -> Leaderboards:
        return self.services.leaderboards

    @property
    def currency(self) -> str:
        return self.services.currency
