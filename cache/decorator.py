"""`@cached`: declares how a function's results may be kept."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from .call import Call, Declared
from .codec import decoder_for
from .context import current_scope
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
        tags: Callable[P, Iterable[str]] | None,
        result_tags: Callable[[R], Iterable[str]] | None,
        exclude: frozenset[str],
    ) -> None:
        functools.update_wrapper(self, function)
        self.uncached = function
        self.name = f"{function.__module__}.{function.__qualname__}"
        self._tags = tags
        self._signature = inspect.signature(function)
        names = list(self._signature.parameters)
        self._exclude = exclude
        self._kept = tuple(index for index, name in enumerate(names) if name not in exclude)
        self._arity = len(names)
        result = _result_type(function)
        self._key_name = f"{self.name}@{schema_digest(result)}"
        decode = decoder_for(result, policy.grain)
        self.declared = Declared(self.name, policy, decode, result_tags)

    @property
    def policy(self) -> CachePolicy:
        """How long its results are served, and to whom."""
        return self.declared.policy

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        scope = current_scope()
        value: R = await scope.cache.get_or_load(self.call(scope.viewer, *args, **kwargs))
        return value

    def call(self, viewer: str, *args: P.args, **kwargs: P.kwargs) -> Call:
        """This call as the engine sees it, for a viewer. Raises `TypeError` for wrong arguments."""
        return Call(
            self.declared,
            entry_key(
                self._key_name,
                None if self.policy.is_public else viewer,
                self._arguments(args, kwargs),
            ),
            functools.partial(self.uncached, *args, **kwargs),
            functools.partial(self._tags_of, *args, **kwargs),
        )

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Those that are part of the key, in the order of the parameters."""
        if not kwargs and len(args) == self._arity:  # `bind` costs more than a hit in memory
            return tuple(args[index] for index in self._kept)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(value for name, value in bound.arguments.items() if name not in self._exclude)

    def _tags_of(self, *args: P.args, **kwargs: P.kwargs) -> Iterable[str]:
        own = () if self._tags is None else self._tags(*args, **kwargs)
        return (*self.policy.all_tags, *own)


class Declaration(Protocol):
    """A decorator that keeps the signature of what it is given.

    Its own type variables: those of `tags`, where that is a lambda, would win over the function's.
    """

    def __call__(self, function: Callable[P, Awaitable[R]], /) -> CachedFunction[P, R]: ...


def cached(
    policy: CachePolicy,
    *,
    tags: Callable[..., Iterable[str]] | None = None,
    result_tags: Callable[[Any], Iterable[str]] | None = None,
    exclude: Iterable[str] = ("ctx",),
) -> Declaration:
    """Keep the results of an async function under `policy`.

    - `tags(*arguments)` names what a result depends on; `result_tags(result)` what only the result
      can tell; `depend_on(tag)`, inside of the function, what only the load finds out. Purge one of
      them and the entry is never served again.
    - `exclude` names the parameters that are not part of the key. All others must have a canonical
      form: strings, numbers, enums, dates, tuples, frozen structs.
    - The function returns frozen values (scalars, tuples, frozen structs), annotated: they are
      shared in memory and decoded from Redis alike.

    Raises `DeclarationError` when the function, its result type, `tags` or `exclude` cannot work.
    """

    def declare(function: Callable[P, Awaitable[R]]) -> CachedFunction[P, R]:
        _check_function(function, frozenset(exclude))
        if tags is not None:
            _check_tags(function, tags)
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


def _check_tags(function: Callable[..., Any], tags: Callable[..., Any]) -> None:
    """They are called alike, by position and by name: better refused now than at a load."""
    parameters = inspect.signature(function).parameters.values()
    named = {one.name for one in parameters if one.kind is not one.POSITIONAL_ONLY}
    only_named = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    for by_name in (only_named, named):
        given = [one.name for one in parameters if one.name not in by_name]
        try:
            inspect.signature(tags).bind(*given, **dict.fromkeys(by_name))
        except TypeError as error:
            raise DeclarationError(
                f"tags of {function.__qualname__} must take its parameters "
                f"({', '.join(one.name for one in parameters)}), got {tags!r}, to whose parameters "
                f"they cannot be given: {error}"
            ) from error


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
