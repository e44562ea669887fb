"""Sessions: an hour that slides, logged out is logged out, whatever happens to Redis."""

import asyncio
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.facts import Hit, Missed
from models.database import transaction
from models.tables import Role, Session
from resolvers import clock, sessions
from resolvers.context import ANONYMOUS, Viewer
from resolvers.sessions import LIFETIME, STEP, digest_of
from tests.support.counting import SqlCounter
from tests.support.store import Store, Worker
from tests.support.world import Gate


async def _who(worker: Worker, token: str | None, scheme: str = "Bearer") -> Viewer:
    """Whom a token speaks for; returns when the session's end has been moved, if it was due."""
    async with worker.context() as ctx:
        viewer = await sessions.authenticate(ctx, None if token is None else f"{scheme} {token}")
    await worker.services.background.close()
    return viewer


async def _ends_at(token: str) -> datetime | None:
    found = await Session.filter(digest=digest_of(token)).first()
    return found and found.ends_at


async def test_a_token_speaks_for_its_user(store: Store) -> None:
    token = store.tokens["staff"]
    viewer = await _who(store.worker, token)
    assert viewer == Viewer(store.users["staff"].id, Role.STAFF, digest_of(token))
    assert viewer.key == f"{viewer.user_id}:STAFF"
    assert await _who(store.other, token, "bearer") == viewer


@pytest.mark.parametrize("token", [None, "", "nonsense", "é", "x" * 100_000])
async def test_anything_else_is_anonymous(store: Store, token: str | None) -> None:
    assert await _who(store.worker, token) == ANONYMOUS
    assert await _who(store.worker, store.tokens["ada"], "Basic") == ANONYMOUS


async def test_the_second_look_runs_no_sql(store: Store) -> None:
    await _who(store.worker, store.tokens["ada"])
    with SqlCounter() as sql:
        await _who(store.other, store.tokens["ada"])
    assert sql.count == 0, sql.statements


async def test_only_the_digest_is_kept(store: Store) -> None:
    kept = await Session.all().values_list("digest", flat=True)
    assert all(len(str(digest)) == 64 for digest in kept)
    assert not set(kept) & set(store.tokens.values())


async def test_an_ended_session_is_anonymous(store: Store) -> None:
    token = await store.session("ada", age=LIFETIME)
    assert await _who(store.worker, token) == ANONYMOUS


async def test_a_cached_session_ends_on_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    token = store.tokens["ada"]
    assert await _who(store.worker, token) != ANONYMOUS
    later = datetime.now(UTC) + LIFETIME + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    store.worker.facts.clear()
    assert await _who(store.worker, token) == ANONYMOUS
    assert store.worker.facts.count(Hit) == 1


