"""What each process of the server runs: the app, and an eye on the supervisor."""

import logging
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass

from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.importer import import_from_string

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppFactory:
    """Makes the app in whichever process it is called; `target` is `module:factory`.

    A worker process also begins to watch its supervisor: one that is killed cannot tell its
    workers, and they would go on holding the port.
    """

    target: str

    def __call__(self) -> ASGIApp:
        """Make the app; SystemExit(STARTUP_FAILURE) when that fails, which the log then explains.

        uvicorn starts a worker again that ends with any other code: it would fail for ever.
        """
        _end_with_supervisor()
        try:
            app: ASGIApp = import_from_string(self.target)()
        except Exception as error:
            logger.exception("The app %s does not start", self.target)
            raise SystemExit(STARTUP_FAILURE) from error
        return app


def _end_with_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return  # this process is the supervisor: it runs the only worker itself

    def watch() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)  # drain, as on any other end

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
