"""A run in words."""

from collections.abc import Iterator, Sequence

from tests.nemesis.run import Plan, Run


def report(run: Run) -> str:
    """Everything that somebody wants to know of a run."""
    return "\n".join(_lines(run))


def command(plan: Plan) -> str:
    """How to play the same faults again. When each meets which request, chance decides."""
    return (
        f"python -m tests.nemesis --database {plan.database} --workers {plan.workers} "
        f"--clients {plan.clients} --operations {plan.operations} --faults {plan.faults} "
        f"--seconds {plan.seconds:g} --calm {plan.calm:g} --seed {plan.seed} "
        f"--fsync {plan.fsync} --app {plan.app}"
    )


def _lines(run: Run) -> Iterator[str]:
    found, history = run.findings, run.log.history
    total = found.field_reads + found.field_writes
    share = found.field_writes / max(1, total)
    yield f"{run.plan.database}, {run.plan.workers} workers, {run.seconds:.0f} s"
    yield f"requests       {run.log.requests.total():,}: {_tally(run.log.requests)}"
    yield f"checked        {total:,} fields read and written, {share:.1%} of them writes"
    yield f"records        {len(history.reads):,} reads, {len(history.writes):,} writes"
    yield f"overlapping    {found.overlapping:,} pairs of a read and a write"
    yield f"faults         {run.faults.total()}: {_tally(run.faults)}"
    yield f"redis away     {len(history.outages)} times by a worker's own word"
    yield f"errors         {run.log.errors.total():,}: {_tally(run.log.errors)}"
    yield f"stale, calm    {_distribution(found.ages)}"
    yield f"stale, faults  {_distribution(found.ages_in_faults)}"
    yield f"went back      {found.went_back:,} reads, where promise 3 leaves it open"
    lost = sum(amount for lost in history.lost.values() for _, amount in lost)
    yield f"in Redis when emptied  {lost} views and points"
    yield f"compared       {len(history.finals):,} keys with the database, at each worker"
    yield f"violations     {found.count}: {_tally(found.tally)}"
    yield from (f"  {violation}" for violation in found.violations)
    yield from (f"  unexpected error: {error}" for error in run.log.internal[:10])
    yield f"again          {command(run.plan)}"


def _tally(tally: "dict[str, int]") -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(tally.items())) or "none"


def _distribution(ages: Sequence[float]) -> str:
    """Of all reads; most are told the newest."""
    if not ages:
        return "nothing was read"
    ordered = sorted(ages)
    p50, p99, p999 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99, 0.999))
    stale = sum(age > 0 for age in ordered)
    return (
        f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, p99.9 {p999 * 1000:.0f} ms, "
        f"max {ordered[-1] * 1000:.0f} ms; {stale:,} of {len(ordered):,} reads were not the newest"
    )
