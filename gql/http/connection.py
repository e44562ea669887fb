"""What a transport knows before an operation begins, and the context that each operation gets."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from graphql import OperationType
from starlette.requests import Request
from starlette.responses import Response

from cache.integrations.positions import Received, received, send
from gql.http.positions import Kept
from gql.schema.context import RequestContext
from resolvers.context import Context, Services
from resolvers.sessions import authenticate


@asynccontextmanager
async def open_context(
    services: Services, authorization: str | None, tokens: Iterable[str] = ()
) -> AsyncIterator[Context]:
    """Open the context of one operation for whoever sends this `Authorization`.

    `tokens` are position tokens: no read of this operation is behind them. Who asks is such a
    read: after a logout the session is over on every worker that this client asks.
    """
    with Context(services, session=services.cache.session(*tokens)) as ctx:
        ctx.become(await authenticate(ctx, authorization))
        yield ctx


@dataclass(slots=True)
class Connection:
    """One WebSocket; Strawberry sets `connection_params`.

    `kept` has the position tokens that its client has seen here.
    """

    services: Services
    header: str | None
    kept: Kept = field(default_factory=Kept)
    connection_params: Mapping[str, object] = field(default_factory=dict)

    def open(self, tokens: Iterable[str]) -> AbstractAsyncContextManager[Context]:
        """Open the context of one operation, which is not behind these position tokens.

        Who asks is what `connection_init` said, else the header of the handshake.
        """
        said = self.connection_params.get("authorization")
        authorization = said if isinstance(said, str) else self.header
        return open_context(self.services, authorization, tokens)


@dataclass(slots=True)
class Exchange:
    """One HTTP request and its answer."""

    services: Services
    request: Request
    came: Received = field(default_factory=Received)
    operation: RequestContext | None = None
    """The operation's context, once it has one."""

    def open(self, extensions: Mapping[str, object] | None) -> AbstractAsyncContextManager[Context]:
        """Open the context of the request's operation, whose document came with `extensions`."""
        self.came = received(self.request, extensions)
        authorization = self.request.headers.get("authorization")
        return open_context(self.services, authorization, self.came.tokens)

    def answer(self, response: Response) -> Response:
        """Say in an answer how much it has seen, also when the operation failed.

        An answer that was given before there was a context has seen nothing, and says nothing.
        """
        if self.operation is not None:
            wrote = self.operation.kind is OperationType.MUTATION
            send(response, self.operation.ctx.session.token, after=self.came, wrote=wrote)
        return response
