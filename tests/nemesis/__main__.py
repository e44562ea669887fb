"""`python -m tests.nemesis --database postgres --workers 4 --operations 1000000 --faults 200`."""

import argparse
import asyncio
import sys

from tests.nemesis.report import report
from tests.nemesis.run import Plan, run


def main() -> int:
    """Run what the arguments say; 1 if a promise was broken."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default=plan.database)
    parser.add_argument("--fsync", choices=["always", "everysec"], default=plan.fsync)
    parser.add_argument("--app", default=plan.app)
    for name in ("workers", "clients", "operations", "faults", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(plan, name))
    for name in ("seconds", "calm"):
        parser.add_argument(f"--{name}", type=float, default=getattr(plan, name))
    done = asyncio.run(run(Plan(**vars(parser.parse_args()))))
    print(report(done))
    return 1 if done.findings.count else 0


if __name__ == "__main__":
    sys.exit(main())
