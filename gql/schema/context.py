"""What `info.context` is: the request's own context, and nothing of HTTP."""

from dataclasses import dataclass
from typing import TypeAlias

import strawberry

from resolvers.context import Context


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Carries the resolvers' context to the fields."""

    ctx: Context
    streams: bool = False
    """Whether the transport can send more than one answer."""


Info: TypeAlias = strawberry.Info[RequestContext, None]
"""What a field's resolver is told about the request."""
