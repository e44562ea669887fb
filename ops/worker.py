"""What each process of the server runs: the app, and an eye on the supervisor."""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass

from starlette.types import ASGIApp
from uvicorn.importer import import_from_string


@dataclass(frozen=True)
class AppFactory:
    """Makes the app in whichever process it is called; `target` is `module:factory`.

    A worker process also begins to watch its supervisor: one that is killed cannot tell its
    workers, and they would go on holding the port.
    """

    target: str

    def __call__(self) -> ASGIApp:
        """Make the app. Raises uvicorn's ImportFromStringError for a wrong target."""
        _end_with_supervisor()
        app: ASGIApp = import_from_string(self.target)()
        return app


def _end_with_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return  # this process is the supervisor: it runs the only worker itself

    def watch() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)  # drain, as on any other end

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
