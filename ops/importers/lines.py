"""The physical lines of a file, in bounded memory, with a look ahead."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

LONGEST_LINE: Final = 64 * 1024
"""Bytes of a line. What is longer is no row of a store's file: it is cut and reported."""

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end (LF or CR LF). `number` counts from 1; `size` is in bytes."""

    number: int
    data: bytes
    size: int
    too_long: bool = False


class Lines:
    """An iterator over a file's lines that can look ahead.

    Lines end with LF or CR LF. A byte order mark (UTF-8) before the first is dropped.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._source = _read(file)
        self._ahead: deque[Line] = deque()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return self._ahead.popleft() if self._ahead else next(self._source)

    def ahead(self, limit: int) -> Iterator[Line]:
        """The next lines, at most `limit`, without taking them."""
        for index in range(limit):
            if index == len(self._ahead):
                line = next(self._source, None)
                if line is None:
                    return
                self._ahead.append(line)
            yield self._ahead[index]

    def skip(self, count: int) -> None:
        """Drop the next `count` lines."""
        for _ in range(count):
            next(self)


def _read(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while data := file.readline(LONGEST_LINE):
        number += 1
        size = len(data)
        complete = data.endswith(b"\n")
        too_long = False
        while not complete and (rest := file.readline(LONGEST_LINE)):
            too_long = True
            size += len(rest)
            complete = rest.endswith(b"\n")
        if number == 1:
            data = data.removeprefix(_BOM)
        yield Line(number, data.removesuffix(b"\n").removesuffix(b"\r"), size, too_long)
