"""Where a server works: its data directory, which it has to itself, and its address."""

import errno
import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (compared, not bound)


class PlaceTaken(RuntimeError):  # noqa: N818 (the state that it tells of)
    """The data directory or the address cannot be had; the message says whose it is, what to do."""


class DataDirectory:
    """A data directory, held by one server at a time.

    The lock file says who holds it (process id and URL), and is emptied by an orderly end: a
    content without a holder means that the last holder was killed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.was_killed = False
        self._descriptor = -1

    def announce(self, url: str) -> None:
        """Write down who holds the directory, for whoever finds it taken."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()} {url}".encode(), 0)

    def __enter__(self) -> "DataDirectory":
        """Take it, making it if need be. Raises PlaceTaken, which names the holder."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.path / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise PlaceTaken(
                f"the data directory {self.path} cannot be used ({error.strerror}): set "
                "FRESHQL_DATA_DIR to a directory that this user may write"
            ) from error
        content = os.pread(self._descriptor, 1000, 0).decode(errors="replace")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise PlaceTaken(_taken(self.path, content)) from error
        self.was_killed = bool(content)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _taken(directory: Path, content: str) -> str:
    pid, _, url = content.partition(" ")
    who = f"by process {pid} at {url}" if url else "by another process that is starting"
    stop = f"stop that one (kill {pid})" if url else "wait for it"
    return (
        f"{directory} is already served {who}: use it, {stop}, or give this one a directory and "
        "a port of its own with FRESHQL_DATA_DIR= and PORT="
    )


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket of that address, not listening yet. Raises PlaceTaken, naming what to set."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise PlaceTaken(
            f"HOST holds {host!r}, which is not an address ({error.strerror}): set it to one of "
            "this machine, such as HOST=127.0.0.1"
        ) from error
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        _refuse_taken(host, bound.getsockname()[1])
    except OSError as error:
        bound.close()
        raise PlaceTaken(address_problem(error, host, port)) from error
    return bound


def address_problem(error: OSError, host: str, port: int) -> str:
    """What is wrong with an address, and what to set instead."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use by another program: stop it, or set another port, "
            f"for example PORT={port + 1 if port < 65535 else 8000}"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"HOST holds {host!r}, which is no address of this machine: set HOST=127.0.0.1"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"this user may not listen on port {port}: set one above 1023, such as PORT=8000"
    return f"cannot listen on port {port} of {host} ({error.strerror}): set HOST and PORT"


def _refuse_taken(host: str, port: int) -> None:
    # macOS lets 127.0.0.1:8000 be bound beside someone's *:8000; who answers there has it.
    answers = False
    with suppress(OSError), socket.create_connection((reachable(host), port), timeout=1):
        answers = True
    if answers:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def reachable(host: str) -> str:
    """An address at which a server that listens on `host` answers on this machine."""
    return _ANY.get(host, host)


def url(host: str, port: int) -> str:
    """The URL of a server that listens there, as a browser on this machine takes it."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
