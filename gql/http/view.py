"""The GraphQL endpoint: `POST /graphql`, and `graphql-transport-ws` on the same path.

Each operation gets a context of its own, authenticated when it begins: on a WebSocket too, where a
session that was logged out in the meantime must not go on speaking for its user.
"""

import json
from datetime import timedelta
from typing import Any, Final

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.schema.base import BaseSchema
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from cache.integrations.positions import received
from gql.http.connection import Connection, Exchange
from gql.http.errors import BAD_USER_INPUT, UNAVAILABLE
from gql.http.limits import MAX_BODY
from gql.http.positions import Kept
from gql.http.socket import OperationHandler
from gql.schema.context import RequestContext
from models.database import is_unavailable
from resolvers.context import Services

INIT_TIMEOUT: Final = timedelta(seconds=10)
"""How long a WebSocket may stay open without `connection_init`."""


class GraphQLView(GraphQL[Any, None]):  # first what a transport knows, then an operation's context
    """The endpoint, as an ASGI application. `GET` is not its business: see `gql.http.graphiql`."""

    graphql_transport_ws_handler_class = OperationHandler

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
        request = Request(scope, _bounded(scope, receive))
        exchange = Exchange(self.services, request)
        try:
            response = await self.run(request, context=exchange)
        except HTTPException as error:
            response = _refusal(error.reason, error.status_code, BAD_USER_INPUT)
        except Exception as error:
            if not is_unavailable(error):
                raise
            message = "A database that this needs is away or too busy. Try again."
            response = _refusal(message, 503, UNAVAILABLE)
        await exchange.answer(response)(scope, receive, send)

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """Return what is known of a WebSocket before an operation begins."""
        kept = Kept(received(request).tokens)
        return Connection(self.services, request.headers.get("authorization"), kept)

    async def execute_operation(  # noqa: PLR0913, PLR0917 - Strawberry's
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: Any,
        context: Exchange,
        root_value: None,
        sub_response: Response,
    ) -> Any:
        """Execute in a context of its own."""
        async with context.open(request_data.extensions) as ctx:
            context.operation = RequestContext(ctx)
            return await super().execute_operation(
                request=request,
                request_adapter=request_adapter,
                request_data=request_data,
                context=context.operation,
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
