"""Where a server works: its data directory, which it has to itself, and its address."""

import errno
import fcntl
import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

_HOLDER_BYTES = 1000
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (compared, not bound)


class PlaceTaken(RuntimeError):  # noqa: N818 (the state that it tells of)
    """The data directory or the address cannot be had; the message says whose it is, what to do."""


class DirectoryTaken(PlaceTaken):
    """Another process holds the data directory; `holder` is who, None while it only begins."""

    def __init__(self, directory: Path, holder: "Holder | None") -> None:
        who, stop = "by another process that is starting", "wait for it"
        if holder is not None:
            where = f" at {holder.url}" if holder.url else ""
            who, stop = f"by process {holder.pid}{where}", f"stop that one (kill {holder.pid})"
        super().__init__(
            f"{directory} is already used {who}: use it, {stop}, or give this one a directory and "
            "a port of its own with FRESHQL_DATA_DIR= and PORT="
        )
        self.holder = holder


@dataclass(frozen=True)
class Holder:
    """Who holds a data directory.

    `url` is where it serves, empty while it starts or when it does not serve; `redis` is the URL
    of the Valkey that it embeds, empty when it embeds none.
    """

    pid: int
    url: str = ""
    redis: str = ""


class DataDirectory:
    """A data directory, held by one process at a time.

    The lock file says who holds it, and is emptied by an orderly end: a content without a holder
    means that the last holder was killed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.was_killed = False
        self._descriptor = -1

    def announce(self, url: str = "", redis: str = "") -> None:
        """Write down who holds the directory, for whoever finds it taken."""
        content = json.dumps(asdict(Holder(os.getpid(), url, redis))).encode()
        os.pwrite(self._descriptor, content.ljust(_HOLDER_BYTES), 0)  # at once, never half

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
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise DirectoryTaken(self.path, holder(self.path)) from error
        self.was_killed = holder(self.path) is not None
        self.announce()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def holder(directory: Path) -> Holder | None:
    """Who wrote down that it holds `directory`; None when nobody did."""
    try:
        content = (directory / "serve.lock").read_bytes().strip()
    except FileNotFoundError:
        return None
    try:
        return Holder(**json.loads(content)) if content else None
    except (ValueError, TypeError):
        return Holder(pid=0)  # another version's, or half a disk's: somebody, all the same


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
