"""`freshql serve`: whatever the server stands on, then its processes, and the end in good order.

    data directory · address · Valkey · database · uvicorn's workers

Each is entered in that order and left in the reverse one, so that Ctrl-C drains the requests in
flight before the embedded Valkey stops. A supervisor that is killed takes all of them along: the
guard ends Valkey (`ops/guard.py`), each worker ends itself (`ops/worker.py`).
"""

import asyncio
import errno
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gql.http.limits import MAX_BODY
from gql.settings import Settings
from ops import logs, place, redis_check, store
from ops.announcement import Announcement, announce_when_listening, warn_of
from ops.embedded import ValkeyServer
from ops.keeper import Keeper
from ops.worker import AppFactory

APP = "gql.app:create_app"
DRAIN_SECONDS = 20
_CRASH_WAIT_SECONDS = 10.0


def serve(settings: Settings, app: str = APP) -> None:
    """Serve until Ctrl-C or SIGTERM; returns when everything has ended.

    `app` is `module:factory`. Raises PlaceTaken, EmbeddedServerError or the database's errors
    when something is in the way, and SystemExit when the app itself does not start.
    """
    begun = time.monotonic()
    with _interruptible(), ExitStack() as stack:
        directory = _data_directory(stack, settings)
        bound = stack.enter_context(_bound(settings, directory))
        port: int = bound.getsockname()[1]
        settings = settings.model_copy(update={"port": port})
        complete = _with_redis(stack, settings)
        if directory is not None:
            embedded = "" if settings.redis_url else complete.redis
            directory.announce(place.url(settings.host, port), embedded)
        prepared = asyncio.run(store.prepare(complete))
        complete = _with_metrics(stack, complete)
        complete.publish()
        announce_when_listening(Announcement(settings, prepared, begun))
        _run(complete, app, bound)


def _data_directory(stack: ExitStack, settings: Settings) -> place.DataDirectory | None:
    if settings.redis_url is not None and settings.database_url is not None:
        return None  # nothing of ours lives there
    return stack.enter_context(place.DataDirectory(settings.data_dir))


@contextmanager
def _bound(settings: Settings, directory: place.DataDirectory | None) -> Iterator[socket.socket]:
    # After a kill the old workers may hold the port for as long as they drain.
    patience = _CRASH_WAIT_SECONDS if directory is not None and directory.was_killed else 0.0
    ends = time.monotonic() + patience
    while True:
        try:
            bound = place.bind(settings.host, settings.port)
            break
        except place.PlaceTaken:
            if time.monotonic() >= ends:
                raise
            time.sleep(0.1)
    with bound:
        yield bound


def _with_redis(stack: ExitStack, settings: Settings) -> Settings:
    state = settings.state_redis_url
    if state is not None:
        warn_of(redis_check.check(state, "STATE_REDIS_URL"))
    if settings.redis_url is not None:
        warn_of(redis_check.check(settings.redis_url, may_evict=state is not None))
        return settings
    server = stack.enter_context(ValkeyServer(settings.data_dir / "valkey"))
    stack.enter_context(Keeper(server))
    return settings.model_copy(update={"redis_url": server.url})


def _with_metrics(stack: ExitStack, settings: Settings) -> Settings:
    """Several workers count together, in files: whichever is asked then knows of all of them."""
    if settings.workers == 1 or not settings.metrics or settings.metrics_directory is not None:
        return settings
    directory = Path(stack.enter_context(TemporaryDirectory(prefix="freshql-metrics-")))
    return settings.model_copy(update={"metrics_directory": directory})


def _run(settings: Settings, app: str, bound: socket.socket) -> None:
    config = Config(
        AppFactory(app),
        factory=True,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_BODY,
        ws_per_message_deflate=False,
        workers=settings.workers,
        log_config=logs.configuration(settings.log_level),
        access_log=settings.log_level == "debug",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    try:
        if settings.workers > 1:
            _run_several(config, bound)
        else:
            Server(config).run(sockets=[bound])
    except OSError as error:
        # Bound early, but someone else was the first to listen.
        if error.errno != errno.EADDRINUSE:
            raise
        problem = place.address_problem(error, settings.host, settings.port)
        raise place.PlaceTaken(problem) from error


def _run_several(config: Config, bound: socket.socket) -> None:
    workers = Multiprocess(config, sockets=[bound])
    with _interrupts_not_inherited():
        workers.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in workers.processes):
        raise SystemExit(STARTUP_FAILURE)


@contextmanager
def _interrupts_not_inherited() -> Iterator[None]:
    """Processes that are started inside do not notice a terminal's Ctrl-C: this one tells them.

    A terminal sends SIGINT to everyone in the foreground, also to a worker that still imports.
    Workers inherit the signal mask of the thread that starts them; a thread that does not block
    the signal is there to receive it, whose handler Python then runs in this one as ever.
    """
    # Starting this helper of multiprocessing unblocks SIGINT (CPython 3.11): have it started.
    resource_tracker.ensure_running()
    done = threading.Event()
    receiver = threading.Thread(target=done.wait, name="interrupt-receiver", daemon=True)
    receiver.start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        done.set()
        receiver.join()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Makes SIGTERM end the block as Ctrl-C does: orderly, and as a success."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def interrupt(number: int, frame: FrameType | None) -> None:
        # uvicorn raises its signals once more when it has drained; by then this is the way out.
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
