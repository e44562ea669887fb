"""Values to bytes and back: MessagePack or finished JSON, compressed where that pays. No pickle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import zstandard

from .entry import Entry, pack, unpack
from .errors import DeclarationError
from .fragment import Fragment
from .frozen import check_frozen
from .policy import Grain

COMPRESS_ABOVE = 1_024
LEVEL = 1
MAX_DECOMPRESSED = 8 * 2**20

_NULL = b"null"
_encoder = msgspec.msgpack.Encoder()


class Codec:
    """Encodes entries for a store and decodes what it gives back. One for each cache and loop.

    - Payloads of more than `compress_above` bytes are compressed with zstandard at `level` (1 to
      19), if they get smaller by it.
    - Payloads that would be more than `max_decompressed` bytes are not decompressed: a miss.

    Raises `ValueError` for settings that cannot be.
    """

    def __init__(
        self,
        *,
        compress_above: int = COMPRESS_ABOVE,
        level: int = LEVEL,
        max_decompressed: int = MAX_DECOMPRESSED,
    ) -> None:
        if compress_above < 0 or max_decompressed < 1_024 or not 1 <= level <= 19:
            raise ValueError(
                "expected compress_above of 0 or more, max_decompressed of 1024 or more and a "
                f"level from 1 to 19, got {compress_above}, {max_decompressed} and {level}"
            )
        self.compress_above = compress_above
        self.max_decompressed = max_decompressed
        self._compressor = zstandard.ZstdCompressor(level=level, write_content_size=True)
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=max_decompressed)

    def encode(self, entry: Entry) -> bytes:
        """The bytes to store for an entry."""
        payload = entry.payload
        if self.compress_above < len(payload) <= self.max_decompressed:
            smaller = self._compressor.compress(payload)
            if len(smaller) < len(payload):
                entry = Entry(entry.key, entry.stamp, smaller, entry.grain)
                return pack(entry, compressed=True)
        return pack(entry, compressed=False)

    def decode(self, stored: bytes, key: str) -> Entry | None:
        """The entry of `key` in these bytes; None, never an error, if they are anything else."""
        unpacked = unpack(stored, key)
        if unpacked is None:
            return None
        entry, compressed = unpacked
        if not compressed:
            return entry
        payload = self._decompress(entry.payload)
        return None if payload is None else Entry(key, entry.stamp, payload, entry.grain)

    def _decompress(self, payload: bytes) -> bytes | None:
        try:
            # The size is read first, and no more than it is ever written: no bomb goes off.
            size = zstandard.frame_content_size(payload)
            if not 0 <= size <= self.max_decompressed:
                return None
            return self._decompressor.decompress(payload, allow_extra_data=False)
        except zstandard.ZstdError:
            return None

    def encode_value(self, value: Any, grain: Grain) -> bytes:
        """See the function of this name."""
        return encode_value(value, grain)


def encode_value(value: Any, grain: Grain) -> bytes:
    """The payload of a value; decode it and use that, also on a miss, so that all tiers agree.

    A fragment is a `Fragment`, bytes that are JSON, or what orjson can encode. Raises `TypeError`
    or `ValueError` for what cannot be encoded.
    """
    try:
        return _encoder.encode(value) if grain is Grain.VALUE else _encode_fragment(value)
    except (OverflowError, RecursionError) as error:
        raise ValueError(f"the value cannot be encoded: {error}") from error


def _encode_fragment(value: Any) -> bytes:
    contents = value.contents if isinstance(value, Fragment) else value
    if not isinstance(contents, bytes):
        return orjson.dumps(contents, default=Fragment.default)
    orjson.loads(contents)  # raises `ValueError`: what is not JSON would break a whole response
    return contents


def decoder_for(result: Any, grain: Grain) -> Callable[[bytes], Any]:
    """What makes values of `result`'s type out of payloads; it raises `ValueError` for others.

    Raises `DeclarationError` for types whose values could be changed by those who read them, that
    cannot be decoded, or that do not go with the grain.
    """
    if grain is Grain.FRAGMENT:
        return _fragment_decoder(result)
    if result in (Fragment, Fragment | None):
        raise DeclarationError(
            "a function that returns a Fragment must have a policy of grain=Grain.FRAGMENT, got "
            "Grain.VALUE: add it"
        )
    try:
        decode = msgspec.msgpack.Decoder(result).decode
    except TypeError as error:
        raise DeclarationError(
            "a cached function must return scalars, tuples or frozen structs, which can be "
            f"decoded, got {result!r}: {error}"
        ) from error
    check_frozen(result)
    return decode


def _fragment_decoder(result: Any) -> Callable[[bytes], Any]:
    if result == Fragment:
        return Fragment
    if result == Fragment | None:
        return lambda payload: None if payload == _NULL else Fragment(payload)
    raise DeclarationError(
        "a function of Grain.FRAGMENT must return a Fragment (or None), which is what its callers "
        f"get, got {result!r}: return Fragment.of(value)"
    )
