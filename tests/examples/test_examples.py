"""What `examples/` and `benchmarks/` promise runs, in a short form."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    """The output of a Python module of this repository."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_engine_on_its_own() -> None:
    assert run("examples.standalone").splitlines() == [
        "  (loads tea)",
        "first: Price(product='tea', cents=350)",
        "again: Price(product='tea', cents=350)",
        "  (loads tea)",
        "after the write: Price(product='tea', cents=375)",
    ]


def test_the_benchmark_of_look_ups_runs() -> None:
    said = run("benchmarks.look_ups", "--short", "--entries", "100")
    for one in ("one GET at a time", "cashews", "aiocache", "cache, from Redis"):
        assert f"{one} " in said


def test_the_benchmark_of_following_runs() -> None:
    assert "within an eighth of it" in run("benchmarks.following", "--short")


def test_the_benchmark_of_purges_runs() -> None:
    said = run("benchmarks.purges", "--short").splitlines()
    assert said[0].split() == ["entries", "watermark", "ratio", "tag", "set", "ratio"]
    assert [line.split()[0] for line in said[1:]] == ["1", "1,000"]


def test_the_benchmark_of_hits_in_memory_runs() -> None:
    assert "a hit in memory" in run("benchmarks.memory_hits", "--short")


def test_the_benchmark_of_first_fills_runs() -> None:
    assert "follows the log" in run("benchmarks.first_fills", "--short")
