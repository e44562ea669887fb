"""The envelope and its bytes: what goes in comes out, and nothing else does."""

import random
import struct
from typing import Any
from zlib import crc32

import msgspec
import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.codec import Codec, decoder_for, encode_value
from cache.entry import VERSION, Entry, pack
from cache.errors import DeclarationError
from cache.fragment import Fragment
from cache.policy import Grain
from cache.protocol import Stamp

KEY = "resolvers.products.product@0123456789ab[null,42]"
STAMP = Stamp(
    epoch="9f86d081884c7d65",
    dependencies={"product:42": 1_767_225_600_123, "products": 1_767_225_600_120},
    stored=1_767_225_600.25,
    soft=1_767_225_900.25,
    hard=1_767_225_960.25,
    cost=0.0125,
    strict=True,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=40)
stamps = st.builds(
    lambda times, **known: Stamp(**known, stored=times[0], soft=times[1], hard=times[2]),
    st.lists(finite, min_size=3, max_size=3).map(sorted),
    epoch=texts,
    dependencies=st.dictionaries(texts, st.integers(0, 2**53), max_size=5),
    cost=finite,
    strict=st.booleans(),
)
payloads = st.binary(max_size=60) | st.binary(max_size=20).map(lambda part: part * 300)
entries = st.builds(Entry, texts, stamps, payloads, st.sampled_from(Grain))
codecs = st.builds(Codec, compress_above=st.sampled_from([0, 50, 1024]), level=st.integers(1, 19))


def entry(payload: bytes) -> Entry:
    return Entry(KEY, STAMP, payload)


def sealed(packed: bytes) -> bytes:
    """With the checksum that belongs to it: what an older program, or an enemy, would store."""
    return packed + crc32(packed).to_bytes(4, "little")


def envelope(*body: Any, flags: int = 1) -> bytes:
    return sealed(bytes([VERSION, flags]) + msgspec.msgpack.encode(body))


def body(payload: bytes, /, **changed: Any) -> tuple[Any, ...]:
    """The fields of an envelope, in their order."""
    fields = {
        "key": KEY,
        "epoch": "e",
        "dependencies": {"tag": 1},
        "stored": 1.0,
        "soft": 2.0,
        "hard": 3.0,
        "cost": 0.0,
        "strict": False,
        "payload": payload,
    }
    assert changed.keys() <= fields.keys()
    return tuple((fields | changed).values())


# ---- what goes in comes out ----


@settings(deadline=None)
@given(entries, codecs)
def test_entries_come_back_as_they_were(stored: Entry, codec: Codec) -> None:
    assert codec.decode(codec.encode(stored), stored.key) == stored


@settings(deadline=None)
@given(entries, codecs, codecs)
def test_settings_do_not_change_what_is_read(stored: Entry, writer: Codec, reader: Codec) -> None:
    assert reader.decode(writer.encode(stored), stored.key) == stored


def test_large_payloads_are_compressed_where_that_makes_them_smaller() -> None:
    codec = Codec(compress_above=1_000)
    below, above = b"a" * 1_000, b"a" * 1_001
    noise = random.Random(1).randbytes(5_000)
    assert len(codec.encode(entry(below))) > 1_000
    assert len(codec.encode(entry(above))) < 250
    assert len(codec.encode(entry(noise))) > 5_000
    for payload in (below, above, noise, b""):
        assert codec.decode(codec.encode(entry(payload)), KEY) == entry(payload)


# ---- nothing else does ----


