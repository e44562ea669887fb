"""Starts the embedded Valkey again when it ends by itself."""

import logging
import threading
from types import TracebackType

from ops.embedded import EmbeddedServerError, ValkeyServer

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_RETRY_SECONDS = 5.0


class Keeper:
    """Watches one server while it is entered. Enter it after the server, so that it ends first."""

    def __init__(self, server: ValkeyServer) -> None:
        self._server = server
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="valkey-keeper", daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            if self._server.has_ended():
                logger.warning("The embedded Valkey ended by itself: starting it again")
                while not self._started_again() and not self._ending.wait(_RETRY_SECONDS):
                    pass

    def _started_again(self) -> bool:
        try:
            self._server.restart()
        except EmbeddedServerError:
            logger.exception("The embedded Valkey did not start; trying again")
            return False
        return True
