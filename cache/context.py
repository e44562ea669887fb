"""What a running task knows: its cache, its viewer, its barrier, the load it is part of.

Context variables, set for each request and each load: two applications in one process, each with
a cache of its own, do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import NoActiveCacheError
from .protocol import Barrier, Dependencies, Position

if TYPE_CHECKING:
    from .engine import Cache


@dataclass(frozen=True, slots=True)
class Scope:
    """Which cache serves this request, for whom (an opaque name that includes their rights), and
    what its reads must not be behind."""

    cache: Cache
    viewer: str
    barrier: Barrier


@dataclass(slots=True)
class Frame:
    """A load that is running: what it was made of so far, and whether it looked at the viewer."""

    position: Position | None
    public: bool
    dependencies: Dependencies = field(default_factory=Dependencies)
    viewer_read: bool = False


_scope: ContextVar[Scope | None] = ContextVar("freshql_cache_scope", default=None)
_frame: ContextVar[Frame | None] = ContextVar("freshql_cache_frame", default=None)
_bypassed: ContextVar[str] = ContextVar("freshql_cache_bypassed", default="")
_alone: ContextVar[bool] = ContextVar("freshql_cache_alone", default=False)


def current_scope() -> Scope:
    """The scope of this task. Raises `NoActiveCacheError` outside of `Cache.activate`."""
    scope = _scope.get()
    if scope is None:
        raise NoActiveCacheError(
            "a cached function needs an active cache and there is none here: call it within "
            "`with cache.activate(viewer):`, as an application does for each request"
        )
    return scope


def barrier_of(cache: Cache) -> Barrier | None:
    """The barrier of the request that runs here, if it is served by `cache`."""
    scope = _scope.get()
    return scope.barrier if scope is not None and scope.cache is cache else None


def current_viewer() -> str:
    """The name of the viewer for whom this task runs, as `Cache.activate` got it.

    It is part of the keys of private entries. A public load that asks is a `Defect`, and what it
    loads is not shared. Raises `NoActiveCacheError` outside of a scope.
    """
    viewer_was_read()
    return current_scope().viewer


def current_frame() -> Frame | None:
    return _frame.get()


@contextmanager
def scoped(scope: Scope) -> Iterator[None]:
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def enter(scope: Scope, frame: Frame) -> None:
    """Make the (fresh) context of a load's task that of `frame`."""
    _scope.set(scope)
    _frame.set(frame)


def is_bypassed() -> bool:
    return bool(_bypassed.get())


def why_bypassed() -> str:
    """What the innermost `bypass` is for; empty outside of one."""
    return _bypassed.get()


@contextmanager
def bypass(why: str = "an open transaction") -> Iterator[None]:
    """Look up, join and store nothing in this block: for an open write transaction (L0).

    What a transaction reads may never be committed, so it must not reach anybody else; and what
    others stored may be older than the locks that it holds. `why`, a few fixed words, is what the
    fact `Bypassed` says.
    """
    token = _bypassed.set(why)
    try:
        yield
    finally:
        _bypassed.reset(token)


@contextmanager
def loading_alone() -> Iterator[bool]:
    """A load that uses no store; says whether it is the outermost of them in this task."""
    outermost = not _alone.get()
    token = _alone.set(True)
    try:
        yield outermost
    finally:
        _alone.reset(token)


def depend_on(tag: str) -> None:
    """Inside a load: what is read here also changes whenever `tag` is purged.

    Call it before the read that it is for, or at once after: its position is that of the load.
    """
    frame = _frame.get()
    if frame is not None:
        frame.dependencies.add(tag, frame.position)


def viewer_was_read() -> None:
    """Say that the running load looks at who is asking. A public one must not: see `Defect`."""
    frame = _frame.get()
    if frame is not None:
        frame.viewer_read = True
