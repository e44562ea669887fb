"""The GraphQL endpoint: `POST /graphql`, and `graphql-transport-ws` on the same path.

Each operation gets a context of its own, authenticated when it begins: on a WebSocket too, where a
session that was logged out in the meantime must not go on speaking for its user.
"""

import copy
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.schema.base import BaseSchema
from strawberry.schema.schema import StreamResult
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.types.execution import PreExecutionError

from gql.http.errors import BAD_USER_INPUT, UNAVAILABLE, present
from gql.http.limits import MAX_BODY
from gql.schema.context import RequestContext
from models.database import is_unavailable
from resolvers.context import Context, Services
from resolvers.sessions import authenticate

INIT_TIMEOUT: Final = timedelta(seconds=10)
"""How long a WebSocket may stay open without `connection_init`."""


@asynccontextmanager
async def open_context(services: Services, authorization: str | None) -> AsyncIterator[Context]:
    """Open the context of one operation for whoever sends this `Authorization`."""
    with Context(services) as ctx:
        ctx.become(await authenticate(ctx, authorization))
        yield ctx


@dataclass(slots=True)
class Connection:
    """What a transport knows before an operation begins; Strawberry sets `connection_params`."""

    services: Services
    header: str | None
    connection_params: Mapping[str, object] = field(default_factory=dict)

    def open(self) -> AbstractAsyncContextManager[Context]:
        """Open the context of one operation.

        Who asks is what `connection_init` said, else the header of the request or handshake.
        """
        said = self.connection_params.get("authorization")
        return open_context(self.services, said if isinstance(said, str) else self.header)


class _OperationHandler(BaseGraphQLTransportWSHandler[Any, None]):
    """Runs each operation of a WebSocket in a context of its own.

    A malformed message closes the socket with 4400, as the protocol wants. An operation that is
    refused before it runs gets its `error` and leaves the others alone.
    """

    async def handle_message(self, message: Any) -> None:
        if isinstance(message, dict):
            await super().handle_message(message)  # type: ignore[arg-type]  # checked by it
        else:
            await self.handle_invalid_message("A message must be a JSON object")

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        problem = _problem_of(message)
        if problem is None:
            await super().handle_subscribe(message)
        else:
            await self.handle_invalid_message(problem)

    async def _send_result_stream(
        self, operation: Operation[Any, None], result_source: StreamResult
    ) -> None:
        try:
            await super()._send_result_stream(operation, result_source)
        except GraphQLError as failure:  # the cache of parsed documents lets it through
            present(failure)
            await operation.send_initial_errors([failure])

    async def _handle_pre_execution_error(
        self, operation: Operation[Any, None], result: PreExecutionError
    ) -> None:
        await operation.send_initial_errors(result.errors or [])

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        try:
            async with self.context.open() as ctx:
                own = copy.copy(self)  # shares the socket and the table of operations
                own.context = RequestContext(ctx, streams=True)
                await super(_OperationHandler, own).run_operation(operation)
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
    if not isinstance(payload.get("variables"), dict | None):
        return "payload.variables must be an object or null"
    if not isinstance(payload.get("operationName"), str | None):
        return "payload.operationName must be a string or null"
    return None


class GraphQLView(GraphQL[RequestContext, None]):
    """The endpoint, as an ASGI application. `GET` is not its business: see `gql.http.graphiql`."""

    graphql_transport_ws_handler_class = _OperationHandler

    def __init__(self, schema: BaseSchema, services: Services) -> None:
        """Serve `schema` with `services`."""
        super().__init__(
            schema,
            graphql_ide=None,
            allow_queries_via_get=False,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=INIT_TIMEOUT,
        )
        self.services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one WebSocket."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            response = await self.run(Request(scope, _bounded(scope, receive)))
        except HTTPException as error:
            response = _refusal(error.reason, error.status_code, BAD_USER_INPUT)
        except Exception as error:
            if not is_unavailable(error):
                raise
            message = "A database that this needs is away or too busy. Try again."
            response = _refusal(message, 503, UNAVAILABLE)
        await response(scope, receive, send)

    async def get_context(  # type: ignore[override]  # each operation gets its own, below
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """Return what is known before an operation begins."""
        return Connection(self.services, request.headers.get("authorization"))

    async def execute_operation(  # type: ignore[override]  # noqa: PLR0913, PLR0917 - Strawberry's
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: Any,
        context: Connection,
        root_value: None,
        sub_response: Response,
    ) -> Any:
        """Execute in a context of its own."""
        async with context.open() as ctx:
            return await super().execute_operation(
                request=request,
                request_adapter=request_adapter,
                request_data=request_data,
                context=RequestContext(ctx),
                root_value=root_value,
                sub_response=sub_response,
            )

    def is_request_allowed(self, request: Any) -> bool:
        """Allow POST only."""
        if request.method != "POST":
            raise HTTPException(405, f"GraphQL is asked by POST here; got {request.method}")
        return True

    def parse_json(self, data: str | bytes) -> Any:
        """Return a request's body, which must be one JSON object."""
        parsed = super().parse_json(data)
        if not isinstance(parsed, dict):
            got = type(parsed).__name__
            raise HTTPException(400, f"The body must be one JSON object with a query; got a {got}")
        if not isinstance(parsed.get("operationName"), str | None):
            raise HTTPException(400, "The operationName must be a string or null")
        return parsed

    def decode_json(self, data: str | bytes) -> object:
        """Decode with a bound on size; orjson has one on depth."""
        if len(data) > MAX_BODY:
            raise json.JSONDecodeError(f"longer than {MAX_BODY} bytes", "", 0)
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        """Encode as text: a WebSocket frame of bytes is binary, which browsers do not expect."""
        return orjson.dumps(data).decode()

    def create_response(
        self,
        response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse],
        sub_response: Response,
    ) -> Response:
        """Return the answer as JSON bytes, with what the operation set on `sub_response`."""
        response = Response(
            orjson.dumps(response_data),
            status_code=sub_response.status_code or 200,
            media_type="application/json",
        )
        response.headers.raw.extend(sub_response.headers.raw)
        return response


def _refusal(message: str, status: int, code: str) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    headers = {"Allow": "POST"} if status == 405 else None
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Return `receive` with a bound on the body, announced or not."""
    announced = dict(scope["headers"]).get(b"content-length", b"")
    received = int(announced) if announced.isdigit() and int(announced) > MAX_BODY else 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise HTTPException(413, f"The body may have at most {MAX_BODY} bytes")
        return message

    return bounded
