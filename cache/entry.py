"""What is stored: an encoded value with its full key and its stamp, in a versioned envelope.

    byte 0      version of this layout
    byte 1      bits 0 to 3: what the payload is (`Grain`); bit 4: it is compressed (zstandard)
    bytes 2 on  MessagePack: [key, epoch, {tag: position}, stored, soft, hard, cost, strict,
                payload]
    last 4      CRC-32 of everything before, little-endian

The schema digest of the result type is a part of the key: two versions of a program then have
entries of their own, side by side, instead of overwriting what the other cannot read.
"""

from __future__ import annotations

from zlib import crc32

import msgspec

from .policy import Grain
from .protocol import Stamp

VERSION = 2
_COMPRESSED = 0x10
_GRAINS = {1: Grain.VALUE, 2: Grain.FRAGMENT}
_CODES = {grain: code for code, grain in _GRAINS.items()}
_HEAD, _TAIL = 2, 4


class Entry(msgspec.Struct, frozen=True):
    """An encoded value, what its validity is judged by, and how the value is encoded."""

    key: str
    stamp: Stamp
    payload: bytes
    grain: Grain = Grain.VALUE


class _Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    key: str
    epoch: str
    dependencies: dict[str, int]
    stored: float
    soft: float
    hard: float
    cost: float
    strict: bool
    payload: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def pack(entry: Entry, *, compressed: bool) -> bytes:
    """The envelope of an entry whose payload is compressed, or is not."""
    stamp = entry.stamp
    body = _Body(
        entry.key,
        stamp.epoch,
        dict(stamp.dependencies),
        stamp.stored,
        stamp.soft,
        stamp.hard,
        stamp.cost,
        stamp.strict,
        entry.payload,
    )
    flags = _CODES[entry.grain] | (_COMPRESSED if compressed else 0)
    packed = bytes((VERSION, flags)) + _encoder.encode(body)
    return packed + crc32(packed).to_bytes(_TAIL, "little")


def unpack(stored: bytes, key: str) -> tuple[Entry, bool] | None:
    """The entry of `key`, and whether its payload is compressed; None for any other bytes.

    Keys in Redis can be digests, and a client library once handed out crossed replies (redis-py,
    2023), so the full key is compared. Whatever cannot be read is a miss, never an error.
    """
    if len(stored) < _HEAD + _TAIL or stored[0] != VERSION:
        return None
    view = memoryview(stored)
    if crc32(view[:-_TAIL]) != int.from_bytes(view[-_TAIL:], "little"):
        return None
    grain = _GRAINS.get(stored[1] & ~_COMPRESSED)
    try:
        body = _decoder.decode(view[_HEAD:-_TAIL])
    except ValueError:  # msgspec's own errors, and those of UTF-8
        return None
    # Not a number is neither more nor less: such an entry would never end.
    if grain is None or body.key != key or not body.stored <= body.soft <= body.hard:
        return None
    stamp = Stamp(
        epoch=body.epoch,
        dependencies=body.dependencies,
        stored=body.stored,
        soft=body.soft,
        hard=body.hard,
        cost=body.cost,
        strict=body.strict,
    )
    return Entry(key, stamp, body.payload, grain), bool(stored[1] & _COMPRESSED)
