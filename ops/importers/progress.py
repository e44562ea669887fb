"""A progress bar over the bytes of the files, for people; nothing where nobody looks."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


class Bars:
    """One bar for each file; `sizes` are their bytes. Silent when `console` is no terminal."""

    def __init__(self, console: Console, sizes: Mapping[str, int]) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {
            file: self._progress.add_task(file, total=size) for file, size in sizes.items()
        }

    def advanced(self, file: str, read: int) -> None:
        """Show that `read` bytes of `file` are done."""
        self._progress.update(self._tasks[file], completed=read)

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
