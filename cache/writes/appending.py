"""Acknowledging an operation: one script appends it, and does it to the live value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..once import KeyReusedError, Once
from ..stores.script import Argument
from . import scripts
from .journal import Journal
from .operation import Operation
from .settings import WriteBehindSettings

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Appended(Generic[V]):
    """An acknowledged operation: its id, how many wait, and the live value if there is one."""

    id: str
    waiting: int
    value: V | None = None


class Appender(Generic[V]):
    """Appends operations to the stream of `journal`."""

    def __init__(
        self, journal: Journal, operation: Operation[V], settings: WriteBehindSettings
    ) -> None:
        self._journal = journal
        self._operation = operation
        self._settings = settings

    async def append(
        self, key: str, field: str, value: V, once: Once | None = None
    ) -> Appended[V] | None:
        """Append one operation; None if too many wait already.

        With `once`, the first time only; again it returns the first one's id. Raises
        `KeyReusedError` where that was another operation, and `StoreUnavailable`.
        """
        rule, settings = self._operation.rule, self._settings
        keys = [self._journal.live(key)]
        payload = rule.encode(value)
        if "\0" in payload:
            raise ValueError(f"a value must be written without NUL characters, got {value!r}")
        arguments: list[Argument] = [key, field, payload, rule.script]
        arguments += [_ms(settings.live_ttl), settings.limit]
        if once is not None:
            keys.append(self._journal.once(once))
            arguments += [once.arguments, _ms(settings.once_ttl)]
        return self._appended(await self._journal.run(scripts.APPEND, keys, arguments))

    def _appended(self, reply: list[Any]) -> Appended[V] | None:
        if reply[0] == b"full":
            return None
        if reply[0] == b"reused":
            raise KeyReusedError("this idempotency key was used for another operation")
        if reply[0] == b"again":
            return Appended(reply[1].decode(), self._journal.waiting)
        _, identifier, waiting, value = reply
        self._journal.saw(identifier.decode(), waiting)
        # A sum comes as Redis's integer, anything else as it was sent.
        said = value.decode() if isinstance(value, bytes) else str(value)
        known = None if value is None else self._operation.rule.decode(said)
        return Appended(identifier.decode(), waiting, known)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
