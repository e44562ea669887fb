"""What the engine logs in a world: errors of the database are expected there, others are not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...errors import StoreUnavailable

_LOGGER = logging.getLogger(__name__.partition(".")[0])


class LogWatch(logging.Handler):
    """Takes the engine's log while it is open. `tell` gets what must not be there."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._propagates = _LOGGER.propagate

    def open(self) -> None:
        _LOGGER.addHandler(self)
        _LOGGER.propagate = False

    def close(self) -> None:
        _LOGGER.removeHandler(self)
        _LOGGER.propagate = self._propagates
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what is not about a server or a database that is away."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, OSError | StoreUnavailable):
            self._tell(f"the engine logs {record.getMessage()!r}: {error!r}")
