"""The page on policies: its example runs, its table is complete, what it says is refused is."""

import re
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

import cache
from cache import Cache, CachePolicy, Codec, RedisStore
from cache.codec import COMPRESS_ABOVE, LEVEL, MAX_DECOMPRESSED

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "policies.md").read_text("utf-8")
CODEC = (DOCS / "codec.md").read_text("utf-8")
[EXAMPLE] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[REFUSED] = re.findall(r"```python refused\n(.*?)```", PAGE, re.DOTALL)


async def test_the_example_runs(redis: Redis, key_prefix: str) -> None:
    loads: list[int] = []

    async def load(product_id: int) -> int:
        loads.append(product_id)
        return product_id * 100

    async def load_name(product_id: int) -> str:
        return str(await load(product_id))

    names: dict[str, Any] = {"__name__": "example", "load_name": load_name, "load_price": load}
    exec(EXAMPLE, names)
    engine = Cache(RedisStore(redis, key_prefix))
    with engine.activate("anonymous"):
        for _ in range(2):
            assert await names["product_name"](42) == "4200"
            assert await names["price"](7) == 700
        assert loads == [42, 7]
        await engine.invalidate_namespace("catalogue")
        assert await names["product_name"](42) == "4200"
        assert await names["price"](7) == 700
    assert loads == [42, 7, 42]
    await engine.close()


def test_the_table_has_every_option_with_its_default() -> None:
    table = PAGE.split("## Every option")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    assert list(rows) == [
        "ttl", "stale_while_revalidate", "stale_if_error", "negative_ttl", "jitter", "early",
        "scope", "namespace", "tags", "consistency", "grain", "load_timeout", "lease",
    ] == [field.name for field in fields(CachePolicy)]  # fmt: skip
    for field in fields(CachePolicy):
        said = rows[field.name].strip("`")
        if field.default is MISSING or field.name == "negative_ttl":
            assert said == ("required" if field.default is MISSING else "ttl")
        else:
            default = getattr(field.default, "name", field.default)
            assert said == {None: "none", 0.0: "0"}.get(default, str(default))


@pytest.mark.parametrize("line", REFUSED.splitlines())
def test_what_it_says_is_refused_is(line: str) -> None:
    with pytest.raises(cache.DeclarationError, match=r"got|is \d"):
        eval(line, vars(cache))


def test_the_page_on_the_codec_has_its_defaults() -> None:
    [said] = re.findall(r"`(Codec\(.*?\))`", CODEC)
    assert eval(said, {"Codec": Codec}).compress_above == COMPRESS_ABOVE
    assert (
        said == f"Codec(compress_above={COMPRESS_ABOVE}, level={LEVEL}, max_decompressed=8 * 2**20)"
    )
    assert MAX_DECOMPRESSED == 8 * 2**20


@pytest.mark.parametrize(
    ("benchmark", "says"), [("codec", "threshold"), ("memory_tier", "counted/real")]
)
def test_the_benchmarks_behind_the_pages_run(benchmark: str, says: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", "--short"]
    done = subprocess.run(
        command, cwd=DOCS.parent, capture_output=True, check=False, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
