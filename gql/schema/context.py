"""What `info.context` is: the request's own context, and nothing of HTTP."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import strawberry
from graphql import OperationType

from resolvers.context import Context


@dataclass(slots=True)
class RequestContext:
    """Carries the resolvers' context to the fields."""

    ctx: Context
    streams: bool = False
    """Whether the transport can send more than one answer."""
    seen: Callable[[], Iterable[str]] = tuple
    """The position tokens that the client has by now, also of its other operations."""
    kind: OperationType | None = None
    """What runs, once it is known to be valid."""

    def begin_event(self) -> None:
        """Make what follows a request of its own: a subscription calls it before each event.

        Its reads are not behind what the client has seen since the event before, and rows that
        loaders remember are read again.
        """
        self.ctx.renew(*self.seen())


Info: TypeAlias = strawberry.Info[RequestContext, None]
"""What a field's resolver is told about the request."""
