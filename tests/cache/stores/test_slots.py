"""Which node a key belongs to."""

from typing import Any

import pytest

from cache.keys import storage_key
from cache.stores.slots import Address, SlotTable, key_of, slot_of

ASKED = Address("10.0.0.9", 6379)


@pytest.mark.parametrize(
    ("args", "key"),
    [
        (("GET", "a"), "a"),
        (("set", b"a", "value", "PX", 5), b"a"),
        (("EVALSHA", "digest", 2, "a", "b", "argument"), "a"),
        (("EVAL", "return 1", 0, "argument"), None),
        (("XREAD", "COUNT", 1, "BLOCK", 5, "STREAMS", "log", "0-0"), "log"),
        (("XREADGROUP", "GROUP", "g", "me", "streams", "log", ">"), "log"),
        (("XINFO STREAM", "log"), "log"),
        (("XINFO", "STREAM", "log"), "log"),
        (("MEMORY USAGE", "a"), "a"),
        (("PING",), None),
        (("PUBLISH", "channel", "message"), None),
        (("SCRIPT LOAD", "return 1"), None),
        (("CLUSTER", "SLOTS"), None),
        (("RANDOMKEY",), None),
    ],
)
def test_the_key_of_a_command(args: tuple[Any, ...], key: Any) -> None:
    assert key_of(args) == key


def test_the_specifications_example_and_its_hash_tags() -> None:
    assert slot_of("123456789") == 0x31C3 % 16_384
    assert (
        slot_of("{user1000}.following") == slot_of(b"{user1000}.followers") == slot_of("user1000")
    )
    assert slot_of(7) == slot_of("7")


def test_a_table_names_primaries_and_knows_replicas() -> None:
    table = SlotTable.parse(
        [
            [0, 99, [b"10.0.0.1", 7000, b"id", []], [b"10.0.0.2", 7001, b"id", []]],
            [100, 200, [b"10.0.0.3", 7000, b"id", []]],
        ],
        ASKED,
    )

    assert table.owner(0) == table.owner(99) == Address("10.0.0.1", 7000)
    assert table.owner(200) == Address("10.0.0.3", 7000)
    assert table.owner(201) is None
    assert table.primaries == {Address("10.0.0.1", 7000), Address("10.0.0.3", 7000)}
    assert table.nodes == table.primaries | {Address("10.0.0.2", 7001)}


@pytest.mark.parametrize("host", [b"", None, b"?"])
def test_a_node_without_a_name_is_where_it_was_asked(host: bytes | None) -> None:
    table = SlotTable.parse([[0, 16_383, [host, 7000, b"id"]]], ASKED)

    assert table.owner(5) == Address("10.0.0.9", 7000)


def test_a_redirection_moves_one_slot() -> None:
    table = SlotTable.parse([[0, 16_383, [b"10.0.0.1", 7000, b"id"]]], ASKED)
    table.move(5, Address("10.0.0.2", 7000))

    assert table.owner(5) == Address("10.0.0.2", 7000)
    assert table.owner(6) == Address("10.0.0.1", 7000)
    assert Address("10.0.0.2", 7000) in table.nodes


def test_arguments_with_braces_do_not_put_entries_on_one_node() -> None:
    keys = [f'search["text {number}",{{"first":20}}]' for number in range(200)]

    assert len({slot_of(f"prefix:e:{key}") for key in keys}) == 1  # so it was
    assert len({slot_of(storage_key("prefix", key)) for key in keys}) > 150
