"""`graphql-transport-ws`: each operation of a WebSocket in a context of its own.

Each message says how much its answer has seen, in `extensions.position`; and what was seen here,
later operations of the same connection see too.
"""

import copy
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

from graphql import GraphQLError
from strawberry.schema.schema import StreamResult
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from cache.integrations.positions import EXTENSION, received
from gql.http.connection import Connection
from gql.http.errors import present
from gql.http.positions import Asking
from gql.schema.context import RequestContext
from models.database import is_unavailable

_said: ContextVar[tuple[str, ...]] = ContextVar("freshql_socket_said", default=())
"""The position tokens of a `subscribe` message: the task that it starts inherits them."""


class OperationHandler(BaseGraphQLTransportWSHandler[Any, None]):
    """Runs each operation of a WebSocket in a context of its own.

    A malformed message closes the socket with 4400, as the protocol wants. An operation that is
    refused before it runs gets its `error` and leaves the others alone.
    """

    context: Any
    """The `Connection`; in the copy that runs an operation, its `RequestContext`."""
    asking: Asking
    """Only in the copy that runs an operation."""

    async def handle_message(self, message: Any) -> None:
        if isinstance(message, dict):
            await super().handle_message(message)  # type: ignore[arg-type]  # checked by it
        else:
            await self.handle_invalid_message("A message must be a JSON object")

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        problem = _problem_of(message)
        if problem is None:
            _said.set(received(None, message["payload"].get("extensions")).tokens)
            await super().handle_subscribe(message)
        else:
            await self.handle_invalid_message(problem)

    async def _send_result_stream(
        self, operation: Operation[Any, None], result_source: StreamResult
    ) -> None:
        try:
            async with aclosing(self._stamped(result_source)) as results:
                await super()._send_result_stream(operation, results)
        except GraphQLError as failure:  # the cache of parsed documents lets it through
            present(failure)
            await operation.send_initial_errors([failure])

    async def _stamped(self, results: StreamResult) -> AsyncGenerator[Any, None]:
        async for result in results:
            token = self.context.ctx.session.token
            if token and isinstance(result, ExecutionResult):
                result.extensions = {**(result.extensions or {}), EXTENSION: token}
                self.asking.answered(token)
            yield result

    async def _handle_pre_execution_error(
        self, operation: Operation[Any, None], result: PreExecutionError
    ) -> None:
        await operation.send_initial_errors(result.errors or [])

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        connection: Connection = self.context
        connection.kept.add(_said.get())
        asking = Asking(connection.kept)
        try:
            async with connection.open(asking.sent) as ctx:
                own = copy.copy(self)  # shares the socket and the table of operations
                own.asking = asking
                own.context = RequestContext(ctx, streams=True, seen=asking.again)
                await super(OperationHandler, own).run_operation(operation)
        except Exception as error:
            if not is_unavailable(error):
                raise
            failure = GraphQLError(str(error), original_error=error)
            present(failure)
            await operation.send_initial_errors([failure])


def _problem_of(message: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a `subscribe` message; None for a right one."""
    payload = message.get("payload")
    if not isinstance(message.get("id"), str) or not isinstance(payload, dict):
        return "subscribe needs an id and a payload"
    if not isinstance(payload.get("query"), str):
        return "payload.query must be a string"
    for name in ("variables", "extensions"):
        if not isinstance(payload.get(name), dict | None):
            return f"payload.{name} must be an object or null"
    if not isinstance(payload.get("operationName"), str | None):
        return "payload.operationName must be a string or null"
    return None
