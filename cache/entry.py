"""What is stored: a value with its full key, its stamp, and the version of this envelope."""

from __future__ import annotations

import msgspec

from .protocol import Stamp

_VERSION = 1


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    version: int
    key: str
    epoch: str
    dependencies: dict[str, int]
    stored: float
    soft: float
    hard: float
    payload: bytes


_decoder = msgspec.msgpack.Decoder(_Envelope)


class Entry(msgspec.Struct, frozen=True):
    """An encoded value (MessagePack) and what its validity is judged by."""

    key: str
    stamp: Stamp
    payload: bytes


def encode_entry(entry: Entry) -> bytes:
    stamp = entry.stamp
    return msgspec.msgpack.encode(
        _Envelope(
            version=_VERSION,
            key=entry.key,
            epoch=stamp.epoch,
            dependencies=dict(stamp.dependencies),
            stored=stamp.stored,
            soft=stamp.soft,
            hard=stamp.hard,
            payload=entry.payload,
        )
    )


def decode_entry(stored: bytes, key: str) -> Entry | None:
    """The entry of `key`, or None when these bytes are anything else.

    Keys in Redis can be digests, and a client library once handed out crossed replies (redis-py,
    2023), so the full key is compared. Whatever cannot be read is a miss, never an error.
    """
    try:
        envelope = _decoder.decode(stored)
    except msgspec.MsgspecError:
        return None
    if envelope.version != _VERSION or envelope.key != key:
        return None
    stamp = Stamp(
        epoch=envelope.epoch,
        dependencies=envelope.dependencies,
        stored=envelope.stored,
        soft=envelope.soft,
        hard=envelope.hard,
    )
    return Entry(key=key, stamp=stamp, payload=envelope.payload)
