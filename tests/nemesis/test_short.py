"""The short form: real servers, some faults, no violation. The long: `python -m tests.nemesis`."""

import pytest

from tests.nemesis.report import report
from tests.nemesis.run import Plan, run


@pytest.mark.nemesis
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_nothing_is_lost_and_nothing_stays_stale(database: str) -> None:
    plan = Plan(database=database, workers=2, clients=12, operations=1_000, faults=8, calm=2.0)
    done = await run(plan)

    print(report(done))
    assert done.findings.violations == [], report(done)
    assert done.log.internal == []
    assert done.faults.total() == plan.faults
    assert done.findings.field_reads + done.findings.field_writes >= plan.operations
    assert done.findings.overlapping > 100
    assert done.findings.ages, "nothing was read while all was well"
    assert max(done.findings.ages) < 1.0
