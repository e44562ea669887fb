"""docs/redis.md: its examples run, and its keys and figures are those of the code."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

from redis.asyncio import Redis

from cache.breaker import Breaker
from cache.keys import storage_key
from cache.stores import node
from cache.stores.base import Fill
from cache.stores.lease import RedisLeases
from cache.stores.redis import RedisStore
from tests.support.servers import valkey

PAGE = (Path(__file__).parents[3] / "docs" / "redis.md").read_text()


def test_the_examples_run() -> None:
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    for block in blocks:
        exec(block, names)  # nothing is sent before the first command

    assert len(blocks) == 2
    assert isinstance(names["store"], RedisStore)


async def test_the_keys_are_those_of_the_table() -> None:
    patterns = [
        re.sub(r"<\w+>", "*", key.replace("<prefix>", "p"))
        for key in re.findall(r"^\| `([^`]+)` \| ", PAGE, flags=re.MULTILINE)
    ]
    with valkey() as server:
        redis = Redis.from_url(server.url)
        store = RedisStore(redis, "p")
        await store.put([Fill("key", b"value", 60)])
        await store.invalidate(["tag"])
        assert await RedisLeases(redis, "p").acquire("key", 60.0)
        keys = [key.decode() async for key in redis.scan_iter()]
        await redis.aclose()

    assert len(patterns) == len(keys) == 5
    assert all(any(fnmatchcase(key, pattern) for pattern in patterns) for key in keys), keys
    assert all(any(fnmatchcase(key, pattern) for key in keys) for pattern in patterns)


def test_the_figures_are_those_of_the_code() -> None:
    assert f"at most {node.BUDGET * 1000:.0f} ms" in PAGE
    assert f"for at most {node.BUDGET * 500:.0f} ms" in PAGE
    assert f"{node.BUDGET * 1500:.0f} ms, and the time to notice" in PAGE
    assert f"every {Breaker()._pause * 1000:.0f} ms" in PAGE
    assert len(storage_key("p", "k" * 160)) > 160
    assert len(storage_key("p", "k" * 161)) < 60
    assert "more than 160 characters" in PAGE
