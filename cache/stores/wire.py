"""What the scripts of `lua/` are told, and what their replies mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from ..protocol import Followed, Look, Position, Purge
from .script import Script

_LUA = __package__ + ".lua"
_WHEN_FULL = "#!lua flags=allow-oom"
"""Purges, and the look-ups that judge by them, work on a server that is full."""

LOOK = Script.read(_LUA, "epoch.lua", "look.lua", first=_WHEN_FULL)
INVALIDATE = Script.read(_LUA, "epoch.lua", "invalidate.lua", first=_WHEN_FULL)
FOLLOW = Script.read(_LUA, "epoch.lua", "follow.lua", first=_WHEN_FULL)
RENEW = Script.read(_LUA, "epoch.lua", "renew.lua", first=_WHEN_FULL)
RELAY_BEGINS = Script.read(_LUA, "epoch.lua", "begins.lua", first=_WHEN_FULL)
RELAY_LOOKED = Script.read(_LUA, "epoch.lua", "looked.lua", first=_WHEN_FULL)
REMEMBER = Script.read(_LUA, "epoch.lua", "remember.lua", first="#!lua")
"""... and this one does not: new watermarks are for new entries, for which there is no room."""


def milliseconds(seconds: float) -> int:
    """Rounded up, and never 0, which would mean something else to Redis."""
    return max(1, math.ceil(seconds * 1000))


def position(told: Sequence[Any]) -> Position:
    """The position in the reply (epoch, id, ...)."""
    return Position(told[0].decode(), int(told[1]))


def look(told: Sequence[Any], tags: Sequence[str]) -> Look:
    marks = zip(tags, told[4], strict=True)
    return Look(position(told), _time(told), {tag: _watermark(mark) for tag, mark in marks})


def followed(told: Sequence[Any]) -> Followed:
    return Followed(position(told), _time(told), [_purge(*entry) for entry in told[4]])


def _time(told: Sequence[Any]) -> float:
    return int(told[2]) + int(told[3]) / 1e6


def _watermark(mark: bytes | None) -> Position | None:
    if mark is None:
        return None
    epoch, _, identifier = mark.decode().rpartition(":")
    return Position(epoch, int(identifier))


def _purge(identifier: bytes, fields: Sequence[bytes]) -> Purge:
    _, predecessor, _, _, _, tags = fields
    number, _, _ = identifier.partition(b"-")
    return Purge(int(number), int(predecessor), msgspec.json.decode(tags, type=tuple[str, ...]))
