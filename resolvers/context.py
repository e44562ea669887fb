"""What a resolver is handed: who asks, and the parts that answer. No framework's types."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from cache import current_viewer, viewer_was_read
from models.tables import Role
from resolvers.background import Background
from resolvers.loaders import Loaders

if TYPE_CHECKING:
    from types import TracebackType

    from cache import Cache, Session
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

    def may_see(self, user_id: int) -> bool:
        """Whether the viewer may see the private data of this user."""
        return self.is_staff or (self.user_id is not None and self.user_id == user_id)


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
    background: Background = field(default_factory=Background)


class Context:
    """One request (or one event of a subscription): its viewer, its loaders, the services.

    `with context:` makes its cache and its viewer those of the cached functions called inside.
    `session` is what the client has seen, and what its answer will say: position tokens.
    """

    def __init__(
        self, services: Services, viewer: Viewer = ANONYMOUS, session: Session | None = None
    ) -> None:
        self.services = services
        self.loaders = Loaders()
        self.session = session or services.cache.session()
        self._viewer = viewer
        self._viewers = {viewer.key: viewer}
        self._scopes = ExitStack()

    def __enter__(self) -> Self:
        self._activate()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scopes.close()

    def become(self, viewer: Viewer) -> None:
        """Serve `viewer` from now on: after a login or a logout inside the request.

        Call it in the task that entered the context. What was read for the other viewer is
        forgotten.
        """
        self._viewer = viewer
        self._viewers[viewer.key] = viewer
        self._activate()
        self.loaders.clear()

    def renew(self, *tokens: str) -> None:
        """Begin another request of the same viewer, who has seen these position tokens.

        For an operation that outlives a request, before each of its answers. Call it in the task
        that entered the context.
        """
        self.session = self.cache.session(*tokens)
        self._activate()
        self.loaders.clear()

    def _activate(self) -> None:
        self._scopes.close()
        self._scopes.enter_context(self.cache.activate(self._viewer.key, self.session))

    @property
    def viewer(self) -> Viewer:
        """Who asks. Reading it in a load says that the result is this viewer's alone.

        It is the viewer of the running task's scope, whose name is in the keys of private entries:
        a load that began before a login in the same request goes on for whom it began.
        """
        viewer_was_read()
        return self._viewers[current_viewer()]

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
