"""What a write-behind refuses, and what is known then of what Redis did."""

from __future__ import annotations

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError

from ..errors import StoreUnavailable
from ..stores.connection import NotAskedError

_NEVER_CONNECTED = (ConnectionRefusedError, FileNotFoundError)
_REFUSED = (OutOfMemoryError, ReadOnlyError, NoPermissionError)


class NotAcknowledged(StoreUnavailable):
    """An operation was not acknowledged. `sent` is False when it certainly was not executed;
    otherwise it may have been, and a repetition may count twice."""


def may_be_executed(error: StoreUnavailable) -> bool:
    """Whether Redis may have executed the command that ended with this error."""
    if not error.sent:
        return False
    return not was_not_reached(error) and not isinstance(error.__cause__, _REFUSED)


def was_not_reached(error: StoreUnavailable) -> bool:
    """Whether nothing was sent to Redis: connections are refused, or the breaker is open."""
    reason = error.__cause__
    if isinstance(reason, NotAskedError):
        return True
    if not isinstance(reason, RedisConnectionError):
        return False
    # Raised by redis-py while it handles what the socket said.
    return isinstance(reason.__context__, _NEVER_CONNECTED)
