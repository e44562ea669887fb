"""The auditor: loads anew what was served, and reports what was stale beyond the promise.

    auditor = Auditor(cache, rate=0.001, observers=[...])
    cache.audit(auditor.served)

Safe in production. It finds the write that leaves out a tag, or that goes past the application.
What it takes for staleness is a *difference*: a function whose loads do not answer alike twice
(chance, the time of day) belongs in `exclude`.
"""

from __future__ import annotations

import asyncio
import logging
import random as randomness
from collections.abc import Callable, Collection, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from .call import Call
from .clock import Clock, SystemClock
from .context import Scope, bypass, current_scope, scoped
from .facts import Audited, Observer, Tier
from .findings import Finding, Report, Sample, Seen
from .observers import Observers
from .protocol import Barrier, Look, Stamp, judge_remotely
from .tasks import end

if TYPE_CHECKING:
    from .engine import Cache

log = logging.getLogger(__name__)

MARGIN = 0.5
"""Of the promised staleness, what is waited beyond it: commit and purge are not one moment."""

MOST_RUNNING = 16
"""Audits at once. One that met a difference keeps its place until the promise has run out."""

PER_SECOND = 10.0
"""Audits that begin in a second."""

LOAD_SECONDS = 10.0
"""A load that takes longer is not waited for."""


class Auditor:
    """Audits a part of what a cache serves from its tiers, in the background.

    1. The value that was served is loaded once more, for the same viewer and through no cache. If
       both are equal, all is well.
    2. If not, its source was changed before some moment r. Everybody sees a change within the
       cache's `max_staleness`, so the auditor waits that long from r, and a margin.
    3. Then the *same* entry is judged by the server, as of a head that is asked for then. If it was
       purged or its time is over, all is well: whoever asked in between was within the promise. If
       it is still valid, and a second load differs as well, any reader may still get what has been
       wrong since r: a `Defect` with the entry's history, and `Audited(stale_beyond=seconds)`.

    - `rate`, from 0 to 1, is the share that is sampled; `per_second` and `most_running` bound it.
    - `exclude` names functions, as facts name them.
    - `margin` in seconds; half of the cache's `max_staleness` if not given.
    - `clock` is the cache's, if it has one of its own; `random` gives numbers in [0, 1).

    A load that fails is no finding.
    """

    def __init__(  # noqa: PLR0913 - keyword arguments of an application's composition root
        self,
        cache: Cache,
        *,
        rate: float,
        observers: Iterable[Observer] = (),
        exclude: Collection[str] = (),
        margin: float | None = None,
        per_second: float = PER_SECOND,
        most_running: int = MOST_RUNNING,
        clock: Clock | None = None,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be from 0 (nothing) to 1 (everything), got {rate!r}")
        self.report = Report()
        self._cache = cache
        self._rate = rate
        self._tell = Observers(observers)
        self._exclude = frozenset(exclude)
        self._promised = cache.settings.max_staleness
        self._margin = MARGIN * self._promised if margin is None else margin
        self._pause = 1 / per_second
        self._most_running = most_running
        self._clock = clock or SystemClock()
        self._random = random
        self._next_at = self._clock.now()
        self._running: set[asyncio.Task[None]] = set()

    def served(self, call: Call, stamp: Stamp, value: Any, tier: Tier) -> None:
        """The cache's hook: a value was served from a tier. Returns at once."""
        if self._random() >= self._rate or call.name in self._exclude:
            return
        now = self._clock.now()
        if len(self._running) >= self._most_running or now < self._next_at:
            self.report.skipped += 1
            return
        self._next_at = now + self._pause
        sample = Sample(call, stamp, value, tier, current_scope(), now)
        loop = asyncio.get_running_loop()
        # A clean context: no transaction, no deadline and no load of whoever was served.
        task = loop.create_task(self._audit(sample), name="cache: audit", context=Context())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def idle(self) -> None:
        """Wait until no audit runs."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def aclose(self) -> None:
        """Stop what runs. Call it before the cache is closed."""
        await end(self._running)

    async def _audit(self, sample: Sample) -> None:
        try:
            finding = await self._examine(sample)
        except Exception as error:  # noqa: BLE001 - the load's, or the store's that is away
            self.report.failed += 1
            log.debug("an audit of %s came to nothing: %r", sample.call.name, error)
            return
        self.report.audited += 1
        beyond = None
        if finding is not None:
            self.report.stale += 1
            beyond = finding.judged_at - finding.different_at - self._promised
            self._tell(finding.defect())
        self._tell(Audited(sample.call.key, sample.call.name, beyond))

    async def _examine(self, sample: Sample) -> Finding | None:
        served = Seen.of(sample.call, sample.value)
        loaded = await self._load(sample)
        if loaded.equals(served):
            return None
        different_at = self._clock.now()
        await self._sleep_until(different_at + self._promised + self._margin)
        judged_at = self._clock.now()
        look: Look = await self._cache.watermarks(sample.stamp.dependencies)
        if not self._is_servable(sample, look):
            return None
        loaded_again = await self._load(sample)
        if loaded_again.equals(served):
            return None  # it was changed back, or this load answers as it likes
        return Finding(sample, look, different_at, judged_at, served, loaded, loaded_again)

    async def _load(self, sample: Sample) -> Seen:
        scope = Scope(self._cache, sample.scope.viewer, Barrier(rules=self._cache.rules))
        with scoped(scope), bypass("an audit"):
            async with asyncio.timeout(LOAD_SECONDS):
                return Seen.of(sample.call, await sample.call.load())

    async def _sleep_until(self, moment: float) -> None:
        while (left := moment - self._clock.now()) > 0:
            await self._clock.sleep(left)

    def _is_servable(self, sample: Sample, look: Look) -> bool:
        """Whether a reader would still get this entry: not purged (J3), and in time."""
        limit = sample.stamp.soft + sample.call.policy.stale_while_revalidate
        verdict = judge_remotely(sample.stamp, look, self._cache.rules)
        return verdict is None and look.now < limit
