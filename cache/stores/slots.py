"""Which node of a cluster a key belongs to.

Redis Cluster specification, "Key distribution model" and "Hash tags":
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

_SCRIPTS = frozenset({"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"})
_STREAM_READS = frozenset({"XREAD", "XREADGROUP"})
_WITH_SUBCOMMAND = frozenset({"MEMORY", "OBJECT", "XGROUP", "XINFO"})
_KEYLESS = frozenset(
    {"ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "ECHO", "FUNCTION", "INFO"}
    | {"LATENCY", "MODULE", "PING", "PUBLISH", "ROLE", "SCRIPT", "SLOWLOG", "TIME", "WAIT"}
)


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def key_of(args: Sequence[Any]) -> Any:
    """The first key of a command, as it was given; None for a command without keys."""
    words = str(args[0]).upper().split()
    name, at = words[0], 1
    if name in _KEYLESS:
        return None
    if name in _SCRIPTS:
        return args[3] if int(args[2]) else None
    if name in _STREAM_READS:
        at = [str(word).upper() for word in args].index("STREAMS") + 1
    elif name in _WITH_SUBCOMMAND and len(words) == 1:  # redis-py sends "XINFO STREAM" as one word
        at = 2
    return args[at] if len(args) > at else None


def slot_of(key: Any) -> int:
    """The hash slot of a key, which may be text, bytes or a number."""
    return key_slot(key if isinstance(key, bytes) else str(key).encode())


class SlotTable:
    """The primary of each slot, as one node told it, with what redirections taught since."""

    def __init__(self, owners: list[Address | None], nodes: frozenset[Address]) -> None:
        self._owners = owners
        self.nodes = nodes
        """Primaries and replicas."""

    @classmethod
    def parse(cls, told: Sequence[Any], asked: Address) -> SlotTable:
        """The table in a reply to CLUSTER SLOTS by the node `asked`."""
        owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes = set()
        for first, last, primary, *replicas in told:
            address = _address(primary, asked)
            owners[first : last + 1] = [address] * (last + 1 - first)
            nodes |= {address, *(_address(replica, asked) for replica in replicas)}
        return cls(owners, frozenset(nodes))

    def owner(self, slot: int) -> Address | None:
        """The primary of a slot; None where the cluster has none."""
        return self._owners[slot]

    @property
    def primaries(self) -> frozenset[Address]:
        return frozenset(owner for owner in self._owners if owner is not None)

    def move(self, slot: int, owner: Address) -> None:
        self._owners[slot] = owner
        self.nodes |= {owner}


def _address(node: Sequence[Any], asked: Address) -> Address:
    host, port = node[0], int(node[1])
    if isinstance(host, bytes):
        host = host.decode()
    # A node that does not know its own name leaves it out: it is where it was asked.
    return Address(host if host and host != "?" else asked.host, port)