@pytest.mark.parametrize("payload", [b"", b"short", b"a long one, compressed" * 100])
def test_a_flipped_bit_is_a_miss(payload: bytes) -> None:
    codec = Codec()
    stored = codec.encode(entry(payload))
    assert codec.decode(stored, KEY) is not None
    for bit in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[bit // 8] ^= 1 << bit % 8
        assert codec.decode(bytes(flipped), KEY) is None, f"bit {bit}"


def test_without_the_checksum_flipped_bits_are_served() -> None:
    """The control: the checksum it is that sees them, not the shape of the rest."""
    codec = Codec()
    packed = codec.encode(entry(b"short"))[:-4]
    served = 0
    for bit in range(len(packed) * 8):
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        served += codec.decode(sealed(bytes(flipped)), KEY) is not None
    assert served > 100


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_a_miss(stored: bytes) -> None:
    assert Codec().decode(stored, KEY) is None


@settings(deadline=None)
@given(entries, st.data())
def test_damage_of_any_kind_is_a_miss(stored: Entry, data: st.DataObject) -> None:
    codec = Codec()
    whole = codec.encode(stored)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert codec.decode(whole[:cut], stored.key) is None
    assert codec.decode(whole + b"\0", stored.key) is None
    place = data.draw(st.integers(0, len(whole) - 1))
    garbage = data.draw(st.binary(min_size=1, max_size=4))
    damaged = whole[:place] + garbage + whole[place + len(garbage) :]
    assert damaged == whole or codec.decode(damaged, stored.key) is None


@settings(deadline=None)
@given(st.integers(0, 255), st.binary(max_size=80))
def test_no_bytes_raise_whatever_their_checksum_says(flags: int, rest: bytes) -> None:
    Codec().decode(sealed(bytes([VERSION, flags]) + rest), KEY)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | texts
    | st.binary(max_size=30) | st.just(KEY) | st.just(STAMP.dependencies),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, 255), st.lists(anything, max_size=11))
def test_no_body_raises_whatever_it_holds(flags: int, parts: list[Any]) -> None:
    Codec().decode(envelope(*parts, flags=flags), KEY)


@settings(deadline=None)
@given(st.data())
def test_no_body_that_is_nearly_right_raises(data: st.DataObject) -> None:
    parts = list(body(data.draw(payloads)))
    parts[data.draw(st.integers(0, len(parts) - 1))] = data.draw(anything)
    Codec().decode(envelope(*parts, flags=data.draw(st.sampled_from([1, 2, 0x11, 0x12]))), KEY)


def test_what_is_not_quite_an_entry_is_a_miss() -> None:
    codec, fine = Codec(), envelope(*body(b"x"))
    nan = float("nan")
    assert codec.decode(fine, KEY) is not None, "the control"
    others = {
        "another version": sealed(bytes([VERSION + 1]) + fine[1:-4]),
        "the version before": sealed(bytes([VERSION - 1]) + fine[1:-4]),
        "an unknown grain": envelope(*body(b"x"), flags=3),
        "no grain": envelope(*body(b"x"), flags=0),
        "an unknown flag": envelope(*body(b"x"), flags=0x21),
        "said to be compressed": envelope(*body(b"x"), flags=0x11),
        "another key": envelope(*body(b"x", key=KEY + " ")),
        "more fields": envelope(*body(b"x"), "more"),
        "fewer fields": envelope(*body(b"x")[:-1]),
        "a number for bytes": envelope(*body(b"x", payload=1)),
        "not UTF-8": fine.replace(b"tag", b"ta\xff"),
        "an expiry that is no number": envelope(*body(b"x", soft=nan)),
        "an end that is no number": envelope(*body(b"x", hard=nan)),
        "a begin that is no number": envelope(*body(b"x", stored=nan)),
        "an end before its begin": envelope(*body(b"x", hard=0.5)),
        "empty": b"",
    }
    for what, stored in others.items():
        assert codec.decode(stored, KEY) is None, what
    broken = sealed(fine.replace(b"tag", b"ta\xff")[:-4])
    assert codec.decode(broken, KEY) is None, "not UTF-8, with its checksum"


def test_a_crossed_reply_is_a_miss() -> None:
    codec = Codec()
    assert codec.decode(codec.encode(entry(b"mine")), KEY.replace("42", "43")) is None


# ---- bombs ----


