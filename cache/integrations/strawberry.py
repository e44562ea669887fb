"""Strawberry: every operation of a schema is served by the cache, for its viewer.

    schema = strawberry.Schema(
        Query, Mutation, extensions=[lambda: CacheExtension(cache, viewer=viewer_of)]
    )

One hook for each operation, none for each field: `SchemaExtension.resolve` would cost more than a
hit in memory. Needs the extra `strawberry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext, StreamExecutionResult
from strawberry.types.graphql import OperationType

from ..engine import Cache
from .positions import EXTENSION, Received, can_send, received, send


class CacheExtension(SchemaExtension):
    """Activates `cache` for one operation: cached functions work in resolvers, and see its writes.

    - `viewer(context)` names who asks, with their rights: `anonymous`, `7:STAFF`. It is part of
      the keys of everything private, so two people must never have the same name. What it raises
      is the operation's error.
    - Position tokens come from the request and go into the answer: see `positions`. The request
      and the response are the context's, by key (Strawberry's own) or attribute. Where there is no
      response with headers, the token is in the answer's `extensions`.
    - Each event of a subscription is a request of its own, that knows what the one before has seen.

    Made anew for each operation: give the schema a function that makes it, as above.
    """

    def __init__(self, cache: Cache, viewer: Callable[[Any], str]) -> None:
        super().__init__()
        self._cache = cache
        self._viewer = viewer
        self._active = ExitStack()
        self._session = cache.session()
        self._received = Received()

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context
        self._received = received(_part(context.context, "request"), context.operation_extensions)
        try:
            self._activate(self._received.tokens)
            yield
        finally:
            self._deactivate()
        response = _part(context.context, "response")
        if can_send(response):
            token = self._session.token
            send(response, token, after=self._received, wrote=_is_mutation(context))

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        # Headers are sent before a stream's first result is there.
        result.extensions = {**(result.extensions or {}), **self._token()}
        yield
        self._deactivate()
        self._activate([self._session.token])

    def get_results(self) -> dict[str, Any]:
        in_headers = can_send(_part(self.execution_context.context, "response"))
        return {} if in_headers else self._token()

    def _token(self) -> dict[str, Any]:
        token = self._session.token
        return {EXTENSION: token} if token else {}

    def _activate(self, tokens: Iterable[str]) -> None:
        viewer = self._viewer(self.execution_context.context)
        self._session = self._cache.session(*tokens)
        self._active.enter_context(self._cache.activate(viewer, self._session))

    def _deactivate(self) -> None:
        # A stream may be closed by another task than the one that read it, in whose context
        # nothing was activated: then there is nothing to undo.
        with suppress(ValueError):
            self._active.close()


def _part(context: Any, name: str) -> Any:
    if isinstance(context, Mapping):
        return context.get(name)
    return getattr(context, name, None)


def _is_mutation(context: ExecutionContext) -> bool:
    try:
        return context.operation_type is OperationType.MUTATION
    except RuntimeError:  # it was not parsed, or has no operation of that name
        return False
