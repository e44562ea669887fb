"""Clients by URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from ..breaker import Breaker
from ..facts import BreakerChanged, Observer
from ..observers import Observers
from .cluster import GuardedCluster
from .node import BUDGET, GuardedRedis, NotAskedError
from .slots import Address
from .topology import Topology

__all__ = ["BUDGET", "GuardedCluster", "GuardedRedis", "NotAskedError", "open_redis"]


_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}


def open_redis(
    url: str,
    *,
    connections: int = 32,
    budget: float = BUDGET,
    breaker: Breaker | None = None,
    observers: Iterable[Observer] = (),
) -> GuardedRedis | GuardedCluster:
    """A client with bounded pools for `url`; nothing is sent before the first command.

    `redis://`, `rediss://` or `unix://` for one server; `redis+cluster://host:port,host:port` or
    `rediss+cluster://` for a cluster, of which one node that answers is enough.

    `connections` is the size of a server's pool: whoever finds none free waits for one. `budget` is
    in seconds, for an exchange in all. `breaker` is for one server: each node of a cluster has its
    own. `observers` are told when one of ours opens and closes. Raises `ValueError` for other URLs.

    Sentinel would be one more scheme here: a `GuardedRedis` whose pool is redis-py's
    `SentinelConnectionPool`, which asks for the primary whenever it opens a connection.
    """
    options: dict[str, Any] = {
        "max_connections": connections,
        "timeout": budget,
        # `GuardedRedis` counts the time, and knows when to be lenient: this is a second line.
        "socket_timeout": 4 * budget,
        "socket_connect_timeout": budget,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    tell = Observers(observers)

    def open_node(node_url: str, guard: Breaker | None = None) -> GuardedRedis:
        pool = BlockingConnectionPool.from_url(node_url, **options)
        name = _name(pool)
        guard = guard or Breaker(changed=lambda is_open: tell(BreakerChanged(name, is_open)))
        return GuardedRedis(pool, guard, budget)

    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        return open_node(url, breaker)
    cluster = _ClusterUrl.parse(_SCHEMES[scheme], rest)
    return GuardedCluster(
        Topology(cluster.seeds, lambda address: open_node(cluster.url_of(address)))
    )


@dataclass(frozen=True, slots=True)
class _ClusterUrl:
    """The parts of a cluster's URL: what is before and after the nodes is the same for each."""

    before: str
    seeds: tuple[Address, ...]
    after: str

    @classmethod
    def parse(cls, scheme: str, rest: str) -> _ClusterUrl:
        place, question, query = rest.partition("?")
        credentials, at, nodes = place.rstrip("/").rpartition("@")
        if not nodes or "/" in nodes:
            raise ValueError(
                f"a cluster's URL must look like redis+cluster://host:port,host:port, without a "
                f"database number (a cluster has none), got {nodes!r} after the scheme"
            )
        seeds = tuple(_address(node) for node in nodes.split(","))
        return cls(f"{scheme}://{credentials}{at}", seeds, f"{question}{query}")

    def url_of(self, node: Address) -> str:
        host = f"[{node.host}]" if ":" in node.host else node.host
        return f"{self.before}{host}:{node.port}{self.after}"


def _address(text: str) -> Address:
    parsed = urlsplit(f"//{text}")
    return Address(parsed.hostname or "localhost", parsed.port or 6379)


def _name(pool: BlockingConnectionPool) -> str:
    known = pool.connection_kwargs
    return str(known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}")