def compressed(payload: bytes) -> bytes:
    return pack(entry(payload), compressed=True)


def test_a_decompression_bomb_is_refused_before_it_goes_off() -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(200 * 2**20))
    assert len(bomb) < 30_000
    assert Codec().decode(compressed(bomb), KEY) is None


def test_the_cap_is_exact() -> None:
    codec, roomy = Codec(max_decompressed=4_096), Codec()
    largest, larger = bytes(4_096), bytes(4_097)
    assert codec.decode(roomy.encode(entry(largest)), KEY) == entry(largest)
    assert codec.decode(roomy.encode(entry(larger)), KEY) is None
    # What the cap refuses is not written compressed either, so that it can be read again.
    assert codec.decode(codec.encode(entry(larger)), KEY) == entry(larger)


def test_frames_that_do_not_tell_the_truth_about_their_size_are_refused() -> None:
    codec, payload = Codec(), b"ab" * 5_000
    honest = zstandard.ZstdCompressor().compress(payload)
    assert codec.decode(compressed(honest), KEY) == entry(payload), "the control"
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(payload)
    place = honest.index(struct.pack("<H", len(payload) - 256))
    frames = {
        "no size": silent,
        "too small": honest[:place] + struct.pack("<H", 8) + honest[place + 2 :],
        "too large": honest[:place] + struct.pack("<H", 60_000) + honest[place + 2 :],
        "cut": honest[:-1],
        "two frames": honest + honest,
        "something after it": honest + b"x",
        "no frame": b"not zstandard at all",
        "nothing": b"",
    }
    for what, frame in frames.items():
        assert codec.decode(compressed(frame), KEY) is None, what


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"compress_above": -1}, {"max_decompressed": 0}, {"level": 0}, {"level": 20}):
        with pytest.raises(ValueError, match=f"expected .* got .*{next(iter(wrong.values()))}"):
            Codec(**wrong)


# ---- fragments ----


def test_fragments_are_finished_json_in_every_tier() -> None:
    decode = decoder_for(Fragment, Grain.FRAGMENT)
    row = {"id": 42, "name": "Lamp"}
    wanted = Fragment(b'{"id":42,"name":"Lamp"}')
    assert Fragment.of(row) == wanted
    for given_ in (wanted, wanted.contents, row):
        assert decode(encode_value(given_, Grain.FRAGMENT)) == wanted
    whole = orjson.dumps({"a": [wanted, wanted], "b": 1}, default=Fragment.default)
    assert orjson.loads(whole) == {"a": [row, row], "b": 1}
    assert Fragment.of((wanted,)).contents == b'[{"id":42,"name":"Lamp"}]'
    with pytest.raises(AttributeError):
        wanted.contents = b"1"  # type: ignore[misc]  # the point of the test


def test_a_fragment_that_is_not_there_is_none() -> None:
    decode = decoder_for(Fragment | None, Grain.FRAGMENT)
    assert decode(encode_value(None, Grain.FRAGMENT)) is None
    assert decode(encode_value(Fragment(b"1"), Grain.FRAGMENT)) == Fragment(b"1")


def test_what_would_break_a_response_is_no_fragment() -> None:
    for broken in (b"{", b"", b"'1'", b'"\xff"', Fragment(b"1,2")):
        with pytest.raises(ValueError, match=r"."):
            encode_value(broken, Grain.FRAGMENT)
    for unknown in (object(), {"a": object()}, 2**70):
        with pytest.raises(TypeError):
            encode_value(unknown, Grain.FRAGMENT)


def test_a_grain_and_a_result_type_go_together() -> None:
    with pytest.raises(DeclarationError, match=r"must return a Fragment \(or None\).*got .*int"):
        decoder_for(int, Grain.FRAGMENT)
    for fragments in (Fragment, Fragment | None):
        with pytest.raises(DeclarationError, match=r"must have a policy of grain=Grain.FRAGMENT"):
            decoder_for(fragments, Grain.VALUE)
