"""What `freshql serve` prints once it answers."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

from rich.console import Console
from rich.markup import escape

from gql.settings import Settings, masked
from ops import place
from ops.store import Prepared

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Announcement:
    """What it is about: the settings as given, but the port; and when (monotonic) it began."""

    settings: Settings
    prepared: Prepared
    begun: float

    def lines(self) -> list[tuple[str, str]]:
        """Label and text of each line."""
        where = place.url(self.settings.host, self.settings.port)
        lines = [("GraphiQL", f"{where}/graphql")]
        if self.prepared.logins:
            lines.append(("log in as", self._logins()))
        lines.append(("database", masked(self.settings.database)))
        lines.append(("Redis", masked(self.settings.redis_url or "a Valkey of its own")))
        if self.settings.workers > 1:
            lines.append(("processes", str(self.settings.workers)))
        lines.append(("stop with", "Ctrl-C"))
        return lines

    def _logins(self) -> str:
        first, *others = self.prepared.logins
        more = f" ({' and '.join(others)} likewise)" if others else ""
        return f"{first}, password {first.partition('@')[0]}{more}"

    def show(self) -> None:
        """Print it."""
        took = time.monotonic() - self.begun
        console = Console(highlight=False, soft_wrap=True)
        console.print(f"\n[bold green]FreshQL {version('freshql')} answers[/] (after {took:.1f} s)")
        for label, text in self.lines():
            console.print(f"  [dim]{label:<10}[/] {escape(text)}")


def warn_of(problem: str) -> None:
    """Print a warning; nothing for an empty one."""
    if problem:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold yellow]warning:[/] {escape(problem)}")


def announce_when_listening(announcement: Announcement) -> None:
    """Show it as soon as a worker listens, which it does when its app has started."""
    thread = threading.Thread(target=_announce, args=[announcement], daemon=True)
    thread.start()


def _announce(announcement: Announcement) -> None:
    address = (place.reachable(announcement.settings.host), announcement.settings.port)
    while True:
        with suppress(OSError), socket.create_connection(address, timeout=1):
            announcement.show()
            return
        time.sleep(_LOOK_SECONDS)
