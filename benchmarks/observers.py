"""What observing costs: nanoseconds of CPU time for each fact, the best of several rounds.

python -m benchmarks.observers                                       # one process
PROMETHEUS_MULTIPROC_DIR=$(mktemp -d) python -m benchmarks.observers   # as several workers count
"""

import time
import timeit
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from cache import Cache
from cache.auditor import Auditor
from cache.call import Call, Declared
from cache.facts import Hit, Loaded, Tier
from cache.integrations.prometheus import PrometheusObserver
from cache.observers import Observers
from cache.policy import CachePolicy
from cache.protocol import Stamp
from cache.stores.memory import MemoryServer, MemoryStore

TIMES = 50_000
ROUNDS = 15


def measure(label: str, act: Callable[[], object]) -> None:
    """Print how long one call takes."""
    rounds = timeit.repeat(act, number=TIMES, repeat=ROUNDS, timer=time.process_time)
    print(f"{label:42}{min(rounds) / TIMES * 1e9:8.0f} ns")


async def _load() -> None:
    """A load that is not run."""


def main() -> None:
    """Measure and print."""
    hit, loaded = Hit("key", "name", Tier.MEMORY, 1.0), Loaded("key", "name", 0.01, failed=False)
    nobody, prometheus = Observers(), Observers([PrometheusObserver(CollectorRegistry())])
    measure("ask whether anybody observes", lambda: bool(nobody))
    measure("tell nobody", lambda: nobody(hit))
    measure("make a Hit", lambda: Hit("key", "name", Tier.MEMORY, 1.0))
    measure("tell Prometheus a Hit", lambda: prometheus(hit))
    measure("tell Prometheus a Loaded (a histogram)", lambda: prometheus(loaded))

    # Never sampled: what every other hit pays.
    auditor = Auditor(Cache(MemoryStore(MemoryServer())), rate=0.001, random=lambda: 0.5)
    call = Call(Declared("name", CachePolicy(ttl=1), lambda _: None), "key", _load, tuple)
    stamp = Stamp("epoch", {}, 0.0, 1.0, 1.0)
    measure("a hit that is not audited", lambda: auditor.served(call, stamp, None, Tier.MEMORY))


if __name__ == "__main__":
    main()
