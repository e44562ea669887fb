"""The benchmark of write-behind runs: what it counts is all in SQL."""

import re

from tests.examples.test_examples import run


def test_every_view_is_in_sql_and_a_hot_key_is_written_seldom() -> None:
    said = run("benchmarks.write_behind", "--short")
    assert "views are in SQL, each once" in said
    spread, hot, _ = (float(it) for it in re.findall(r"([\d.]+) rows written for 1,000", said))
    assert hot * 10 <= spread
    assert said.count("times as many acknowledged as by") == 6
