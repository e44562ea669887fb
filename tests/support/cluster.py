"""A real Redis Cluster of Valkey processes on the loopback interface, for tests that break it.

Each process is under the same guard as every other server of the tests: it is gone when whoever
started it is gone, killed or not.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from ops.embedded import EmbeddedServerError, ValkeyServer
from tests.support.postgres import free_port
from tests.support.processes import until

SLOTS = 16_384
NODE_TIMEOUT = 5_000
"""Milliseconds after which the others take a silent node for failed: long, so that a busy machine
is not taken for a dead node. Tests of failover choose a shorter one."""

_ATTEMPTS = 3
"""Times that a node is started, in case that somebody else took its port in between."""


class ClusterNode:
    """One process of the cluster, and a client that asks it and no other."""

    def __init__(self, server: ValkeyServer) -> None:
        self.server = server
        self.client = Redis.from_url(server.url)
        self.id = self.client.execute_command("CLUSTER", "MYID").decode()
        self.port = server.port
        self.bus_port = int(self.client.config_get("cluster-port")["cluster-port"])

    def ask(self, *words: Any) -> Any:
        return self.client.execute_command(*words)

    @property
    def is_primary(self) -> bool:
        """Whether it runs, and takes itself for a primary."""
        try:
            return self.ask("ROLE")[0] == b"master"
        except RedisConnectionError:
            return False

    def owner(self, slot: int) -> int:
        """The port of the slot's primary, as this node knows it."""
        for first, last, (_, port, *_), *_ in self.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(port)
        raise LookupError(f"no node serves the slot {slot}")

    def facts(self) -> dict[str, str]:
        """What CLUSTER INFO says."""
        lines = self.client.execute_command("CLUSTER", "INFO")
        if isinstance(lines, dict):
            return lines
        return dict(line.split(":", 1) for line in lines.decode().split())

    def calls(self, command: str) -> int:
        """How often a command was called here."""
        stats: dict[str, Any] = self.client.info("commandstats")
        return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])

    def errors(self, kind: str) -> int:
        """How often a command was answered with this error here."""
        stats: dict[str, Any] = self.client.info("errorstats")
        return int(stats.get(f"errorstat_{kind}", {"count": 0})["count"])


class Cluster:
    """The nodes: `primaries` with equal shares of the slots, each with so many `replicas`."""

    def __init__(self, nodes: Sequence[ClusterNode], primaries: int) -> None:
        self.nodes = nodes
        self.primaries = list(nodes[:primaries])
        self._form(nodes[primaries:])

    @property
    def url(self) -> str:
        """For `open_redis`: two of the primaries are enough to find the rest."""
        seeds = ",".join(f"127.0.0.1:{node.port}" for node in self.primaries[:2])
        return f"redis+cluster://{seeds}"

    def owner(self, key: str) -> ClusterNode:
        """The primary of a key, as the cluster says now."""
        asked = next(node for node in self.nodes if node.is_primary)
        port = asked.owner(key_slot(key.encode()))
        return next(node for node in self.nodes if node.port == port)

    def replica_of(self, primary: ClusterNode) -> ClusterNode:
        return next(
            node
            for node in self.nodes
            if not node.is_primary and node.ask("ROLE")[2] == primary.port
        )

    def move(self, key: str, target: ClusterNode) -> None:
        """Move the slot of `key`, with all of its keys, as `redis-cli --cluster reshard` does."""
        slot, source = self.begin_move(key, target)
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
        self.end_move(slot, target)

    def begin_move(self, key: str, target: ClusterNode) -> tuple[int, ClusterNode]:
        """Mark the slot as moving: from now on keys that are not there are asked of the target."""
        slot, source = key_slot(key.encode()), self.owner(key)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        return slot, source

    def end_move(self, slot: int, target: ClusterNode) -> None:
        for node in [target, *(node for node in self.nodes if node is not target)]:
            if node.is_primary:
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)

    def kill(self, primary: ClusterNode) -> ClusterNode:
        """Kill a primary, as a crash does, and wait until all know its replica as one; that."""
        replica = self.replica_of(primary)
        [first, *_] = [
            slots for slots in primary.ask("CLUSTER", "SLOTS") if slots[2][1] == primary.port
        ]
        primary.server.stop(kill=True)
        until(lambda: replica.is_primary and replica.facts()["cluster_state"] == "ok", 30.0)
        others = [node for node in self.nodes if node is not primary]
        until(lambda: all(node.owner(first[0]) == replica.port for node in others), 30.0)
        return replica

    def _form(self, replicas: Sequence[ClusterNode]) -> None:
        share = SLOTS // len(self.primaries)
        for index, node in enumerate(self.primaries):
            last = SLOTS - 1 if node is self.primaries[-1] else (index + 1) * share - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", index * share, last)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self.nodes[0].bus_port)
        self._wait()
        for index, node in enumerate(replicas):
            node.ask("CLUSTER", "REPLICATE", self.primaries[index % len(self.primaries)].id)
        for node in replicas:
            until(lambda node=node: node.ask("ROLE")[3] == b"connected", 30.0)
        self._wait()

    def _wait(self) -> None:
        for node in self.nodes:
            until(lambda node=node: self._is_whole(node.facts()), 30.0)

    def _is_whole(self, facts: dict[str, str]) -> bool:
        knows_all = int(facts["cluster_known_nodes"]) == len(self.nodes)
        serves_all = int(facts["cluster_slots_ok"]) == SLOTS
        return knows_all and serves_all and facts["cluster_state"] == "ok"


@contextmanager
def cluster(*, primaries: int = 3, replicas: int = 0, **options: str) -> Iterator[Cluster]:
    """A cluster of one's own; `replicas` for each primary, `options` are Valkey's settings."""
    settings = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": str(NODE_TIMEOUT),
        "cluster-require-full-coverage": "no",
        "repl-diskless-sync-delay": "0",
        "appendonly": "no",
        **{name.replace("_", "-"): value for name, value in options.items()},
    }
    with ExitStack() as closing:
        nodes = [closing.enter_context(_node(settings)) for _ in range(primaries * (1 + replicas))]
        yield Cluster(nodes, primaries)


@contextmanager
def _node(settings: dict[str, str]) -> Iterator[ClusterNode]:
    directory = Path(tempfile.mkdtemp(prefix="fqc"))
    try:
        with _stopping(_started(directory, settings)) as server:
            node = ClusterNode(server)
            try:
                yield node
            finally:
                node.client.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _started(directory: Path, settings: dict[str, str]) -> ValkeyServer:
    for _ in range(_ATTEMPTS - 1):
        with suppress(EmbeddedServerError):
            return _start(directory, settings)
    return _start(directory, settings)


def _start(directory: Path, settings: dict[str, str]) -> ValkeyServer:
    own = {**settings, "cluster-port": str(free_port())}
    server = ValkeyServer(directory, port=free_port(), options=own)
    server.start()
    return server


@contextmanager
def _stopping(server: ValkeyServer) -> Iterator[ValkeyServer]:
    try:
        yield server
    finally:
        server.stop()
