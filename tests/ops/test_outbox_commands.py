"""`freshql outbox status`: the real command, on both databases."""

import asyncio
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cache import Cache, RedisStore
from cache.integrations.tortoise import TortoiseOutbox
from models.database import database_id, transaction
from models.tables import Outbox
from tests.support.servers import free_port
from tests.support.serving import FRESHQL, environment


def status(directory: Path, **variables: str) -> tuple[int, dict[str, str], str]:
    """The exit code, the lines of the output by their first word or words, and the errors."""
    done = subprocess.run(
        [FRESHQL, "outbox", "status"],
        check=False,
        cwd=directory,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = (line.partition(": ") for line in done.stdout.splitlines())
    return done.returncode, {name: said for name, _, said in lines}, done.stderr


@pytest.fixture
def variables(variables: Mapping[str, str]) -> Mapping[str, str]:
    """With a bound that a slow machine keeps."""
    return {**variables, "FRESHQL_MAX_STALENESS": "30"}


async def rows(count: int) -> list[str]:
    """Writes that are committed and whose purges are not published."""
    outbox, made = TortoiseOutbox(Outbox), []
    for number in range(count):
        async with transaction():
            made.append(await outbox.add([f"product:{number}"]))
    return made


async def age(seconds: float) -> None:
    """Let every row have been made so long ago."""
    for row in await Outbox.all():
        moment = row.created_at - timedelta(seconds=seconds)
        await Outbox.filter(id=row.id).update(created_at=moment)


async def test_an_empty_outbox_is_well(tmp_path: Path, variables: Mapping[str, str]) -> None:
    code, said, _ = status(tmp_path, **variables)
    assert code == 0
    assert said["unpublished"] == "0"
    assert said["kept"].startswith("0,")
    assert said["epoch"]
    assert int(said["head"]) > 0


async def test_it_counts_what_waits_under_the_present_epoch(
    tmp_path: Path, variables: Mapping[str, str], redis: Redis
) -> None:
    prefix = f"{variables['FRESHQL_KEY_PREFIX']}:{await database_id()}"
    cache = Cache(RedisStore(redis, prefix), outbox=TortoiseOutbox(Outbox))
    first, *_ = await rows(3)
    await cache.publish(first, ["product:0"])
    assert cache.relay is not None
    await cache.relay.flush()
    code, said, _ = status(tmp_path, **variables)
    assert (code, said["unpublished"].partition(",")[0], said["kept"][:2]) == (0, "2", "3,")
    assert "s old" in said["unpublished"]
    assert cache.position is not None
    assert said["epoch"] == cache.position.epoch
    assert int(said["head"]) == cache.position.id
    await cache.new_epoch()
    code, said, _ = status(tmp_path, **variables)
    assert (code, said["unpublished"].partition(",")[0]) == (0, "3")
    await cache.close()


async def test_what_waits_for_longer_than_the_bound_is_stuck(
    tmp_path: Path, variables: Mapping[str, str]
) -> None:
    await rows(2)
    await age(60)
    hurried = {**variables, "FRESHQL_MAX_STALENESS": "0.5"}
    code, said, _ = status(tmp_path, **hurried)
    assert code == 1
    assert said["unpublished"].startswith("2, the oldest 6")
    assert "more than 0.5 s" in said["stuck"]


async def test_what_a_relay_takes_up_meanwhile_is_not_stuck(
    tmp_path: Path, variables: Mapping[str, str], redis: Redis
) -> None:
    """A row may be old when it becomes unpublished: by a new epoch, or a long transaction."""
    prefix = f"{variables['FRESHQL_KEY_PREFIX']}:{await database_id()}"
    await rows(1)
    await age(300)
    async with Cache(RedisStore(redis, prefix), outbox=TortoiseOutbox(Outbox)):
        look = asyncio.to_thread(status, tmp_path, **{**variables, "FRESHQL_MAX_STALENESS": "5"})
        code, said, _ = await look
    assert code == 0, said
    assert said["unpublished"] == "0"


async def test_without_redis_it_says_what_sql_knows_and_ends_with_2(
    tmp_path: Path, variables: Mapping[str, str]
) -> None:
    await rows(2)
    away = {**variables, "REDIS_URL": f"redis://shop:hunter2@127.0.0.1:{free_port()}/0"}
    code, said, errors = status(tmp_path, **away)
    assert code == 2
    assert said["never published"].startswith("2, the oldest")
    assert said["epoch"] == "not known"
    assert "does not answer" in errors
    assert "hunter2" not in errors


def test_without_its_database_it_says_so_and_ends_with_2(tmp_path: Path, redis_url: str) -> None:
    url = f"postgresql://postgres:hunter2@127.0.0.1:{free_port()}/store"
    code, said, errors = status(tmp_path, DATABASE_URL=url, REDIS_URL=redis_url)
    assert (code, said) == (2, {})
    assert "cannot be reached" in errors
    assert "hunter2" not in errors


def test_a_database_that_was_never_prepared_is_named(tmp_path: Path, redis_url: str) -> None:
    url = f"sqlite://{tmp_path / 'new.sqlite3'}"
    code, said, errors = status(tmp_path, DATABASE_URL=url, REDIS_URL=redis_url)
    assert (code, said) == (2, {})
    assert "freshql init" in errors
