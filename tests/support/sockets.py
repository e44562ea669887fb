"""A WebSocket to the GraphQL view, without a network between."""

import asyncio
import json
from typing import Any, Self

from starlette.types import ASGIApp, Message

DEADLINE = 10.0


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Socket:
    """One connection, as `async with`; messages are dictionaries."""

    def __init__(
        self, app: ASGIApp, headers: dict[str, str] | None = None, protocol: str | None = None
    ) -> None:
        self._app = app
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        self._scope = {
            "type": "websocket",
            "path": "/graphql",
            "headers": [(b"host", b"store"), *raw],
            "query_string": b"",
            "subprotocols": [protocol or "graphql-transport-ws"],
        }

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._app(self._scope, self._incoming.get, self._send))
        await self._incoming.put({"type": "websocket.connect"})
        self.accepted = await asyncio.wait_for(self._outgoing.get(), DEADLINE)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._incoming.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._task, DEADLINE)

    async def _send(self, message: Message) -> None:
        await self._outgoing.put(message)

    async def tell(self, message: dict[str, Any] | str) -> None:
        """Send a message, or text as it is."""
        text = message if isinstance(message, str) else json.dumps(message)
        await self._incoming.put({"type": "websocket.receive", "text": text})

    async def hear(self) -> dict[str, Any]:
        """The next message; it must be text. Raises Closed."""
        message = await asyncio.wait_for(self._outgoing.get(), DEADLINE)
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message.get("reason", ""))
        heard: dict[str, Any] = json.loads(message["text"])
        return heard

    async def begin(self, **payload: Any) -> None:
        """`connection_init`, acknowledged."""
        await self.tell({"type": "connection_init", "payload": payload})
        assert await self.hear() == {"type": "connection_ack"}

    async def ask(self, query: str, name: str = "1", **variables: Any) -> dict[str, Any]:
        """The payload of the one answer to a query or mutation."""
        payload = {"query": query, "variables": variables}
        await self.tell({"id": name, "type": "subscribe", "payload": payload})
        answer = await self.hear()
        assert answer["id"] == name
        if answer["type"] == "next":
            assert await self.hear() == {"id": name, "type": "complete"}
        found: dict[str, Any] = answer
        return found
