"""A server process that cannot outlive the process that owns it, on Linux and macOS alike.

A few lines of `sh`, in a session of their own, start the server and hold the read end of a pipe
whose only write end is the owner's. The pipe ends when the owner closes it or is gone, however it
went (SIGKILL too); the shell then asks the server to stop, and kills it when it does not.

The session of its own keeps a terminal's Ctrl-C away from the server: the owner drains first.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

# $1 seconds of grace, $2 the signal that asks the server to stop, $3 a directory to remove at the
# end; then the command. The shell reports the server's own exit status.
_SCRIPT = r"""
grace=$1 signal=$2 leftover=$3
shift 3
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
trap '' HUP INT TERM
(
  exec >/dev/null 2>&1
  read -r _ <&3
  kill -s "$signal" "$server"
  while [ "$grace" -gt 0 ] && kill -s 0 "$server"; do
    sleep 1
    grace=$((grace - 1))
  done
  kill -s KILL "$server"
) &
reader=$!
wait "$server"
status=$?
kill -s KILL "$reader" 2>/dev/null
[ -z "$leftover" ] || rm -rf -- "$leftover"
exit "$status"
"""


@dataclass(frozen=True)
class Guard:
    """How a server is started and ended.

    `grace` is in seconds: how long the server may take to stop before it is killed.
    `stop_signal` is the name, without SIG, of the signal that asks it to stop.
    `leftover` is a directory that is removed when the server has ended.
    `uid` and `gid` are whom to run as; None is the owner's own.
    """

    grace: int = 10
    stop_signal: str = "TERM"
    leftover: str = ""
    uid: int | None = None
    gid: int | None = None

    def start(self, command: Sequence[str], log: IO[bytes]) -> "GuardedProcess":
        """Start `command`; what it prints goes to `log`, whose descriptor it keeps open.

        Raises OSError when there is no `/bin/sh`.
        """
        arguments = [str(self.grace), self.stop_signal, self.leftover, *command]
        shell = subprocess.Popen(  # noqa: S603 (the script is above; the rest are its arguments)
            ["/bin/sh", "-c", _SCRIPT, "freshql-guard", *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            bufsize=0,
            cwd="/",
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )
        return GuardedProcess(shell, self.grace)


class GuardedProcess:
    """A running server under its guard."""

    def __init__(self, shell: subprocess.Popen[bytes], grace: int) -> None:
        self._shell = shell
        self._grace = grace

    @property
    def guard_pid(self) -> int:
        """The guarding shell's process id: also that of the server's session and group."""
        return self._shell.pid

    def exit_status(self) -> int | None:
        """The server's exit status, None while it runs."""
        return self._shell.poll()

    def stop(self) -> int:
        """Ask the server to stop, wait until it has, and return its exit status."""
        if self._shell.stdin is not None:
            self._shell.stdin.close()
        return self.wait()

    def wait(self) -> int:
        """Wait until the server has ended; what is left of its group is killed."""
        try:
            status = self._shell.wait(self._grace + 5)
        finally:
            self._kill_group()
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()
        return status

    def _kill_group(self) -> None:
        # Reached by a server whose guard was killed by someone else; usually nobody is left.
        try:
            os.killpg(self._shell.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
