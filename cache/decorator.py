"""`@cached`: declares how a function's results may be kept."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any, Generic, ParamSpec, TypeVar

from .context import current_scope
from .engine import Request
from .errors import DeclarationError
from .keys import entry_key, schema_digest
from .policy import CachePolicy

P = ParamSpec("P")
R = TypeVar("R")


class CachedFunction(Generic[P, R]):
    """An async function whose results are looked up first. Called exactly like the function.

    It only declares: the cache is that of the running request (`Cache.activate`). `policy` can be
    read without a call; `uncached` is the function itself.
    """

    def __init__(
        self,
        function: Callable[P, Awaitable[R]],
        policy: CachePolicy,
        tags: Callable[P, Iterable[str]],
        result_tags: Callable[[R], Iterable[str]] | None,
        exclude: frozenset[str],
    ) -> None:
        functools.update_wrapper(self, function)
        self.uncached = function
        self.policy = policy
        self._tags = tags
        self._result_tags = result_tags
        self._signature = inspect.signature(function)
        self._exclude = exclude
        self._result = _result_type(function)
        self.name = f"{function.__module__}.{function.__qualname__}"
        self._key_name = f"{self.name}@{schema_digest(self._result)}"

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        scope = current_scope()
        value: R = await scope.cache.get_or_load(self.request(scope.viewer, *args, **kwargs))
        return value

    def request(self, viewer: str, *args: P.args, **kwargs: P.kwargs) -> Request:
        """This call as the engine sees it."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = tuple(
            value for name, value in bound.arguments.items() if name not in self._exclude
        )
        return Request(
            name=self.name,
            key=entry_key(self._key_name, None if self.policy.is_public else viewer, arguments),
            policy=self.policy,
            result=self._result,
            tags=frozenset(self._tags(*args, **kwargs)),
            result_tags=self._result_tags,
            load=lambda: self.uncached(*args, **kwargs),
        )


def cached(
    policy: CachePolicy,
    *,
    tags: Callable[P, Iterable[str]],
    result_tags: Callable[[Any], Iterable[str]] | None = None,
    exclude: Iterable[str] = ("ctx",),
) -> Callable[[Callable[P, Awaitable[R]]], CachedFunction[P, R]]:
    """Keep the results of an async function under `policy`.

    - `tags(*arguments)` names what a result depends on; `result_tags(result)` what only the result
      can tell. Purge one of them and the entry is never served again.
    - `exclude` names the parameters that are not part of the key. All others must have a canonical
      form: strings, numbers, enums, dates, tuples, frozen structs.
    - The function returns frozen values (scalars, tuples, frozen structs), annotated: they are
      shared in memory and decoded from Redis alike.

    Raises `DeclarationError` when the function, its result type or `exclude` cannot work.
    """

    def declare(function: Callable[P, Awaitable[R]]) -> CachedFunction[P, R]:
        _check_function(function, frozenset(exclude))
        return CachedFunction(function, policy, tags, result_tags, frozenset(exclude))

    return declare


def _check_function(function: Callable[..., Any], exclude: frozenset[str]) -> None:
    if not inspect.iscoroutinefunction(function):
        raise DeclarationError(
            f"@cached needs an `async def` function, got {function!r}: make it one"
        )
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DeclarationError(
                f"{function.__qualname__} takes {parameter}: a cached function's parameters must "
                "all be named, since they are its key"
            )
        if name in ("self", "cls") and name not in exclude:
            raise DeclarationError(
                f"{function.__qualname__} is a method and {name!r} would be part of its key: "
                "cache a plain function instead, or exclude it"
            )


def _result_type(function: Callable[..., Any]) -> Any:
    annotation = getattr(function, "__annotations__", {}).get("return", inspect.Signature.empty)
    if annotation is inspect.Signature.empty:
        raise DeclarationError(
            f"{function.__qualname__} has no result annotation and a cached function needs one: "
            "entries are decoded by it"
        )
    # Only the result is evaluated: parameters may be annotated with names for type checkers only.
    holder = SimpleNamespace(__annotations__={"return": annotation})
    namespace = getattr(function, "__globals__", {})
    return typing.get_type_hints(holder, globalns=namespace)["return"]
