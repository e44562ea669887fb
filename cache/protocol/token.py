"""Position tokens: what a client has seen and written, so that its next reads are not behind it.

Opaque to clients. Rules W5 and J5 of `docs/protocol.md`.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from .types import Position

MAX_ITEMS = 8
"""Positions and outbox ids in a token; more become "all"."""

MAX_LENGTH = 1_024
"""Characters of a token that are looked at: a header is bounded, and so is what it costs."""

_LONGEST_NAME = 64
_LARGEST = 2**53 - 1


class _Wire(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    version: int
    positions: dict[str, int]
    outbox: list[str]
    everything: bool


_decoder = msgspec.msgpack.Decoder(_Wire)
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Token:
    """One position for each epoch, ids of outbox rows that are not published, or "all".

    `everything` says that the items were too many: whoever meets it publishes all there is.
    """

    positions: Mapping[str, int] = field(default_factory=dict)
    outbox: frozenset[str] = frozenset()
    everything: bool = False

    @classmethod
    def at(cls, position: Position | None) -> Token:
        """The token of one position."""
        return cls() if position is None else cls({position.epoch: position.id})

    @property
    def is_empty(self) -> bool:
        return not (self.positions or self.outbox or self.everything)

    def merged(self, *others: Token) -> Token:
        """What has seen all that these have; the newest position of each epoch."""
        if not others:
            return self
        positions = dict(self.positions)
        outbox = self.outbox
        everything = self.everything
        for other in others:
            for epoch, identifier in other.positions.items():
                positions[epoch] = max(positions.get(epoch, 0), identifier)
            outbox |= other.outbox
            everything = everything or other.everything
        return Token(positions, outbox, everything).bounded()

    def bounded(self) -> Token:
        """At most `MAX_ITEMS` items: more are "all", which stands for every one of them."""
        if len(self.positions) + len(self.outbox) <= MAX_ITEMS:
            return self
        return Token(everything=True)

    def without(self, outbox: Iterable[str]) -> Token:
        """Without these outbox ids: they were published."""
        return Token(self.positions, self.outbox - frozenset(outbox), self.everything)

    def is_foreign_to(self, epoch: str | None) -> bool:
        """Whether it holds a position that cannot be compared with those of `epoch`."""
        return any(its != epoch for its in self.positions)

    def encode(self) -> str:
        """As text for a header or a cookie: URL-safe base64 of MessagePack; `""` when empty."""
        if self.is_empty:
            return ""
        wire = _Wire(_VERSION, dict(self.positions), sorted(self.outbox), self.everything)
        return urlsafe_b64encode(msgspec.msgpack.encode(wire)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Token | None:
        """The token that `text` encodes; None where it encodes none: such are ignored (J5)."""
        if not text:
            return cls()
        if len(text) > MAX_LENGTH:
            return None
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            wire = _decoder.decode(raw)
        except (binascii.Error, msgspec.MsgspecError, ValueError):
            return None
        if wire.version != _VERSION or not _is_sane(wire):
            return None
        return cls(wire.positions, frozenset(wire.outbox), wire.everything).bounded()


def _is_sane(wire: _Wire) -> bool:
    return all(map(_is_name, [*wire.positions, *wire.outbox])) and all(
        0 <= identifier <= _LARGEST for identifier in wire.positions.values()
    )


def _is_name(name: str) -> bool:
    """ASCII, so that whatever is decoded, merged and encoded again stays below `MAX_LENGTH`; and
    printable, as an outbox id goes to a database that may refuse NUL."""
    return 0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable()