async def test_the_end_slides_at_most_once_a_minute(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = store.tokens["ada"]
    start = datetime.now(UTC)
    began = await _ends_at(token)
    assert began is not None
    with SqlCounter() as sql:
        await _who(store.worker, token)
        await _who(store.worker, token)
    assert sql.count == 1, "a young session is read, once, and not written"
    monkeypatch.setattr(clock, "now", lambda: start + STEP + timedelta(seconds=1))
    await asyncio.gather(*(_who(store.worker, token) for _ in range(5)), _who(store.other, token))
    moved = await _ends_at(token)
    assert moved == clock.now() + LIFETIME
    with SqlCounter() as sql:
        await _who(store.worker, token)
        await _who(store.other, token)
        await _who(store.worker, token)
    assert not [statement for statement in sql.statements if "UPDATE" in statement]
    assert await _ends_at(token) == moved


async def test_a_read_does_not_wait_for_the_write_lock(store: Store) -> None:
    """SQLite has one lock for writes: sliding a session's end waits for it, its reader does not."""
    token = await store.session("ada", age=timedelta(minutes=10))
    began = await _ends_at(token)
    assert began is not None
    async with transaction():
        # In a context of its own, as a request: not part of this transaction.
        asking = asyncio.get_running_loop().create_task(_ask(store, token), context=Context())
        async with asyncio.timeout(3):
            assert await asking == {"me": {"name": "Ada"}}
    await store.worker.services.background.close()
    moved = await _ends_at(token)

    assert moved is not None
    assert moved > began


async def _ask(store: Store, token: str) -> object:
    return await store.worker.ask("{ me { name } }", token)


async def test_sliding_does_not_bring_a_session_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R reads the session · W logs out · R slides the end: nothing is there to be moved."""
    token = await store.session("ada", age=timedelta(minutes=10))
    gate, slide = Gate(), sessions._slide

    async def slow(*args: Any) -> None:
        monkeypatch.setattr(sessions, "_slide", slide)
        await gate()
        await slide(*args)

    monkeypatch.setattr(sessions, "_slide", slow)
    reading = asyncio.create_task(_who(store.worker, token))
    await gate.reached.wait()
    await _logout(store.other, token)
    gate.open()
    await reading
    assert await _ends_at(token) is None
    assert await _who(store.worker, token) == ANONYMOUS
    assert await _who(store.other, token) == ANONYMOUS


async def test_logged_out_is_logged_out_in_a_race_with_a_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R reads the row · W logs out, purges, answers · R stores what it read: nobody may see it."""
    token = store.tokens["ada"]
    gate, read = Gate(), sessions.sessions_by_digest

    async def slow(digests: Any) -> Any:
        monkeypatch.setattr(sessions, "sessions_by_digest", read)
        found = await read(digests)
        await gate()
        return found

    monkeypatch.setattr(sessions, "sessions_by_digest", slow)
    reading = asyncio.create_task(_who(store.worker, token))
    await gate.reached.wait()
    await _logout(store.other, token)
    gate.open()
    await reading
    assert await _who(store.worker, token) == ANONYMOUS
    assert await _who(store.other, token) == ANONYMOUS


async def _logout(worker: Worker, token: str) -> None:
    async with worker.context(token) as ctx:
        await sessions.logout(ctx, everywhere=False)
        assert ctx.viewer == ANONYMOUS


async def test_everywhere_ends_all_of_one_user(store: Store) -> None:
    others = [await store.session("ada") for _ in range(3)]
    for token in (*others, store.tokens["ada"], store.tokens["bob"]):
        assert await _who(store.other, token) != ANONYMOUS
    async with store.worker.context(store.tokens["ada"]) as ctx:
        await sessions.logout(ctx, everywhere=True)
    for token in (*others, store.tokens["ada"]):
        assert await _who(store.other, token) == ANONYMOUS
    assert await _who(store.other, store.tokens["bob"]) != ANONYMOUS


async def test_a_session_outlives_redis_and_the_server(store: Store, redis: Redis) -> None:
    token = store.tokens["ada"]
    viewer = await _who(store.worker, token)
    async for key in redis.scan_iter(match=f"*{store.prefix}*"):
        await redis.delete(key)
    assert await _who(store.worker, token) == viewer
    restarted = Worker(store.redis, store.prefix)
    assert await _who(restarted, token) == viewer
    await restarted.close()


async def test_when_it_was_last_seen_is_a_record(store: Store) -> None:
    token = await store.session("ada", age=timedelta(minutes=10))
    await _who(store.worker, token)
    records = store.worker.services.records
    seen = await records.get(digest_of(token), "last_seen")
    assert seen is not None
    assert datetime.now(UTC) - datetime.fromisoformat(seen.decode()) < timedelta(minutes=1)
    await records.drop(digest_of(token))
    assert (await _who(store.worker, token)).user_id == store.users["ada"].id


async def test_without_redis_nobody_is_locked_out(store: Store) -> None:
    """Records and look-ups fail; the row decides."""
    away = Redis.from_url("redis://127.0.0.1:1", socket_timeout=0.1, retry=None)
    worker = Worker(away, store.prefix)
    token = await store.session("ada", age=timedelta(minutes=10))
    assert (await _who(worker, token)).user_id == store.users["ada"].id
    assert worker.facts.count(Missed) == 1
    await worker.close()
    await away.aclose()


async def test_a_busy_database_does_not_refuse_who_is_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await store.session("ada", age=timedelta(minutes=10))
    monkeypatch.setattr(sessions, "write", _busy)
    assert (await _who(store.worker, token)).user_id == store.users["ada"].id


def _busy(_ctx: object) -> Any:
    raise TimeoutError("database is locked")
