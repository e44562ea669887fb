"""`freshql write-behind`: the real commands, on both databases, with a real poison.

A trigger refuses the views of one product, as a constraint would that somebody added by hand.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from tortoise.context import require_context

from models.database import database_id
from models.tables import DeadLetter, Outbox, WriteBehindProgress
from tests.support.polling import eventually
from tests.support.servers import free_port
from tests.support.serving import FRESHQL, environment
from tests.support.write_behind import Worker, a_worker, add_products, sql_views

POISON = 7

TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER refuse BEFORE INSERT ON product_stats WHEN NEW.product_id = {POISON} "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    ],
    "postgres": [
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN "
        f"IF NEW.product_id = {POISON} THEN RAISE EXCEPTION 'not this one'; END IF; "
        "RETURN NEW; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER refuse BEFORE INSERT ON product_stats "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}


@pytest.fixture
async def one(variables: Mapping[str, str], redis_url: str) -> AsyncIterator[Worker]:
    """A worker of the deployment, which tries a refused operation twice."""
    await add_products(10)
    prefix = f"{variables['FRESHQL_KEY_PREFIX']}:{await database_id()}"
    async with a_worker(redis_url, prefix, tries=2, max_age=0.2, longest_pause=0.05) as worker:
        yield worker


async def run(
    directory: Path, variables: Mapping[str, str], *arguments: str, answer: str = ""
) -> tuple[int, str, str]:
    """The exit code, the output and the errors of a command."""
    done = await asyncio.to_thread(
        subprocess.run,
        [FRESHQL, "write-behind", *arguments],
        check=False,
        cwd=directory,
        env=environment(variables),
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


async def refuse() -> None:
    connection = require_context().db()
    for statement in TRIGGERS[connection.capabilities.dialect]:
        await connection.execute_script(statement)


async def allow() -> None:
    connection = require_context().db()
    is_postgres = connection.capabilities.dialect == "postgres"
    await connection.execute_script(
        "DROP TRIGGER refuse" + (" ON product_stats" if is_postgres else "")
    )


async def poisoned(one: Worker) -> None:
    """3 views of every product · those of one are refused · the flusher has done what it can."""
    await refuse()
    one.views.start()
    for _ in range(3):
        for number in range(1, 11):
            await one.add(number)

    async def is_flushed() -> bool:
        return await one.waiting() == 0

    await eventually(is_flushed, patience=60.0)
    await one.views.stop(30.0)


ALL_BUT_ONE = {number: 3 for number in range(1, 11) if number != POISON}


async def test_a_poison_is_listed_and_replayed_when_its_cause_is_gone(
    tmp_path: Path, variables: Mapping[str, str], one: Worker
) -> None:
    await poisoned(one)
    assert await sql_views() == ALL_BUT_ONE
    keys = [str(number) for number in range(1, 11)]
    assert await one.views.read(keys) == [3] * 10

    code, said, _ = await run(tmp_path, variables, "status")
    assert code == 1
    for line in ("stream: product-views", "waiting: 0", "parked keys: 1", "dead letters: 3"):
        assert f"{line}\n" in said
    assert "dead-letters list" in said

    code, said, _ = await run(tmp_path, variables, "dead-letters", "list")
    lines = said.splitlines()[1:]
    assert code == 0
    assert len(lines) == 3
    assert "not this one" in lines[0]
    assert all("product-views" in line for line in lines)

    code, said, _ = await run(tmp_path, variables, "dead-letters", "replay", "--all")
    assert code == 1
    assert said.startswith("failed again: product-views '7'")
    assert "not this one" in said
    assert await DeadLetter.all().count() == 3

    await allow()
    code, said, _ = await run(tmp_path, variables, "dead-letters", "replay", "--all")
    assert (code, said) == (0, "applied: product-views '7': 3 operations\n")
    assert await sql_views() == {**ALL_BUT_ONE, POISON: 3}
    assert await one.views.read(keys) == [3] * 10
    await one.add(POISON)
    assert await one.read(POISON) == 4
    await one.drain()
    assert (await sql_views())[POISON] == 4
    code, said, _ = await run(tmp_path, variables, "status")
    assert (code, "dead letters: 0" in said) == (0, True)


async def test_letters_are_chosen_by_id_and_by_key(
    tmp_path: Path, variables: Mapping[str, str], one: Worker
) -> None:
    await poisoned(one)
    await allow()
    first, second, third = [letter.id for letter in await one.views.dead_letters.listed()]
    code, said, _ = await run(tmp_path, variables, "dead-letters", "list", "--key", "8")
    assert (code, said) == (0, "There are no dead letters.\n")
    code, said, _ = await run(tmp_path, variables, "dead-letters", "replay", str(second))
    assert (code, said) == (0, "applied: product-views '7': 2 operations\n")
    assert (await sql_views())[POISON] == 2
    code, said, _ = await run(tmp_path, variables, "dead-letters", "replay", str(first))
    assert (code, said) == (1, f"not found: there is no dead letter {first}\n")
    code, said, _ = await run(tmp_path, variables, "dead-letters", "replay", "--key", "8")
    assert (code, said) == (0, "There are no dead letters of '8'.\n")
    code, said, _ = await run(tmp_path, variables, "dead-letters", "drop", str(third), "--yes")
    assert (code, said) == (0, "dropped: product-views: 1 operations\n")
    assert await one.read(POISON) == 2


async def test_a_drop_asks_and_the_views_are_shown_no_more(
    tmp_path: Path, variables: Mapping[str, str], one: Worker
) -> None:
    await poisoned(one)
    drop = ("dead-letters", "drop", "--key", "7")
    code, said, _ = await run(tmp_path, variables, *drop, answer="n\n")
    assert code == 1
    assert "Drop them?" in said
    assert await one.read(POISON) == 3
    code, said, _ = await run(tmp_path, variables, *drop, "--yes")
    assert (code, said) == (0, "dropped: product-views: 3 operations\n")
    assert await one.read(POISON) == 0
    assert await sql_views() == ALL_BUT_ONE


@pytest.mark.parametrize("said", [[], ["3", "--all"], ["--key", "7", "--all"]])
async def test_what_is_meant_must_be_said_once(
    tmp_path: Path, variables: Mapping[str, str], said: list[str]
) -> None:
    for command in ("replay", "drop"):
        code, _, errors = await run(tmp_path, variables, "dead-letters", command, *said)
        assert code == 2
        assert "one of the three" in errors


async def test_what_waits_and_who_flushes_is_shown(
    tmp_path: Path, variables: Mapping[str, str], one: Worker
) -> None:
    await one.add(1, 4)
    code, said, _ = await run(tmp_path, variables, "status")
    assert code == 0
    assert "waiting: 4, the oldest " in said
    assert "applied up to: 0-0\n" in said
    assert "lease: nobody\n" in said
    await one.flush()
    row = await WriteBehindProgress.get()
    _, said, _ = await run(tmp_path, variables, "status")
    assert f"applied up to: {row.last_id} of the stream {row.stream_epoch}\n" in said
    assert f"lease: {row.owner}, until " in said


async def test_operations_that_nobody_flushes_are_told_of(
    tmp_path: Path, variables: Mapping[str, str], one: Worker
) -> None:
    await one.add(1)
    seconds, _ = await one.redis.time()
    old = (int(seconds) - int(timedelta(minutes=5).total_seconds())) * 1000
    stream = one.views.journal.stream
    await one.redis.xtrim(stream, maxlen=0)
    await one.redis.execute_command("XSETID", stream, f"{old}-0")
    await one.redis.xadd(stream, {"k": "1", "n": "1", "f": "value"}, id=f"{old}-1")
    code, said, _ = await run(tmp_path, variables, "status")
    assert code == 1
    assert "waiting: 1, the oldest 30" in said
    assert "nobody flushes" in said


async def test_without_redis_it_says_what_sql_knows_and_letters_can_be_replayed(
    tmp_path: Path, variables: Mapping[str, str], one: Worker
) -> None:
    await poisoned(one)
    await allow()
    away = {**variables, "REDIS_URL": f"redis://shop:hunter2@127.0.0.1:{free_port()}/0"}
    code, said, errors = await run(tmp_path, away, "status")
    assert code == 2
    assert "waiting: not known" in said
    assert "dead letters: 3" in said
    assert "does not answer" in errors
    assert "hunter2" not in errors
    code, said, errors = await run(tmp_path, away, "dead-letters", "replay", "--all")
    assert (code, said) == (0, "applied: product-views '7': 3 operations\n")
    assert "made right when it is back" in errors
    assert await sql_views() == {**ALL_BUT_ONE, POISON: 3}
    assert await Outbox.filter(published_epoch=None).count() == 1
    assert await one.read(POISON) == 3


async def test_without_its_database_it_says_so(tmp_path: Path, redis_url: str) -> None:
    url = f"postgresql://postgres:hunter2@127.0.0.1:{free_port()}/store"
    variables = {"DATABASE_URL": url, "REDIS_URL": redis_url}
    for arguments in (["status"], ["dead-letters", "list"], ["dead-letters", "replay", "--all"]):
        code, said, errors = await run(tmp_path, variables, *arguments)
        assert (code, said) == (2, "")
        assert "cannot be reached" in errors
        assert "hunter2" not in errors


async def test_a_database_that_was_never_prepared_is_named(tmp_path: Path, redis_url: str) -> None:
    variables = {"DATABASE_URL": f"sqlite://{tmp_path / 'new.sqlite3'}", "REDIS_URL": redis_url}
    code, said, errors = await run(tmp_path, variables, "status")
    assert (code, said) == (2, "")
    assert "freshql init" in errors
