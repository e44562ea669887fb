"""`/metrics`: what the cache's observers counted, for Prometheus.

Workers share a port, so a scrape reaches any of them. With several, prometheus_client keeps each
one's numbers in files of a directory that the supervisor gives them (`PROMETHEUS_MULTIPROC_DIR`),
and whoever answers adds them up. A counter stays when its worker ends, or sums would go back.
"""

import asyncio
import os
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cache.integrations.prometheus import PrometheusObserver


class Metrics:
    """One application's metrics; `directory` holds those of all its processes, if it is given."""

    def __init__(self, directory: Path | None = None) -> None:
        self._registry = CollectorRegistry()
        self._directory = directory
        self.observer = PrometheusObserver(self._registry)

    async def answer(self, request: Request) -> Response:
        """The numbers, in the newest format that the asker accepts."""
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        # In a thread: the files of many workers are read, and other requests go on.
        body = await asyncio.to_thread(lambda: encode(self._collected()))
        return Response(body, headers={"Content-Type": kind, "Cache-Control": "no-store"})

    def _collected(self) -> CollectorRegistry:
        if self._directory is None:
            return self._registry
        _forget_ended_processes(self._directory)
        everybody = CollectorRegistry()
        # prometheus_client leaves these two without types
        MultiProcessCollector(everybody, str(self._directory))  # type: ignore[no-untyped-call]
        return everybody


def _forget_ended_processes(directory: Path) -> None:
    """Remove the gauges of workers that were killed: they say how things are, not were."""
    for file in directory.glob("gauge_live*_*.db"):
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            mark_process_dead(process, str(directory))  # type: ignore[no-untyped-call]
        except PermissionError:
            continue  # it lives, as another user


def metrics_routes(metrics: Metrics | None) -> list[BaseRoute]:
    """The path, if there are metrics."""
    return [] if metrics is None else [Route("/metrics", metrics.answer)]
