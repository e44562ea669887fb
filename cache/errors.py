"""Errors that the cache raises. A leaf: it imports nothing of ours."""

from __future__ import annotations


class CacheError(Exception):
    """The base of every error of this package."""


class DeclarationError(CacheError, TypeError):
    """A policy or a cached function is declared as it cannot work; raised at import time."""


class NoActiveCacheError(CacheError, RuntimeError):
    """A cached function was called outside of `Cache.activate`."""


class LoadCancelledError(CacheError, RuntimeError):
    """A load was cancelled from within. Those who wait for it were not, and are told so."""


class StoreUnavailable(CacheError):  # noqa: N818 - it names a state that callers expect, not a bug
    """The store did not answer, or not in time. The outcome of a write is unknown.

    `sent` is False only when it is certain that nothing reached the store.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent
